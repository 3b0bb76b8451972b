"""How one start of a task went: values that travel from the handler to the settle."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Model
from django.utils import timezone

from .errors import PauseQueue, PostponeTask, TaskError


@dataclass(slots=True, kw_only=True)
class Attempt:
    """One start of one task.

    `key` is unique for ever, so a record of the attempt can be written twice safely.
    `pk` is the row's primary key, also after the handler has deleted the row.
    """

    key: UUID
    task_id: Any
    item: Model
    pk: Any = field(init=False)
    epoch: int = 0
    has_begun: bool = False
    started_at: datetime = field(default_factory=timezone.now)
    finished_at: datetime | None = None

    def __post_init__(self) -> None:
        self.pk = self.item.pk

    @property
    def duration(self) -> float | None:
        """Seconds that the handler took; None when its end is not known."""
        if self.finished_at is None:
            return None
        return max(0.0, (self.finished_at - self.started_at).total_seconds())


@dataclass(slots=True)
class Success:
    """The handler returned: `result` is what it returned."""

    attempt: Attempt
    result: Any = None


class NotBegun:
    """Claimed ahead, and given back before its handler was called."""


Ending = Success | TaskError | PostponeTask | PauseQueue | NotBegun


@dataclass(slots=True)
class Outcome:
    """A started task that came to its end, and waits to be settled."""

    attempt: Attempt
    ending: Ending
