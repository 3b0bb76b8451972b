"""Notices an event loop that stands still: nothing that runs on it could."""

import asyncio
import sys
import threading
from collections.abc import Callable
from traceback import extract_stack

from . import running
from .events import emit

# A loop that is only busy answers much sooner.
SPARE_SECONDS = 1.0
# So many lines of code are named: the handler's, and what it called.
LINES_TOLD = 3


class Watchdog:
    """Asks an event loop, from another thread, whether it still goes round.

    A handler that blocks it cannot be cut: no deadline on the loop is reached, while
    the heartbeat's thread keeps the other workers from taking over. `longest` tells for
    how many seconds it may be so, None for ever; after that `give_up` is called, in the
    thread that looks.
    """

    def __init__(
        self,
        seconds: float,
        longest: Callable[[], float | None],
        give_up: Callable[[], object],
    ) -> None:
        self._seconds = seconds
        self._longest = longest
        self._give_up = give_up
        self._last_longest: float | None = None
        self._has_answered = False
        self._silent_seconds = 0.0

    def start(self) -> None:
        """Watch the running loop, in this thread."""
        self._loop, self._thread_id = asyncio.get_running_loop(), threading.get_ident()
        self._has_answered = True

    def look(self) -> None:
        """Ask again. To be called, by another thread, every `seconds`.

        These are counted, and no clock is read: while the machine or the process
        slept, the loop had no chance to answer. One silent look alone says nothing.
        """
        longest = self._longest()
        if self._has_answered:
            self._has_answered = False
            self._loop.call_soon_threadsafe(self._answer)
            self._silent_seconds = 0.0
            return
        if longest != self._last_longest:
            # Who asks for a stop gives it its whole time.
            self._last_longest, self._silent_seconds = longest, 0.0
        self._silent_seconds += self._seconds
        if longest is not None and self._silent_seconds > max(
            longest + SPARE_SECONDS, self._seconds
        ):
            self._tell(longest)
            self._give_up()

    def _answer(self) -> None:
        self._has_answered = True

    def _tell(self, seconds: float) -> None:
        # The loop may stand still because of the log, which would then hold us up, too.
        where = self._where()
        teller = threading.Thread(
            target=lambda: emit("worker.blocked", seconds=seconds, where=where),
            daemon=True,
        )
        teller.start()
        teller.join(SPARE_SECONDS)

    def _where(self) -> str:
        """Return the lines of the handler that the loop's thread is in."""
        lines = list(extract_stack(sys._current_frames().get(self._thread_id)))
        names = [line.filename for line in lines]
        if running.__file__ in names:
            callers = len(names) - names[::-1].index(running.__file__)
            lines = lines[callers : callers + LINES_TOLD]
        told = lines[-LINES_TOLD:]
        return ", ".join(f"{line.filename}:{line.lineno} {line.name}" for line in told)
