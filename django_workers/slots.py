"""The slots of a worker: so many tasks run at once, what was claimed ahead waits."""

import asyncio
from collections.abc import Callable
from typing import Any


class Slots:
    """`count` slots. Whether one that had to wait may still begin, `may_begin` says.

    `times_called_off` is what a task remembers of the moment when it was asked for.
    """

    def __init__(self, count: int, may_begin: Callable[[], bool]) -> None:
        self.times_called_off = 0
        self._free = asyncio.Semaphore(count)
        self._may_begin = may_begin
        self._waiting: set[asyncio.Task[Any] | None] = set()

    async def take(self, times_called_off: int) -> bool:
        """Wait for a slot; return False when the task is not to begin any more.

        To be cancelled while it waits is such an answer too, for nothing was done.
        """
        if times_called_off != self.times_called_off:
            return False
        if not self._free.locked():
            return await self._free.acquire()
        task = asyncio.current_task()
        self._waiting.add(task)
        try:
            await self._free.acquire()
        except asyncio.CancelledError:
            return False
        finally:
            self._waiting.discard(task)
        is_wanted = False
        try:
            is_wanted = self._may_begin()
        finally:
            if not is_wanted:
                self._free.release()
        return is_wanted

    def give_back(self) -> None:
        """Let the next one have the slot."""
        self._free.release()

    def call_off(self) -> None:
        """Let none begin that was asked for before; those that wait know it at once."""
        self.times_called_off += 1
        for task in filter(None, self._waiting):
            task.cancel()
