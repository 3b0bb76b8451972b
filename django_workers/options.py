"""How one worker runs: checked once, then handed down."""

from dataclasses import dataclass

DEFAULT_POLL_SECONDS = 5.0
DEFAULT_STOP_TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerOptions:
    """What the command line, then the queue, then these defaults say.

    Raises:
        ValueError: a number makes no sense; the text names its option.
    """

    concurrency: int = 1
    poll_seconds: float = DEFAULT_POLL_SECONDS
    stop_timeout_seconds: float = DEFAULT_STOP_TIMEOUT_SECONDS
    max_tasks: int | None = None
    drain: bool = False

    def __post_init__(self) -> None:
        _check("--concurrency", self.concurrency, least=1)
        _check("--reindex_timeout", self.poll_seconds, least=0.01)
        _check("--stop-timeout", self.stop_timeout_seconds, least=0)
        if self.max_tasks is not None:
            _check("--max-tasks", self.max_tasks, least=1)


def _check(option: str, value: float, *, least: float) -> None:
    if not least <= value < float("inf"):
        raise ValueError(f"{option} must be {least:g} or more, not {value:g}.")
