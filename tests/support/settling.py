"""Outcomes of tasks, made by hand, for tests of what becomes of them."""

from datetime import datetime
from typing import Any

from django.utils import timezone

from django_workers import AbstractTaskQueue, Attempt, Success, TaskError
from django_workers.claiming import Claimer
from django_workers.models import Worker
from django_workers.outcomes import Ending, Outcome
from django_workers.settling import Settler
from notifications.verdicts import Kind, Verdict


def claim_all(queue: AbstractTaskQueue, worker: Worker, free: int = 99) -> Any:
    """Claim what is due; return the attempts."""
    return Claimer(queue).claim(worker.pk, free, 0).attempts


def success(attempt: Attempt) -> Outcome:
    """Return the end of a message that Telegram accepted, or of any other task."""
    accepted = Verdict(kind=Kind.ACCEPTED, reason_code="accepted")
    return Outcome(attempt, Success(attempt, accepted))


def failure(attempt: Attempt, reason_code: str = "refused") -> Outcome:
    return Outcome(attempt, TaskError(reason_code, task_id=attempt.task_id))


def settle(queue: AbstractTaskQueue, *outcomes: Outcome) -> None:
    Settler(queue).settle(list(outcomes))


def ended(attempt: Attempt, ending: Ending) -> Outcome:
    return Outcome(attempt, ending)


def seconds_until(moment: datetime | None) -> float:
    assert moment is not None
    return (moment - timezone.now()).total_seconds()
