"""The tasks of a worker: those in flight, and how the ones that ended did."""

import asyncio
from collections.abc import Callable
from uuid import UUID

from django.utils import timezone

from .errors import PauseQueue
from .events import emit
from .outcomes import Attempt, NotBegun, Outcome
from .running import CLOSING_SECONDS, Runner
from .slots import Slots
from .task_queues import AbstractTaskQueue


class TaskPool:
    """Runs so many tasks at once; what was claimed ahead waits for its slot.

    `in_flight` holds what runs or waits, `finished` what is to be settled, and
    `started` counts what has begun or is to. Whether a task that had to wait for its
    slot may still begin, `may_begin` says; `notify` is called when one has ended.
    """

    def __init__(
        self,
        queue: AbstractTaskQueue,
        concurrency: int,
        runner: Runner,
        may_begin: Callable[[], bool],
        notify: Callable[[], None],
    ) -> None:
        self.queue = queue
        self.concurrency = concurrency
        self.runner = runner
        self.slots = Slots(concurrency, may_begin)
        self.room = concurrency + queue.claims_ahead(concurrency)
        self.in_flight: dict[asyncio.Task[Outcome], Attempt] = {}
        self.finished: list[Outcome] = []
        self.started = 0
        self._notify = notify

    @property
    def occupied(self) -> int:
        """How many claims the worker holds."""
        return len(self.in_flight) + len(self.finished)

    @property
    def begun(self) -> int:
        """How many tasks run; the others in flight wait for a slot."""
        return sum(attempt.has_begun for attempt in self.in_flight.values())

    def free(self, most_started: int | None) -> int:
        """Return how many tasks may be claimed now, with `most_started` in all.

        What has finished and waits to be settled does not keep the next from starting,
        or handlers would idle while a settle is written. It is bounded all the same,
        for a database that answers nothing.
        """
        room, limit = self.room, self.queue.limit_in_flight()
        free = min(room - len(self.in_flight), room + room // 2 - self.occupied)
        if limit is not None:
            # A queue in trouble wants to know how one ended before the next begins,
            # and nothing waits beside it.
            free = min(free, min(limit, self.concurrency) - self.occupied)
        if most_started is not None:
            free = min(free, most_started - self.started)
        return free

    def known(self) -> list[UUID]:
        """Return the keys of the claims that the worker knows of."""
        attempts = [*self.in_flight.values(), *(each.attempt for each in self.finished)]
        return [attempt.key for attempt in attempts]

    def start(self, attempt: Attempt, times_called_off: int) -> None:
        """Run a task in a slot, unless what was claimed with it was called off."""
        self.started += 1
        task = asyncio.create_task(self._run_in_slot(attempt, times_called_off))
        self.in_flight[task] = attempt
        task.add_done_callback(self._collect)

    def hopeful(self) -> list[asyncio.Task[Outcome]]:
        """Return what is in flight and may still end by itself."""
        return [
            task
            for task, attempt in self.in_flight.items()
            if attempt.key not in self.runner.stuck
        ]

    async def cut(self) -> bool:
        """End what is in flight, and return whether all of it has ended.

        What a task did outside is unknown. Only the process can end one that does not
        let itself be cancelled.
        """
        for task in self.in_flight:
            task.cancel()
        await asyncio.wait(self.in_flight, timeout=CLOSING_SECONDS)
        has_ended = not self.in_flight
        self.finished += map(self.runner.interrupted, self.in_flight.values())
        self.in_flight.clear()
        return has_ended

    async def _run_in_slot(self, attempt: Attempt, times_called_off: int) -> Outcome:
        if not await self.slots.take(times_called_off):
            return Outcome(attempt, NotBegun())
        try:
            emit("task.started", task_id=attempt.task_id)
            attempt.has_begun, attempt.started_at = True, timezone.now()
            outcome = await self.runner.run(attempt)
            if isinstance(outcome.ending, PauseQueue):
                self.slots.call_off()
            return outcome
        finally:
            self.slots.give_back()

    def _collect(self, task: asyncio.Task[Outcome]) -> None:
        attempt = self.in_flight.pop(task, None)
        if attempt is None:
            return
        if not attempt.has_begun:
            self.started -= 1
            self.finished.append(Outcome(attempt, NotBegun()))
        elif not task.cancelled():
            self.finished.append(task.result())
        else:
            self.finished.append(self.runner.interrupted(attempt))
        self._notify()
