"""The worker: settles what finished, claims into free slots, waits for news."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from inspect import isawaitable

from .claiming import Claimed, Claimer, WorkerEvictedError, release_strangers
from .database import DatabaseThread, write_transaction
from .errors import PauseQueue
from .events import emit
from .heartbeat import Heartbeat
from .models import Queue
from .options import WorkerOptions
from .outcomes import Attempt, Outcome
from .pausing import settle_probe
from .reaping import reap
from .running import Runner
from .settling import Settler
from .shutdown import StopRequest, stop_on_signals
from .task_queues import AbstractTaskQueue
from .wakeup import Watcher

# How long a queue waits after a probe that raised something unexpected.
CRASHED_PROBE_SECONDS = 30.0


class Worker:
    """Drains one queue until it is told to stop."""

    def __init__(self, queue: AbstractTaskQueue, options: WorkerOptions) -> None:
        self.queue = queue
        self.options = options
        self.database = DatabaseThread(queue.database)
        self.claimer = Claimer(queue)
        self.settler = Settler(queue)
        self.runner = Runner(queue, options.concurrency)
        self.in_flight: dict[asyncio.Task[Outcome], Attempt] = {}
        self.finished: list[Outcome] = []
        self.dead: dict[int, int] = {}
        self.started = 0
        self.is_drained = False
        self.is_stuck = False

    async def run(self) -> None:
        """Drain the queue until a signal, or what the options say, ends it.

        Afterwards `is_stuck` tells whether a thread still runs a handler that the
        deadline cut, so that the process cannot end in the ordinary way.
        """
        self.news = asyncio.Event()
        with stop_on_signals(self.news.set) as stop:
            async with self._alive():
                while not self._is_done(stop):
                    self.news.clear()
                    await self._settle_finished()
                    await self._bury_dead()
                    wait_seconds = await self._claim_into_free_slots()
                    await self._wait_for_news(wait_seconds, stop)
                await self._finish_in_flight()

    def _is_done(self, stop: StopRequest) -> bool:
        if stop.is_set or self.is_drained:
            return True
        return self._is_spent() and not self.in_flight and not self.finished

    def _is_spent(self) -> bool:
        return (
            self.options.max_tasks is not None
            and self.started >= self.options.max_tasks
        )

    @asynccontextmanager
    async def _alive(self) -> AsyncIterator[None]:
        """Be one of the queue's live workers, with a heartbeat and a watcher."""
        loop = asyncio.get_running_loop()
        table = self.queue.model._meta.db_table
        self.heartbeat = Heartbeat(
            self.queue.queue_name,
            self.queue.database,
            partial(self._tell_loop, loop, self.dead.update),
        )
        watcher = Watcher(
            self.queue.database, table, partial(self._tell_loop, loop, lambda: None)
        )
        await self._register()
        self.heartbeat.start()
        watcher.start()
        try:
            yield
        finally:
            await asyncio.to_thread(watcher.close)
            await asyncio.to_thread(self.heartbeat.close)
            await self.queue.aclose()
            await self.database(self.heartbeat.unregister)
            self.database.close()
            self.is_stuck = not await asyncio.to_thread(self.runner.close)
            emit(
                "worker.stopped",
                handled=self.heartbeat.handled,
                failed=self.heartbeat.failed,
            )

    def _tell_loop(
        self,
        loop: asyncio.AbstractEventLoop,
        record: Callable[..., None],
        *args: object,
    ) -> None:
        """Pass on what another thread noticed, and wake the loop."""

        def tell() -> None:
            record(*args)
            self.news.set()

        loop.call_soon_threadsafe(tell)

    async def _register(self) -> None:
        pid = os.getpid()
        await self.database(self._ensure_queue)
        await self.database(self.heartbeat.register, pid)
        emit(
            "worker.started",
            worker=pid,
            queue=self.queue.queue_name,
            concurrency=self.options.concurrency,
        )

    def _ensure_queue(self) -> None:
        with write_transaction(self.queue.database):
            queues = Queue.objects.using(self.queue.database)
            queues.get_or_create(pk=self.queue.queue_name)

    async def _settle_finished(self) -> None:
        if not self.finished:
            return
        outcomes, self.finished = self.finished, []
        await self.database(self.settler.settle, outcomes)
        self.heartbeat.count(outcomes)

    async def _bury_dead(self) -> None:
        while self.dead:
            worker_id, heartbeat = self.dead.popitem()
            await self.database(reap, self.queue, worker_id, heartbeat)

    async def _claim_into_free_slots(self) -> float | None:
        """Claim and start what is due; return when to look again without news."""
        occupied = len(self.in_flight) + len(self.finished)
        free = self.options.concurrency - occupied
        if self.options.max_tasks is not None:
            free = min(free, self.options.max_tasks - self.started)
        # A few slots at a time are not worth a transaction while the rest are busy.
        if free <= 0 or (occupied and free * 4 < self.options.concurrency):
            return None
        if self.heartbeat.is_fenced:
            return None
        claimed = await self._claim(free, occupied)
        for attempt in claimed.attempts:
            self._start(attempt)
        if claimed.probe_epoch is not None:
            await self._probe(claimed.probe_epoch)
            return 0.0
        self.is_drained = self.options.drain and claimed.is_empty and not occupied
        return claimed.wait_seconds

    async def _claim(self, free: int, occupied: int) -> Claimed:
        if self.heartbeat.is_evicted:
            await self._register_anew()
        if self.database.had_trouble:
            known = [attempt.key for attempt in self.in_flight.values()]
            known += [outcome.attempt.key for outcome in self.finished]
            await self.database(
                release_strangers,
                self.heartbeat.worker_id,
                self.queue.database,
                known,
            )
            self.database.had_trouble = False
        try:
            return await self.database(
                self.claimer.claim, self.heartbeat.worker_id, free, occupied
            )
        except WorkerEvictedError:
            await self._register_anew()
            return Claimed(wait_seconds=0.0)

    async def _register_anew(self) -> None:
        emit("worker.evicted")
        await self._register()

    def _start(self, attempt: Attempt) -> None:
        if self.heartbeat.is_fenced:
            # Not started, so not remembered: the claim is released as a stranger's.
            self.database.had_trouble = True
            return
        emit("task.started", task_id=attempt.task_id)
        self.started += 1
        task = asyncio.create_task(self.runner.run(attempt))
        self.in_flight[task] = attempt
        task.add_done_callback(self._collect)

    def _collect(self, task: asyncio.Task[Outcome]) -> None:
        attempt = self.in_flight.pop(task)
        if not task.cancelled():
            self.finished.append(task.result())
        else:
            self.finished.append(self.runner.interrupted(attempt))
        self.news.set()

    async def _probe(self, epoch: int) -> None:
        """Ask the queue whether its pause is over, and record the answer."""
        failure: PauseQueue | None = None
        try:
            answer = self.queue.probe()
            if isawaitable(answer):
                await answer
        except PauseQueue as error:
            failure = error
        except Exception as error:
            emit("queue.probe_crashed", exc_info=error, queue=self.queue.queue_name)
            failure = PauseQueue(CRASHED_PROBE_SECONDS, "probe_crashed", repr(error))
        await self.database(
            settle_probe, self.queue.queue_name, self.queue.database, epoch, failure
        )

    async def _wait_for_news(
        self, wait_seconds: float | None, stop: StopRequest
    ) -> None:
        """Wait until something happened, or `wait_seconds` or the poll time passed."""
        if self.finished or stop.is_set or self.is_drained:
            return
        timeout = self.options.poll_seconds
        if wait_seconds is not None:
            timeout = min(timeout, wait_seconds)
        alarm = asyncio.get_running_loop().call_later(timeout, self.news.set)
        await self.news.wait()
        alarm.cancel()

    async def _finish_in_flight(self) -> None:
        """Let what is in flight finish, up to the deadline; cut and settle the rest."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.options.stop_timeout_seconds
        self.database.give_up_at = deadline
        if self.in_flight:
            emit(
                "worker.stopping",
                in_flight=len(self.in_flight),
                timeout=self.options.stop_timeout_seconds,
            )
        while self.in_flight and (left := deadline - loop.time()) > 0:
            await asyncio.wait(
                self.in_flight, timeout=left, return_when=asyncio.FIRST_COMPLETED
            )
            await self._settle_finished()
        if self.in_flight:
            await self._cut()
        await self._settle_finished()

    async def _cut(self) -> None:
        """End what did not finish in time; what it did outside is unknown."""
        emit("worker.cut", in_flight=len(self.in_flight))
        for task in self.in_flight:
            task.cancel()
        await asyncio.wait(self.in_flight)
