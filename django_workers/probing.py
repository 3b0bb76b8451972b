"""Asks a paused queue, beside all else, whether its pause is over."""

import asyncio
from collections.abc import Callable

from .database import DatabaseThread
from .errors import PauseQueue
from .pausing import give_up_probe, settle_probe
from .running import CLOSING_SECONDS, Runner
from .task_queues import AbstractTaskQueue


class Prober:
    """Runs at most one probe of one queue, and records its answer."""

    def __init__(
        self, queue: AbstractTaskQueue, runner: Runner, database: DatabaseThread
    ) -> None:
        self.name = queue.queue_name
        self.using = queue.database
        self._runner = runner
        self._database = database
        self._epoch = 0
        self._probe: asyncio.Task[PauseQueue | None] | None = None

    def start(self, epoch: int, notify: Callable[[], None]) -> None:
        """Ask the queue, whose pause of `epoch` is over; `notify` when it answered.

        It is asked anew only when this is another pause than that it is asked for now.
        """
        if self._probe is not None:
            if epoch == self._epoch:
                return
            self._probe.cancel()
        self._epoch = epoch
        self._probe = asyncio.create_task(self._runner.probe())
        self._probe.add_done_callback(lambda _: notify())

    async def settle(self) -> None:
        """Record the answer, if there is one."""
        if self._probe is None or not self._probe.done():
            return
        probe, self._probe = self._probe, None
        await self._database(
            settle_probe, self.name, self.using, self._epoch, probe.result()
        )

    async def end(self) -> None:
        """Leave a probe that has not answered to another worker, at once."""
        if self._probe is None:
            return
        self._probe.cancel()
        await asyncio.wait([self._probe], timeout=CLOSING_SECONDS)
        await self._database(give_up_probe, self.name, self.using, self._epoch)
