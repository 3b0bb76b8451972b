"""One attempt runs to its end, whatever its handler does."""

import asyncio
import contextvars
import functools
import gc
import threading
import uuid
from typing import Any

import pytest

from django_workers import (
    AbstractTaskQueue,
    Attempt,
    PauseQueue,
    PostponeTask,
    Success,
    TaskError,
)
from django_workers.running import Runner
from tests.shop.models import Parcel


class HandlingQueue(AbstractTaskQueue):
    """Handles in a thread by calling what it was given."""

    def __init__(self, handler, timeout=None):
        self.handler = handler
        self.handler_timeout = timeout

    def get_pending_tasks_queryset(self):
        return Parcel.objects.all()

    def exclude_cycled_failed_tasks(self, queryset):
        return queryset

    def handle_task(self, queryset_item):
        return self.handler(queryset_item)

    def process_task_error(self, queryset_item, error):
        raise AssertionError


class AsyncHandlingQueue(HandlingQueue):
    """Handles on the loop."""

    async def handle_task(self, queryset_item):
        return await self.handler(queryset_item)


def queue_of(handler, timeout=None):
    is_async = asyncio.iscoroutinefunction(handler)
    return (AsyncHandlingQueue if is_async else HandlingQueue)(handler, timeout)


def attempt(task_id=7):
    return Attempt(key=uuid.uuid4(), task_id=task_id, item=Parcel(pk=task_id))


def run(handler, *, timeout=None) -> Any:
    """Run one attempt; return how it ended."""
    return outcome(handler, timeout=timeout).ending


def outcome(handler, *, timeout=None):
    runner = Runner(queue_of(handler, timeout), concurrency=2)

    async def once():
        async with asyncio.timeout(5):
            return await runner.run(attempt())

    try:
        return asyncio.run(once())
    finally:
        assert asyncio.run(runner.close())


def as_sync(function):
    return function


def as_async(function):
    async def handler(item):
        await asyncio.sleep(0)
        return function(item)

    return handler


both = pytest.mark.parametrize("kind", [as_sync, as_async])


@both
def test_to_return_is_to_succeed(kind):
    ending = run(kind(lambda item: item.pk * 2))

    assert isinstance(ending, Success)
    assert ending.result == 14


@both
def test_an_attempt_knows_when_it_began_and_ended(kind):
    ended = outcome(kind(lambda item: None)).attempt

    assert ended.started_at <= ended.finished_at


@both
@pytest.mark.parametrize(
    "error",
    [TaskError("refused", task_id=1), PostponeTask(1), PauseQueue(1)],
    ids=lambda error: type(error).__name__,
)
def test_what_the_engine_understands_is_the_ending(kind, error):
    def handler(item):
        raise error

    assert run(kind(handler)) is error


@both
def test_the_task_id_is_in_context(kind):
    def handler(item):
        raise TaskError("refused")

    assert run(kind(handler)).task_id == 7


def test_many_async_handlers_at_once_keep_their_own_task_ids():
    async def handler(item):
        await asyncio.sleep(0.001)
        raise TaskError("refused")

    runner = Runner(queue_of(handler), concurrency=20)

    async def all_at_once():
        return await asyncio.gather(*(runner.run(attempt(n)) for n in range(20)))

    outcomes = asyncio.run(all_at_once())
    asyncio.run(runner.close())

    assert [outcome.ending.task_id for outcome in outcomes] == list(range(20))


def test_many_threads_at_once_keep_their_own_task_ids():
    everyone = threading.Barrier(8, timeout=5)

    def handler(item):
        everyone.wait()
        raise TaskError("refused")

    runner = Runner(queue_of(handler), concurrency=8)

    async def all_at_once():
        return await asyncio.gather(*(runner.run(attempt(n)) for n in range(8)))

    outcomes = asyncio.run(all_at_once())
    asyncio.run(runner.close())

    assert [outcome.ending.task_id for outcome in outcomes] == list(range(8))


@both
@pytest.mark.parametrize(
    "error",
    [
        ValueError("no\nway"),
        SystemExit(3),
        KeyboardInterrupt(),
        asyncio.CancelledError(),
        TimeoutError("its own"),
        StopIteration(),
        StopAsyncIteration(),
        MemoryError(),
        # Of neither kind, as the timeouts of gevent are.
        BaseException("a cut"),
        GeneratorExit(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_anything_else_is_a_failed_attempt_with_its_cause(kind, error, caplog):
    def handler(item):
        raise error

    ending = run(kind(handler))

    assert type(ending) is TaskError
    assert (ending.task_id, ending.reason_code) == (7, "unhandled_exception")
    # A coroutine cannot raise StopIteration: Python wraps it.
    cause: Any = ending.__cause__
    assert error in (cause, cause.__cause__)
    assert type(cause).__name__ in ending.description
    (record,) = caplog.records
    assert record.event == "task.crashed"
    assert record.exc_info is not None


def test_an_exception_that_cannot_be_printed_is_a_failed_attempt():
    class UnspeakableError(Exception):
        def __str__(self):
            raise ZeroDivisionError

    def handler(item):
        raise UnspeakableError

    ending = run(handler)

    assert ending.reason_code == "unhandled_exception"
    assert "UnspeakableError" in ending.description


def test_an_async_handler_that_overruns_is_cancelled_and_counted():
    cleaned_up = []

    async def handler(item):
        try:
            await asyncio.Event().wait()
        finally:
            cleaned_up.append(item.pk)

    ending = run(handler, timeout=0.05)

    assert isinstance(ending, TaskError)
    assert (ending.task_id, ending.reason_code) == (7, "timeout")
    assert ending.description == "Took over 0.05 s."
    assert cleaned_up == [7]


def test_a_handler_in_time_is_left_alone():
    assert isinstance(run(as_async(lambda item: None), timeout=5), Success)


def test_what_a_cancelled_handler_says_of_itself_wins():
    async def handler(item):
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise TaskError("gave_up") from None

    assert run(handler, timeout=0.05).reason_code == "gave_up"


def test_a_def_handler_that_returns_an_awaitable_is_awaited():
    """A decorated `async def`, a partial or a method that passes one on."""
    finished = []

    async def really(item):
        await asyncio.sleep(0)
        finished.append(item.pk)
        raise TaskError("refused")

    @functools.wraps(really)
    def handler(item):
        return really(item)

    queue = HandlingQueue(lambda item: handler(item))
    runner = Runner(queue, concurrency=1)
    ending: Any = asyncio.run(runner.run(attempt())).ending
    asyncio.run(runner.close())
    gc.collect()

    assert finished == [7]
    assert (ending.task_id, ending.reason_code) == (7, "refused")


@both
def test_context_variables_reach_the_handler_and_stay_in_it(kind):
    word = contextvars.ContextVar("word", default="nothing")
    seen = []

    def handler(item):
        seen.append(word.get())
        word.set("changed")

    word.set("given")
    run(kind(handler))
    run(kind(handler))

    assert seen == ["given", "given"]
    assert word.get() == "given"


def test_sync_handlers_run_beside_each_other_and_off_the_loop():
    everyone = threading.Barrier(2, timeout=5)
    names = set()

    def handler(item):
        everyone.wait()
        names.add(threading.current_thread().name)

    runner = Runner(queue_of(handler), concurrency=2)

    async def both_at_once():
        return await asyncio.gather(runner.run(attempt()), runner.run(attempt()))

    outcomes = asyncio.run(both_at_once())
    asyncio.run(runner.close())

    assert all(isinstance(outcome.ending, Success) for outcome in outcomes)
    assert len(names) == 2
    assert threading.current_thread().name not in names


@both
def test_an_attempt_that_was_cut_counts_as_interrupted(kind):
    release = threading.Event()
    started = threading.Event()

    def blocking(item):
        started.set()
        release.wait(5)

    async def waiting(item):
        started.set()
        await asyncio.Event().wait()

    runner = Runner(queue_of(blocking if kind is as_sync else waiting), 1)

    async def cut():
        task = asyncio.create_task(runner.run(attempt()))
        while not started.is_set():
            await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.wait([task])
        return task

    task = asyncio.run(cut())
    release.set()
    asyncio.run(runner.close())

    assert task.cancelled()
    interrupted: Any = runner.interrupted(attempt()).ending
    assert (interrupted.task_id, interrupted.reason_code) == (7, "interrupted")


def test_a_stuck_thread_is_told_of_after_a_second():
    release = threading.Event()
    started = threading.Event()

    def handler(item):
        started.set()
        release.wait(20)

    runner = Runner(HandlingQueue(handler), 1)

    async def cut():
        task = asyncio.create_task(runner.run(attempt()))
        await asyncio.to_thread(started.wait, 20)
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(cut())
    assert not asyncio.run(runner.close())
    release.set()


def test_a_thread_that_overruns_is_told_of_and_counts_when_it_is_cut():
    release = threading.Event()
    told: list[Attempt] = []
    queue = HandlingQueue(lambda item: release.wait(20), timeout=0.05)
    runner = Runner(queue, 1, on_stuck=told.append)
    stuck = attempt()

    async def cut():
        task = asyncio.create_task(runner.run(stuck))
        while not told:
            await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(cut())
    release.set()
    asyncio.run(runner.close())

    assert told == [stuck]
    assert runner.stuck == {stuck.key}
    ending: Any = runner.interrupted(stuck).ending
    assert (ending.reason_code, ending.description) == ("timeout", "Took over 0.05 s.")


def test_a_thread_that_overran_and_returned_after_all_has_succeeded():
    release = threading.Event()
    queue = HandlingQueue(lambda item: release.wait(20), timeout=0.05)
    runner = Runner(queue, 1, on_stuck=lambda attempt: release.set())

    ending: Any = asyncio.run(runner.run(attempt())).ending
    asyncio.run(runner.close())

    assert isinstance(ending, Success)
    assert not runner.stuck
