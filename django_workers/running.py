"""Runs a handler, `def` or `async def`, and says how it ended."""

import asyncio
import inspect
import threading
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from contextvars import copy_context
from typing import Any

from django.db import close_old_connections, connections
from django.utils import timezone

from .errors import PauseQueue, PostponeTask, TaskError
from .events import emit
from .outcomes import Attempt, Ending, Outcome, Success
from .task_queues import AbstractTaskQueue

# A stuck handler must not keep a worker from ending.
CLOSING_SECONDS = 1.0


class Runner:
    """Runs tasks of one queue: async handlers on the loop, others in threads."""

    def __init__(self, queue: AbstractTaskQueue, concurrency: int) -> None:
        self.queue = queue
        self._is_async = inspect.iscoroutinefunction(queue.handle_task)
        self._threads = 0
        self._executor = ThreadPoolExecutor(
            concurrency, thread_name_prefix="handler", initializer=self._count_thread
        )

    async def run(self, attempt: Attempt) -> Outcome:
        """Run one attempt to its end."""
        ending = await self._run(attempt)
        attempt.finished_at = timezone.now()
        return Outcome(attempt, ending)

    def interrupted(self, attempt: Attempt) -> Outcome:
        """Return the outcome of an attempt that was cancelled."""
        attempt.finished_at = timezone.now()
        error = TaskError(
            "interrupted",
            task_id=attempt.task_id,
            description="The worker was told to stop before this was finished.",
        )
        return Outcome(attempt, error)

    async def _run(self, attempt: Attempt) -> Ending:
        task_id = attempt.task_id
        with TaskError.set_default_task_id(task_id):
            try:
                async with asyncio.timeout(self.queue.handler_timeout) as deadline:
                    return Success(attempt, await self._call(attempt.item))
            except (TaskError, PostponeTask, PauseQueue) as error:
                return error
            except Exception as error:
                if deadline.expired():
                    return TaskError(
                        "timeout",
                        description=f"Took over {self.queue.handler_timeout:g} s.",
                    )
                emit("task.crashed", exc_info=error, task_id=task_id)
                return _converted(error)

    async def _call(self, item: Any) -> Any:
        if self._is_async:
            return await self.queue.handle_task(item)
        # The executor alone would drop the context, and with it the default task id.
        context = copy_context()
        return await asyncio.get_running_loop().run_in_executor(
            self._executor, context.run, self._call_in_thread, item
        )

    def _call_in_thread(self, item: Any) -> Any:
        close_old_connections()
        try:
            return self.queue.handle_task(item)
        finally:
            close_old_connections()

    def _count_thread(self) -> None:
        self._threads += 1

    def close(self) -> bool:
        """End the threads, their database connections first; False if one is stuck."""
        done = True
        if self._threads:
            everyone = threading.Barrier(self._threads)
            closings = [
                self._executor.submit(_close_connections, everyone)
                for _ in range(self._threads)
            ]
            done = not wait(closings, timeout=CLOSING_SECONDS).not_done
        self._executor.shutdown(wait=done, cancel_futures=True)
        return done


def _converted(error: Exception) -> TaskError:
    converted = TaskError(
        "unhandled_exception", description=f"{type(error).__name__}: {error}"
    )
    converted.__cause__ = error
    return converted


def _close_connections(everyone: threading.Barrier) -> None:
    """Let each thread of the pool close its own: nobody else can."""
    with suppress(threading.BrokenBarrierError):
        everyone.wait(CLOSING_SECONDS)
    connections.close_all()
