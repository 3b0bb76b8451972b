"""Ends a process whose event loop stands still, for nothing within it could."""

import asyncio
import sys
import threading
from collections.abc import Callable
from traceback import extract_stack

from .events import emit
from .shutdown import end_at_once

# A loop that is only busy answers much sooner.
SPARE_SECONDS = 1.0


class Watchdog:
    """Asks an event loop, from another thread, whether it still goes round.

    A handler that blocks it cannot be cut: no deadline on the loop is reached, while
    the heartbeat's thread keeps the other workers from taking over. `longest` tells for
    how many seconds it may be so, None for ever; `in_flight` how many tasks it would
    leave to the others.
    """

    def __init__(
        self,
        seconds: float,
        longest: Callable[[], float | None],
        in_flight: Callable[[], int],
    ) -> None:
        self._seconds = seconds
        self._longest = longest
        self._in_flight = in_flight
        self._has_answered = False
        self._silent_seconds = 0.0

    def start(self) -> None:
        """Watch the running loop, in this thread."""
        self._loop, self._thread_id = asyncio.get_running_loop(), threading.get_ident()
        self._has_answered = True

    def look(self) -> None:
        """Ask again. To be called, by another thread, every `seconds`.

        These are counted, and no clock is read: while the machine or the process
        slept, the loop had no chance to answer.
        """
        if self._has_answered:
            self._has_answered, self._silent_seconds = False, 0.0
            self._loop.call_soon_threadsafe(self._answer)
            return
        self._silent_seconds += self._seconds
        longest = self._longest()
        if longest is not None and self._silent_seconds > longest + SPARE_SECONDS:
            emit(
                "worker.blocked",
                seconds=longest,
                where=self._where(),
                in_flight=self._in_flight(),
            )
            end_at_once(1)

    def _answer(self) -> None:
        self._has_answered = True

    def _where(self) -> str:
        """Return the lines of code that the loop's thread is in, the innermost last."""
        frame = sys._current_frames().get(self._thread_id)
        lines = extract_stack(frame, limit=None)[-3:]
        return ", ".join(f"{line.filename}:{line.lineno} {line.name}" for line in lines)
