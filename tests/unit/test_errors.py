"""What a handler raises: the contract that other people's code depends on."""

import asyncio
import inspect
import pickle
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from django_workers import PauseQueue, PostponeTask, TaskError


class RefusedError(TaskError):
    """A queue's own kind of failure, made in its own way."""

    def __init__(self, status):
        super().__init__("refused", task_id=1, description=f"status {status}")
        self.status = status


def test_the_signature_of_task_error_is_fixed():
    assert str(inspect.signature(TaskError)).replace("'", "") == (
        "(reason_code: str, *, task_id: Any = None, description: str = ) -> None"
    )


def test_a_task_error_carries_what_it_was_given():
    error = TaskError("blocked", task_id=7, description="the bot was blocked")

    assert error.task_id == 7
    assert error.reason_code == "blocked"
    assert error.description == "the bot was blocked"
    assert isinstance(error, Exception)


def test_the_description_is_empty_by_default():
    assert TaskError("blocked", task_id=7).description == ""


def test_the_text_of_a_task_error_names_task_reason_and_description():
    assert str(TaskError("blocked", task_id=7)) == "task 7: blocked"
    assert str(TaskError("blocked", task_id=7, description="by the user")) == (
        "task 7: blocked: by the user"
    )


def test_without_a_task_id_anywhere_it_is_a_value_error():
    with pytest.raises(ValueError, match="task_id"):
        TaskError("blocked")


@pytest.mark.parametrize("task_id", [0, "", False])
def test_an_id_that_is_false_is_an_id(task_id):
    assert TaskError("blocked", task_id=task_id).task_id == task_id
    with TaskError.set_default_task_id(task_id):
        assert TaskError("blocked").task_id == task_id


def test_the_task_id_in_context_is_the_default():
    with TaskError.set_default_task_id(7):
        assert TaskError("blocked").task_id == 7
        assert TaskError("blocked", task_id=8).task_id == 8


def test_the_default_task_id_ends_with_its_block_also_after_an_exception():
    with TaskError.set_default_task_id(1):
        with pytest.raises(ZeroDivisionError), TaskError.set_default_task_id(2):
            raise ZeroDivisionError
        assert TaskError("blocked").task_id == 1
    with pytest.raises(ValueError, match="task_id"):
        TaskError("blocked")


def test_the_default_task_id_decorates_a_function():
    @TaskError.set_default_task_id(7)
    def fail():
        raise TaskError("blocked")

    for _ in range(2):
        with pytest.raises(TaskError) as raised:
            fail()
        assert raised.value.task_id == 7


def test_the_default_task_id_decorates_an_async_function():
    @TaskError.set_default_task_id(7)
    async def fail():
        await asyncio.sleep(0)
        raise TaskError("blocked")

    with pytest.raises(TaskError) as raised:
        asyncio.run(fail())
    assert raised.value.task_id == 7


def test_async_tasks_do_not_see_each_others_task_id():
    async def handle(task_id):
        with TaskError.set_default_task_id(task_id):
            await asyncio.sleep(0)
            return TaskError("blocked").task_id

    async def run():
        return await asyncio.gather(*map(handle, range(5)))

    assert asyncio.run(run()) == [0, 1, 2, 3, 4]


def test_another_thread_does_not_see_the_task_id():
    with TaskError.set_default_task_id(7), ThreadPoolExecutor(1) as pool:
        future = pool.submit(TaskError, "blocked")
        assert isinstance(future.exception(), ValueError)


def test_named_exceptions_are_converted_and_kept_as_the_cause():
    with (
        pytest.raises(TaskError) as raised,
        TaskError.convert_exceptions(
            "no_answer", OSError, KeyError, task_id=7, description="Telegram is away"
        ),
    ):
        raise ConnectionResetError("gone")

    error = raised.value
    assert (error.reason_code, error.task_id) == ("no_answer", 7)
    assert error.description == "Telegram is away"
    assert isinstance(error.__cause__, ConnectionResetError)


def test_other_exceptions_pass():
    with pytest.raises(ZeroDivisionError), TaskError.convert_exceptions("x", OSError):
        raise ZeroDivisionError


def test_without_a_name_every_exception_is_converted_but_no_exit():
    with (
        pytest.raises(TaskError) as raised,
        TaskError.convert_exceptions("oops", task_id=7),
    ):
        raise ZeroDivisionError
    assert isinstance(raised.value.__cause__, ZeroDivisionError)
    with pytest.raises(SystemExit), TaskError.convert_exceptions("oops", task_id=7):
        raise SystemExit


def test_the_converted_error_takes_the_task_id_in_context():
    with (
        pytest.raises(TaskError) as raised,
        TaskError.set_default_task_id(7),
        TaskError.convert_exceptions("oops"),
    ):
        raise ZeroDivisionError
    assert raised.value.task_id == 7


@pytest.mark.parametrize("named", [(), (Exception,), (TaskError,), (BaseException,)])
@pytest.mark.parametrize(
    "error",
    [TaskError("blocked", task_id=1), PostponeTask(1), PauseQueue(1), RefusedError(4)],
    ids=lambda error: type(error).__name__,
)
def test_what_the_engine_understands_passes_through_unchanged(error, named):
    with (
        pytest.raises(type(error)) as raised,
        TaskError.convert_exceptions("oops", *named, task_id=2),
    ):
        raise error
    assert raised.value is error
    assert error.__cause__ is None


def test_nothing_is_converted_when_nothing_is_raised():
    with TaskError.convert_exceptions("oops"):
        pass


def test_convert_exceptions_decorates_a_function_and_keeps_its_result():
    @TaskError.convert_exceptions("oops", KeyError, task_id=7)
    def pick(key):
        return {"a": 1}[key]

    assert pick("a") == 1
    for _ in range(2):
        with pytest.raises(TaskError, match="oops"):
            pick("b")


def test_convert_exceptions_decorates_an_async_function():
    @TaskError.convert_exceptions("oops", KeyError, task_id=7)
    async def pick(key):
        await asyncio.sleep(0)
        return {"a": 1}[key]

    assert inspect.iscoroutinefunction(pick)
    assert asyncio.run(pick("a")) == 1
    with pytest.raises(TaskError, match="oops"):
        asyncio.run(pick("b"))


def test_convert_exceptions_makes_errors_of_the_class_that_is_asked():
    class ShopError(TaskError):
        pass

    with (
        pytest.raises(ShopError) as raised,
        ShopError.convert_exceptions("oops", task_id=1),
    ):
        raise KeyError
    assert type(raised.value) is ShopError


@pytest.mark.parametrize(
    "error",
    [
        TaskError("blocked", task_id=7, description="by the user"),
        RefusedError(403),
        PostponeTask(3, "later", "flood"),
        PauseQueue(timedelta(minutes=1), "outage", "no answer"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_everything_survives_pickling(error):
    copy = pickle.loads(pickle.dumps(error))

    assert type(copy) is type(error)
    assert vars(copy) == vars(error)
    assert (str(copy), copy.args) == (str(error), error.args)


@pytest.mark.parametrize("kind", [PostponeTask, PauseQueue])
def test_a_delay_is_seconds_or_a_timedelta(kind):
    assert kind(1.5).delay == timedelta(seconds=1.5)
    assert kind(timedelta(minutes=1)).delay == timedelta(minutes=1)
    assert kind(-5).delay == timedelta(0)


@pytest.mark.parametrize("kind", [PostponeTask, PauseQueue])
@pytest.mark.parametrize("delay", [float("inf"), 1e300, timedelta.max])
def test_a_delay_without_end_is_a_very_long_one(kind, delay):
    assert timedelta(days=300) < kind(delay).delay < timedelta(days=10_000)


def test_waits_say_how_long_and_why():
    assert str(PostponeTask(3, "flood")) == "flood: later by 3 s"
    assert str(PauseQueue(3, "outage")) == "outage: all wait 3 s"
    assert str(PauseQueue(3, "outage", "no route")) == (
        "outage: all wait 3 s: no route"
    )
