"""How a handler says that its task did not succeed.

Exception
├── TaskError       a failed attempt: the queue's process_task_error counts it
├── PostponeTask    not an attempt: this row goes back for later
├── PauseQueue      not an attempt: the row goes back, the whole queue waits
└── WorkerLost      never raised: how a row learns that its worker died
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .outcomes import Attempt

_default_task_id: ContextVar[Any] = ContextVar("django_workers_task_id")


class TaskError(Exception):
    """A failed attempt at one task.

    Args:
        reason_code: short and stable, for code and statistics: "blocked_by_user".
        task_id: which task; inside a handler it is known and may be left out.
        description: for people: what exactly happened.

    Raises:
        ValueError: no task id was given and there is none in context.
    """

    # When the failed attempt began and ended; set before process_task_error is called.
    attempt: "Attempt | None" = None

    def __init__(
        self, reason_code: str, *, task_id: Any = None, description: str = ""
    ) -> None:
        if task_id is None:
            try:
                task_id = _default_task_id.get()
            except LookupError:
                raise ValueError(
                    "TaskError needs a task_id outside of a handler: pass task_id=..., "
                    "or wrap the code in TaskError.set_default_task_id(...)."
                ) from None
        super().__init__(reason_code)
        self.task_id = task_id
        self.reason_code = reason_code
        self.description = description

    def __str__(self) -> str:
        text = f"task {self.task_id}: {self.reason_code}"
        return f"{text}: {self.description}" if self.description else text

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (self.reason_code, self.task_id, self.description)

    @classmethod
    @contextmanager
    def set_default_task_id(cls, task_id: Any) -> Iterator[None]:
        """Give every TaskError made inside this block a task id."""
        token = _default_task_id.set(task_id)
        try:
            yield
        finally:
            _default_task_id.reset(token)

    @classmethod
    @contextmanager
    def convert_exceptions(
        cls,
        reason_code: str,
        *exception_types: type[BaseException],
        task_id: Any = None,
        description: str = "",
    ) -> Iterator[None]:
        """Turn the named exceptions into a TaskError that keeps them as its cause.

        Without a name it is every `Exception`. TaskError, PostponeTask and PauseQueue
        pass through unchanged, whatever is named.
        """
        try:
            yield
        except (TaskError, PostponeTask, PauseQueue):
            raise
        except exception_types or Exception as error:  # noqa: B030 - a tuple of them
            raise cls(reason_code, task_id=task_id, description=description) from error


def _rebuild(reason_code: str, task_id: Any, description: str) -> TaskError:
    return TaskError(reason_code, task_id=task_id, description=description)


class PostponeTask(Exception):
    """Not now: the task goes back for `delay` (seconds or timedelta), uncounted."""

    def __init__(
        self,
        delay: float | timedelta,
        reason_code: str = "postponed",
        description: str = "",
    ) -> None:
        super().__init__(reason_code)
        self.delay = _checked(delay)
        self.reason_code = reason_code
        self.description = description

    def __str__(self) -> str:
        return f"{self.reason_code}: later by {self.delay.total_seconds():g} s"


class PauseQueue(Exception):
    """Nobody's fault: the task goes back uncounted, and its whole queue waits.

    After `delay` (seconds or timedelta) the queue's `probe()`, if it has one, is asked
    by one worker; claiming goes on when it passes.
    """

    def __init__(
        self,
        delay: float | timedelta,
        reason_code: str = "paused",
        description: str = "",
    ) -> None:
        super().__init__(reason_code)
        self.delay = _checked(delay)
        self.reason_code = reason_code
        self.description = description

    def __str__(self) -> str:
        text = f"{self.reason_code}: all wait {self.delay.total_seconds():g} s"
        return f"{text}: {self.description}" if self.description else text


class WorkerLost(Exception):
    """The worker died with several tasks in flight: this one goes back uncounted."""

    reason_code = "worker_lost"
    description = "The worker process died while this task was in flight."


def _checked(delay: float | timedelta) -> timedelta:
    if not isinstance(delay, timedelta):
        delay = timedelta(seconds=delay)
    return max(delay, timedelta(0))
