"""The worker: settles what finished, claims into free slots, waits for news."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from .claiming import Claimed, Claimer, WorkerEvictedError
from .database import DatabaseThread
from .delivering import deliverer
from .events import emit
from .options import WorkerOptions
from .outcomes import Attempt
from .pool import TaskPool
from .presence import Presence
from .probing import Prober
from .reaping import reap
from .running import CLOSING_SECONDS, Runner
from .settling import Settler
from .shutdown import StopRequest, stop_on_signals
from .task_queues import AbstractTaskQueue
from .wakeup import Watcher
from .watchdog import Watchdog

# So soon after a claim a few more free slots are not worth another.
REFILL_SECONDS = 0.05


class Worker:
    """Drains one queue until it is told to stop.

    `end_process` is called, in another thread and with the exit code, when a handler
    blocks the event loop for too long: nobody else could end that.
    """

    def __init__(
        self,
        queue: AbstractTaskQueue,
        options: WorkerOptions,
        end_process: Callable[[int], object] = lambda code: None,
    ) -> None:
        self.queue = queue
        self.options = options
        self.database = DatabaseThread(queue.database, f"worker {queue.queue_name}")
        self.claimer = Claimer(queue)
        self.settler = Settler(queue)
        self.runner = Runner(queue, options.concurrency, self._give_up)
        self.news = asyncio.Event()
        self.pool = TaskPool(
            queue,
            options.concurrency,
            self.runner,
            self._may_begin,
            self.news.set,
            lambda: self.presence.heartbeat.others + 1,
        )
        self.prober = Prober(queue, self.runner, self.database)
        self.watchdog = Watchdog(
            queue.heartbeat_seconds,
            self._longest_standstill,
            partial(end_process, 1),
        )
        self.presence = Presence(
            queue,
            self.database,
            options.concurrency,
            self._hear_of_dead,
            self.watchdog,
        )
        self.watcher = Watcher(
            queue.database,
            queue.model._meta.db_table,
            partial(self._tell_loop, self.news.set),
            # What could not begin is looked for when a slot is empty.
            is_needed=lambda: not self.pool.is_full,
        )
        self.dead: dict[int, int] = {}
        self.claimed_at = float("-inf")
        self.stop_request = StopRequest()
        self.is_drained = False
        self.is_stuck = False
        self.exit_code = 0

    async def run(self) -> None:
        """Drain the queue until a signal, or what the options say, ends it.

        Afterwards `is_stuck` tells whether a handler that the deadline cut still runs,
        so that the process cannot end in the ordinary way.
        """
        self.loop = asyncio.get_running_loop()
        self.stop_request.wake_with(self._hear_stop)
        with stop_on_signals(self.stop_request):
            async with self._alive():
                try:
                    while not self._is_done():
                        self.news.clear()
                        await self._settle_finished()
                        await self.prober.settle()
                        await self._bury_dead()
                        await self._release_strangers()
                        wait_seconds = await self._claim_into_free_slots()
                        await self._wait_for_news(wait_seconds)
                finally:
                    await self._finish_in_flight()

    def stop(self) -> None:
        """Ask it to end as SIGTERM does. May be called from any thread."""
        self.stop_request.make()

    def _is_done(self) -> bool:
        if self.stop_request.is_set or self.is_drained:
            return True
        return self._is_spent() and not self.pool.occupied

    def _is_spent(self) -> bool:
        most = self.options.max_tasks
        return most is not None and self.pool.started >= most

    @asynccontextmanager
    async def _alive(self) -> AsyncIterator[None]:
        """Be one of the queue's live workers, with a heartbeat and a watcher.

        Each thing that was opened is closed, the last one first, whatever fails.
        """
        heartbeat, watcher = self.presence.heartbeat, self.watcher
        async with AsyncExitStack() as stack:
            stack.callback(self._say_goodbye)
            stack.push_async_callback(asyncio.to_thread, self._finish_telling)
            stack.push_async_callback(self._close_runner)
            stack.callback(self.database.close)
            await self.presence.register()
            stack.push_async_callback(self._leave)
            self.watchdog.start()
            # It beats until the queue is closed, which may take a while.
            heartbeat.start()
            stack.push_async_callback(asyncio.to_thread, heartbeat.close)
            stack.push_async_callback(self._close_queue)
            watcher.start()
            stack.push_async_callback(asyncio.to_thread, watcher.close)
            yield

    async def _leave(self) -> None:
        await self._release_strangers()
        await self.presence.leave()

    async def _close_queue(self) -> None:
        try:
            async with asyncio.timeout(self._closing_seconds()) as deadline:
                await self.queue.aclose()
        except TimeoutError:
            if not deadline.expired():
                raise
            emit("queue.unclosed", queue=self.queue.queue_name)

    async def _close_runner(self) -> None:
        self.is_stuck |= not await self.runner.close()

    def _finish_telling(self) -> None:
        """Let the receivers of signals finish, as long as the deadline leaves time."""
        if waiting := deliverer.wait(self._closing_seconds()):
            emit("receivers.cut", waiting=waiting)

    def _say_goodbye(self) -> None:
        heartbeat = self.presence.heartbeat
        emit("worker.stopped", handled=heartbeat.handled, failed=heartbeat.failed)

    def _longest_standstill(self) -> float | None:
        """Return for how long the loop may stand still: as a handler or a stop may."""
        if not self.stop_request.is_set:
            return self.queue.handler_timeout
        seconds = self.options.stop_timeout_seconds
        return min(seconds, self.queue.handler_timeout or seconds)

    # --- what others tell -------------------------------------------------------------

    def _tell_loop(self, record: Callable[..., None], *args: object) -> None:
        """Pass on to the loop what another thread noticed."""
        self.loop.call_soon_threadsafe(record, *args)

    def _hear_of_dead(self, dead: dict[int, int]) -> None:
        self._tell_loop(self.dead.update, dead)
        self._tell_loop(self.news.set)

    def _hear_stop(self) -> None:
        self._set_deadline()
        self.news.set()

    def _give_up(self, attempt: Attempt) -> None:
        """End, with an error: a thread is stuck in a handler for too long."""
        emit(
            "worker.stuck",
            task_id=attempt.task_id,
            seconds=self.queue.handler_timeout,
        )
        self.exit_code = 1
        self.stop()

    # --- the steps of the loop --------------------------------------------------------

    async def _settle_finished(self) -> None:
        finished = self.pool.finished
        if not finished:
            return
        outcomes = list(finished)
        await self.database(self.settler.settle, outcomes)
        # Until they are committed, they keep their claims, and count in `free`.
        del finished[: len(outcomes)]
        self.presence.heartbeat.count(outcomes)

    async def _bury_dead(self) -> None:
        # Once each: whoever could not be buried yet is told of again.
        for worker_id in list(self.dead):
            heartbeat = self.dead.pop(worker_id)
            await self.database(reap, self.queue, worker_id, heartbeat)

    async def _release_strangers(self) -> None:
        await self.presence.release_strangers(self.pool.claim_keys())

    async def _claim_into_free_slots(self) -> float | None:
        """Claim and start what is due; return when to look again without news."""
        occupied, now = self.pool.occupied, self.loop.time()
        free = self.pool.free(self.options.max_tasks)
        if free <= 0:
            return None
        early = self.claimed_at + REFILL_SECONDS - now
        if occupied and free * 4 < self.pool.room and early > 0:
            return early
        if self.presence.heartbeat.is_evicted:
            await self._register_anew()
        if self.presence.check_fence():
            return self.queue.heartbeat_seconds / 2
        # A pause that is heard of while the claim is written calls it off, too.
        times_called_off = self.pool.times_called_off
        claimed = await self._claim(free, occupied)
        if claimed.attempts:
            self.claimed_at = now
        self._take_up(claimed, times_called_off)
        self.is_drained = self.options.drain and claimed.is_empty and not occupied
        # What trouble may have left behind is given back before anything is waited for.
        return 0.0 if self.database.had_trouble else claimed.wait_seconds

    def _take_up(self, claimed: Claimed, times_called_off: int) -> None:
        for attempt in claimed.attempts:
            if self.presence.check_fence():
                # Not started, so not known: the claim is released as a stranger's.
                self.database.had_trouble = True
                break
            self.pool.start(attempt, times_called_off)
        if claimed.is_closed:
            self.pool.call_off()
        if claimed.probe_epoch is not None:
            self.prober.start(claimed.probe_epoch, self.news.set)

    async def _claim(self, free: int, occupied: int) -> Claimed:
        try:
            return await self.database(
                self.claimer.claim, self.presence.worker_id, free, occupied
            )
        except WorkerEvictedError:
            await self._register_anew()
            return Claimed(wait_seconds=0.0)

    async def _register_anew(self) -> None:
        # What was claimed ahead is another worker's by now.
        self.pool.call_off()
        await self.presence.register_anew()

    def _may_begin(self) -> bool:
        """Tell whether a task that has waited for its slot may begin."""
        return not (
            self.stop_request.is_set
            or self.presence.heartbeat.is_evicted
            or self.presence.check_fence()
            or self.queue.limit_in_flight() is not None
        )

    async def _wait_for_news(self, wait_seconds: float | None) -> None:
        """Wait until something happened, or `wait_seconds` or the poll time passed."""
        if self.pool.finished or self._is_done():
            return
        timeout = self.options.poll_seconds
        if wait_seconds is not None:
            timeout = min(timeout, wait_seconds)
        alarm = self.loop.call_later(timeout, self.news.set)
        await self.news.wait()
        alarm.cancel()

    # --- the end ----------------------------------------------------------------------

    def _set_deadline(self) -> float:
        """Return when the worker must end, as set when that was asked for first."""
        if self.database.give_up_at is None:
            now = self.loop.time()
            self.database.give_up_at = now + self.options.stop_timeout_seconds
        return self.database.give_up_at

    def _closing_seconds(self) -> float:
        """Return for how long one that has to be closed may be waited for."""
        return max(self._set_deadline() - self.loop.time(), CLOSING_SECONDS)

    async def _finish_in_flight(self) -> None:
        """Let what is in flight finish, up to the deadline; cut and settle the rest."""
        deadline = self._set_deadline()
        self.pool.call_off()
        if begun := self.pool.running:
            emit(
                "worker.stopping",
                in_flight=begun,
                timeout=self.options.stop_timeout_seconds,
            )
        while (hopeful := self.pool.hopeful()) and (
            left := deadline - self.loop.time()
        ) > 0:
            await asyncio.wait(
                hopeful, timeout=left, return_when=asyncio.FIRST_COMPLETED
            )
            await self._settle_finished()
        if unfinished := len(self.pool.in_flight):
            emit("worker.cut", in_flight=unfinished)
            self.is_stuck = not await self.pool.cut()
        await self._settle_finished()
        await self.prober.end()
