"""Runs what may take long, or fail, in a thread where it holds up nobody."""

import atexit
import threading
from collections import deque
from collections.abc import Callable

from django.db import close_old_connections, connections

MOST_WAITING = 10_000
# The thread ends when there was nothing to do for so long.
IDLE_SECONDS = 5.0
# How long a process that ends waits for receivers, unless something else decides.
CLOSING_SECONDS = 2.0


class Deliverer:
    """Calls functions one after the other, in a thread that comes and goes.

    The functions must not raise. `refused` counts those that were not taken, because
    too many wait, since the last one that was.
    """

    def __init__(self, most_waiting: int = MOST_WAITING) -> None:
        self.refused = 0
        self._most_waiting = most_waiting
        self._waiting: deque[Callable[[], None]] = deque()
        self._is_busy = False
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def put(self, function: Callable[[], None]) -> bool:
        """Have the function called soon; False when too many wait already."""
        with self._changed:
            if len(self._waiting) >= self._most_waiting:
                self.refused += 1
                return False
            self.refused = 0
            self._waiting.append(function)
            self._changed.notify_all()
            # After a fork there is an object, and no thread.
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(
                    target=self._run, name="deliverer", daemon=True
                )
                self._thread.start()
            return True

    def wait(self, timeout: float) -> int:
        """Wait until all is done; return how many are not when the time is up."""
        with self._changed:
            self._changed.wait_for(self._is_idle, max(0.0, timeout))
            return len(self._waiting) + self._is_busy

    def _is_idle(self) -> bool:
        return not self._waiting and not self._is_busy

    def _run(self) -> None:
        while (function := self._take()) is not None:
            close_old_connections()
            function()
            if not self._waiting:
                connections.close_all()

    def _take(self) -> Callable[[], None] | None:
        with self._changed:
            self._is_busy = False
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._waiting, IDLE_SECONDS)
            if not self._waiting:
                self._thread = None
                return None
            self._is_busy = True
            return self._waiting.popleft()


deliverer = Deliverer()
# For commands that end right after they did something, such as pause_queue.
atexit.register(deliverer.wait, CLOSING_SECONDS)


def wait_until_delivered(timeout: float = 10.0) -> bool:
    """Wait until all receivers are done, in a test for instance; False if they hang."""
    return deliverer.wait(timeout) == 0
