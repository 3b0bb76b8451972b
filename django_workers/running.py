"""Runs a handler, `def` or `async def`, and says how it ended."""

import asyncio
import inspect
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from typing import Any
from uuid import UUID

from asgiref.sync import sync_to_async
from django.db import Error, close_old_connections, connections
from django.utils import timezone

from .errors import PauseQueue, PostponeTask, TaskError
from .events import emit
from .outcomes import Attempt, Ending, Outcome, Success
from .task_queues import AbstractTaskQueue

# A stuck handler must not keep a worker from ending.
CLOSING_SECONDS = 1.0
# How long a probe may take, and the queue waits after one that came to no answer.
PROBE_SECONDS = 30.0
CRASHED_PROBE_SECONDS = 30.0

_Answer = tuple[Any, BaseException | None]


class Runner:
    """Runs tasks of one queue: async handlers on the loop, others in threads.

    `stuck` holds the keys of attempts whose thread overran the queue's
    `handler_timeout`: it cannot be ended, only the process can. `on_stuck` is called
    on the loop when that happens.
    """

    def __init__(
        self,
        queue: AbstractTaskQueue,
        concurrency: int,
        on_stuck: Callable[[Attempt], None] = lambda attempt: None,
    ) -> None:
        self.queue = queue
        self.stuck: set[UUID] = set()
        self._on_stuck = on_stuck
        self._is_async = inspect.iscoroutinefunction(queue.handle_task)
        self._threads: list[str] = []
        self._calls: set[Future[_Answer]] = set()
        self._executor = ThreadPoolExecutor(
            concurrency + 1,  # the probe has a thread of its own
            thread_name_prefix="handler",
            initializer=lambda: self._threads.append(threading.current_thread().name),
        )

    async def run(self, attempt: Attempt) -> Outcome:
        """Run one attempt to its end."""
        ending = await self._run(attempt)
        attempt.finished_at = timezone.now()
        return Outcome(attempt, ending)

    async def probe(self) -> PauseQueue | None:
        """Ask the queue whether its pause is over; return the answer when it is not."""
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                answer = _result(await self._in_thread(self.queue.probe))
                if inspect.isawaitable(answer):
                    await answer
        except PauseQueue as error:
            return error
        except BaseException as error:
            if _is_cancelled_by_worker(error):
                raise
            emit("queue.probe_crashed", exc_info=error, queue=self.queue.queue_name)
            return PauseQueue(CRASHED_PROBE_SECONDS, "probe_crashed", repr(error))
        return None

    def interrupted(self, attempt: Attempt) -> Outcome:
        """Return the outcome of an attempt that was cut off."""
        attempt.finished_at = timezone.now()
        if attempt.key in self.stuck:
            return Outcome(attempt, self._timeout(attempt.task_id))
        error = TaskError(
            "interrupted",
            task_id=attempt.task_id,
            description="The worker was told to stop before this was finished.",
        )
        return Outcome(attempt, error)

    async def _run(self, attempt: Attempt) -> Ending:
        with TaskError.set_default_task_id(attempt.task_id):
            try:
                return Success(attempt, await self._call(attempt))
            except (TaskError, PostponeTask, PauseQueue) as error:
                ending = error
            except BaseException as error:
                # A handler that calls sys.exit() must not take its neighbours with it.
                if _is_cancelled_by_worker(error):
                    raise
                ending = _crashed(attempt, error)
        if self._is_async and _tells_of_database(ending):
            await sync_to_async(_close_broken_connections)()
        return ending

    async def _call(self, attempt: Attempt) -> Any:
        if self._is_async:
            return await self._within_deadline(self.queue.handle_task(attempt.item))
        result = await self._handle_in_thread(attempt)
        # It may have passed on what an `async def` returned: a decorator, a partial.
        if inspect.isawaitable(result):
            result = await self._within_deadline(result)
        return result

    async def _within_deadline(self, awaitable: Awaitable[Any]) -> Any:
        try:
            async with asyncio.timeout(self.queue.handler_timeout) as deadline:
                return await awaitable
        except TimeoutError:
            if not deadline.expired():
                raise
            raise self._timeout() from None

    def _timeout(self, task_id: Any = None) -> TaskError:
        text = f"Took over {self.queue.handler_timeout:g} s."
        return TaskError("timeout", task_id=task_id, description=text)

    async def _handle_in_thread(self, attempt: Attempt) -> Any:
        answer = self._in_thread(self.queue.handle_task, attempt.item)
        try:
            await asyncio.wait([answer], timeout=self.queue.handler_timeout)
            if not answer.done():
                self.stuck.add(attempt.key)
                self._on_stuck(attempt)
            result = _result(await answer)
        finally:
            answer.cancel()
        self.stuck.discard(attempt.key)
        return result

    def _in_thread(
        self, function: Callable[..., Any], *args: Any
    ) -> "asyncio.Future[_Answer]":
        # The executor alone would drop the context, and with it the default task id.
        call = self._executor.submit(
            copy_context().run, _call_in_thread, function, *args
        )
        self._calls.add(call)
        call.add_done_callback(self._calls.discard)
        return asyncio.wrap_future(call)

    async def close(self) -> bool:
        """End the threads, their database connections first; False if one is stuck."""
        if self._is_async:
            # Django's async ORM works in one thread, which outlives this worker.
            await sync_to_async(connections.close_all)()
        return await asyncio.to_thread(self._close_threads)

    def _close_threads(self) -> bool:
        done = not wait(set(self._calls), timeout=CLOSING_SECONDS).not_done
        if done and self._threads:
            count = len(self._threads)
            everyone = threading.Barrier(count)
            for _ in range(count):
                self._executor.submit(_close_connections, everyone)
        self._executor.shutdown(wait=done, cancel_futures=not done)
        return done


def _call_in_thread(function: Callable[..., Any], *args: Any) -> _Answer:
    # What is raised is returned: a future that is given a StopIteration never ends.
    close_old_connections()
    try:
        return function(*args), None
    except BaseException as error:
        return None, error
    finally:
        close_old_connections()


def _result(answer: _Answer) -> Any:
    result, error = answer
    if error is not None:
        raise error
    return result


def _is_cancelled_by_worker(error: BaseException) -> bool:
    """Tell a cancelled attempt from a handler that let a CancelledError escape."""
    task = asyncio.current_task()
    is_cancelled = isinstance(error, asyncio.CancelledError)
    return is_cancelled and task is not None and task.cancelling() > 0


def _crashed(attempt: Attempt, error: BaseException) -> TaskError:
    emit("task.crashed", exc_info=error, task_id=attempt.task_id)
    try:
        description = f"{type(error).__name__}: {error}"
    except Exception:
        description = type(error).__name__
    converted = TaskError("unhandled_exception", description=description)
    converted.__cause__ = error
    return converted


def _tells_of_database(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, Error):
            return True
        error = error.__cause__ or error.__context__
    return False


def _close_broken_connections() -> None:
    """Let the next handler connect anew: nobody else does that under asyncio."""
    for connection in connections.all(initialized_only=True):
        if connection.errors_occurred and not connection.is_usable():
            connection.close()


def _close_connections(everyone: threading.Barrier) -> None:
    """Let each thread of the pool close its own: nobody else can."""
    everyone.wait()
    connections.close_all()
