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

# What waits for a slot has used up its share of the rate already. When slow tasks let
# it go all at once, it must be little beside what the rate lets start in a second; so
# much is for one worker, and for all of them together.
SECONDS_OF_RATE_AHEAD, SECONDS_OF_RATE_AHEAD_IN_ALL = 0.1, 0.5


class TaskPool:
    """Runs `concurrency` tasks at once; what was claimed ahead waits for its slot.

    `in_flight` holds what runs or waits, `finished` what is to be settled, and
    `started` counts what has begun or is to. Whether a task that had to wait for its
    slot may still begin, `may_begin` says; `notify` is called when one has ended, and
    `count_workers` tells how many share the queue's rate.
    """

    def __init__(
        self,
        queue: AbstractTaskQueue,
        concurrency: int,
        runner: Runner,
        may_begin: Callable[[], bool],
        notify: Callable[[], None],
        count_workers: Callable[[], int],
    ) -> None:
        self.queue = queue
        self.concurrency = concurrency
        self.runner = runner
        self.in_flight: dict[asyncio.Task[Outcome], Attempt] = {}
        self.finished: list[Outcome] = []
        self.started = 0
        self._slots = Slots(concurrency, may_begin)
        self._ahead = queue.claims_ahead(concurrency)
        self._count_workers = count_workers
        self._notify = notify

    @property
    def room(self) -> int:
        """How many tasks may run or wait for a slot."""
        ahead: float = self._ahead
        if (rate := self.queue.rate) is not None:
            share = rate * SECONDS_OF_RATE_AHEAD_IN_ALL / self._count_workers()
            ahead = min(ahead, rate * SECONDS_OF_RATE_AHEAD, share)
        return self.concurrency + int(ahead)

    @property
    def occupied(self) -> int:
        """How many claims the worker holds."""
        return len(self.in_flight) + len(self.finished)

    @property
    def running(self) -> int:
        """How many tasks have begun; the others in flight wait for a slot."""
        return sum(attempt.has_begun for attempt in self.in_flight.values())

    @property
    def is_full(self) -> bool:
        """Whether no slot is empty, so that nothing new could begin at once."""
        return len(self.in_flight) >= self.concurrency

    @property
    def times_called_off(self) -> int:
        """What `start` is to be told of the moment when its task was asked for."""
        return self._slots.times_called_off

    def call_off(self) -> None:
        """Let none begin that was asked for before."""
        self._slots.call_off()

    def free(self, max_tasks: int | None) -> int:
        """Return how many tasks may be claimed now; `max_tasks` may start in all.

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
        if max_tasks is not None:
            free = min(free, max_tasks - self.started)
        return free

    def claim_keys(self) -> list[UUID]:
        """Return the keys of the claims that the worker knows of."""
        attempts = [*self.in_flight.values(), *(each.attempt for each in self.finished)]
        return [attempt.key for attempt in attempts]

    def start(self, attempt: Attempt, times_called_off: int) -> None:
        """Run a task in a slot, unless it was called off after it was asked for."""
        self.started += 1
        task = asyncio.create_task(self._run_in_slot(attempt, times_called_off))
        self.in_flight[task] = attempt
        task.add_done_callback(self._collect)

    def hopeful(self) -> list[asyncio.Task[Outcome]]:
        """Return what may still end by itself: a stuck thread only does with us."""
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
        if not await self._slots.take(times_called_off):
            return Outcome(attempt, NotBegun())
        try:
            emit("task.started", task_id=attempt.task_id)
            attempt.has_begun, attempt.started_at = True, timezone.now()
            outcome = await self.runner.run(attempt)
            if isinstance(outcome.ending, PauseQueue):
                self._slots.call_off()
            return outcome
        finally:
            self._slots.give_back()

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
