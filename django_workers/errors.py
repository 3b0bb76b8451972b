"""How a handler says that its task did not succeed.

Exception
├── TaskError       a failed attempt: the queue's process_task_error counts it
├── PostponeTask    not an attempt: this row goes back for later
├── PauseQueue      not an attempt: the row goes back, the whole queue waits
└── WorkerLost      never raised: how a row learns that its worker died
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, ContextDecorator
from contextvars import ContextVar, Token
from copy import copy
from copyreg import __newobj__  # type: ignore[attr-defined]  # what pickle itself uses
from datetime import timedelta
from functools import wraps
from inspect import iscoroutinefunction
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from .outcomes import Attempt

F = TypeVar("F", bound=Callable[..., Any])

_default_task_id: ContextVar[Any] = ContextVar("django_workers_task_id")

# "For ever" is a wait that a database can still write down.
LONGEST_DELAY = timedelta(days=365)


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
        return _reduced(self)

    @classmethod
    def set_default_task_id(cls, task_id: Any) -> "_DefaultTaskId":
        """Give every TaskError made inside this block, or function, a task id."""
        return _DefaultTaskId(task_id)

    @classmethod
    def convert_exceptions(
        cls,
        reason_code: str,
        *exception_types: type[BaseException],
        task_id: Any = None,
        description: str = "",
    ) -> "_Conversion":
        """Turn the named exceptions into a TaskError that keeps them as its cause.

        Without a name it is every `Exception`. TaskError, PostponeTask and PauseQueue
        pass through unchanged, whatever is named. Wraps a block, or decorates a
        function, `def` or `async def`.
        """

        def convert() -> TaskError:
            return cls(reason_code, task_id=task_id, description=description)

        return _Conversion(exception_types or (Exception,), convert)


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

    def __reduce__(self) -> tuple[Any, ...]:
        return _reduced(self)

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

    def __reduce__(self) -> tuple[Any, ...]:
        return _reduced(self)

    def __str__(self) -> str:
        text = f"{self.reason_code}: all wait {self.delay.total_seconds():g} s"
        return f"{text}: {self.description}" if self.description else text


class WorkerLost(Exception):
    """The worker died with several tasks in flight: this one goes back uncounted."""

    reason_code = "worker_lost"
    description = "The worker process died while this task was in flight."


class _Block(ContextDecorator, AbstractContextManager[None]):
    """A block that also decorates functions, `def` and `async def` alike."""

    def _recreate_cm(self) -> "_Block":
        return copy(self)

    def __call__(self, function: F) -> F:
        if not iscoroutinefunction(function):
            return super().__call__(function)

        @wraps(function)
        async def decorated(*args: Any, **kwargs: Any) -> Any:
            with self._recreate_cm():
                return await function(*args, **kwargs)

        return cast(F, decorated)


class _DefaultTaskId(_Block):
    def __init__(self, task_id: Any) -> None:
        self.task_id = task_id

    def __enter__(self) -> None:
        self._token: Token[Any] = _default_task_id.set(self.task_id)

    def __exit__(self, *_: object) -> None:
        _default_task_id.reset(self._token)


class _Conversion(_Block):
    def __init__(
        self,
        exception_types: tuple[type[BaseException], ...],
        convert: Callable[[], TaskError],
    ) -> None:
        self.exception_types = exception_types
        self.convert = convert

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if isinstance(error, TaskError | PostponeTask | PauseQueue):
            return
        if isinstance(error, self.exception_types):
            raise self.convert() from error


def _checked(delay: float | timedelta) -> timedelta:
    if not isinstance(delay, timedelta):
        delay = timedelta(seconds=min(delay, LONGEST_DELAY.total_seconds()))
    return min(max(delay, timedelta(0)), LONGEST_DELAY)


def _reduced(error: Exception) -> tuple[Any, ...]:
    """Describe an error to pickle, whatever its class wants to be made from."""
    return __newobj__, (type(error), *error.args), vars(error)
