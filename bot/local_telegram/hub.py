"""Who wants to know at once when something happened?"""

import asyncio
import json
from collections.abc import Callable
from typing import Any, TypeVar

_Found = TypeVar("_Found")

_BACKLOG = 2000
_RELOAD = '{"type":"reload"}'


class Hub:
    """Tells open pages (as JSON texts) and waiting tests (as a wake-up) of changes.

    Costs next to nothing while nobody listens.
    """

    def __init__(self) -> None:
        self._listeners: set[asyncio.Queue[str | None]] = set()
        self._waiters: set[asyncio.Future[None]] = set()

    @property
    def is_watched(self) -> bool:
        return bool(self._listeners)

    def publish(self, kind: str, **data: Any) -> None:
        self.wake()
        if not self._listeners:
            return
        text = json.dumps({"type": kind, **data}, ensure_ascii=False)
        for queue in self._listeners:
            if queue.qsize() >= _BACKLOG:
                # A page that cannot keep up reads everything anew instead.
                while not queue.empty():
                    queue.get_nowait()
                queue.put_nowait(_RELOAD)
            else:
                queue.put_nowait(text)

    def wake(self) -> None:
        if not self._waiters:
            return
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._waiters.clear()

    def listen(self) -> "asyncio.Queue[str | None]":
        """Return a queue of coming events; None in it means that the server stops."""
        queue: asyncio.Queue[str | None] = asyncio.Queue()
        self._listeners.add(queue)
        return queue

    def leave(self, queue: "asyncio.Queue[str | None]") -> None:
        self._listeners.discard(queue)

    def close(self) -> None:
        for queue in self._listeners:
            queue.put_nowait(None)

    async def wait_until(self, look: Callable[[], _Found], *, seconds: float) -> _Found:
        """Return the first true answer of `look`, asked now and after every change.

        Raises TimeoutError when there is none in time.
        """
        async with asyncio.timeout(seconds):
            while not (found := look()):
                waiter = asyncio.get_running_loop().create_future()
                self._waiters.add(waiter)
                try:
                    await waiter
                finally:
                    self._waiters.discard(waiter)
        return found
