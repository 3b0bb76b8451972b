"""Writes down how each attempt to deliver went, in the settle transaction."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.db import router
from django.db.models import DateTimeField, ExpressionWrapper, F
from django.db.models.functions import Now
from django.utils import timezone

from django_workers import (
    Attempt,
    PauseQueue,
    PostponeTask,
    Success,
    TaskError,
    WorkerLost,
)
from django_workers.database import storable
from django_workers.inserting import insert_rows
from django_workers.keys import among

from .models import Customer, DeliveryAttempt, OrderNotification, Parked
from .verdicts import (
    BLOCKED,
    ENDED_BY_START,
    FLOOD,
    NOT_TELEGRAM,
    SENT_THEN_DELETED,
    UNCERTAIN_CODES,
    Verdict,
)

# The process or the connection ended in the middle: it may have been delivered.
CUT_OFF = frozenset({WorkerLost.reason_code, "timeout", "interrupted"})


def record_delivered(successes: Sequence[Success]) -> None:
    """Mark the notifications as delivered, with one update and one insert."""
    ids = [success.attempt.task_id for success in successes]
    notifications = OrderNotification.objects.filter(among(ids))
    updated = notifications.update(
        processed=True,
        processed_at=Now(),
        last_error_code="",
        last_error="",
        parked="",
    )
    if updated != len(ids):
        # Some were deleted while they were sent; updating locked those that were not.
        there = set(notifications.values_list("pk", flat=True))
        successes = [s for s in successes if s.attempt.task_id in there]
    _insert(map(_delivered_row, successes))


def record_failed(notification: OrderNotification, error: TaskError) -> None:
    """Count a failed attempt, and set when the next one is due.

    A refusal that a later Start or unblocking has overtaken does not count.
    """
    attempt = error.attempt
    overtaken = error.reason_code in ENDED_BY_START and _is_overtaken(
        error, notification.tg_user_id
    )
    OrderNotification.objects.filter(pk=notification.pk).update(
        failed_attempts_number=F("failed_attempts_number") + (0 if overtaken else 1),
        next_attempt_at=_in(_retry_delay(notification, error)),
        last_error_code=error.reason_code,
        last_error=storable(error.description),
    )
    _hold_if_uncertain(notification.pk, error.reason_code)
    if attempt is not None:
        row = _row(
            attempt,
            _outcome(error),
            counted=not overtaken,
            error_code=error.reason_code,
            description=storable(error.description),
        )
        _insert([row])


def record_uncounted(
    attempt: Attempt, ending: PostponeTask | PauseQueue | WorkerLost
) -> None:
    """Show a wait or a pause in the timeline, and why."""
    outcome = DeliveryAttempt.Outcome.POSTPONED
    if may_have_arrived(ending.reason_code):
        outcome = DeliveryAttempt.Outcome.UNCERTAIN
    row = _row(
        attempt,
        outcome,
        error_code=ending.reason_code,
        description=storable(ending.description),
    )
    _insert([row])
    changes: dict[str, Any] = {
        "last_error_code": ending.reason_code,
        "last_error": storable(ending.description),
    }
    if isinstance(ending, PauseQueue):
        if ending.reason_code == FLOOD:
            # The queue may be pausing already, and for a shorter time than this chat
            # has to wait.
            changes["next_attempt_at"] = _in(ending.delay)
        elif _may_be_its_own_fault(ending.reason_code):
            # Behind all others that are due: were it first again after each pause, one
            # bad message could stop the queue for ever.
            changes["next_attempt_at"] = Now()
    OrderNotification.objects.filter(pk=attempt.task_id).update(**changes)
    _hold_if_uncertain(attempt.task_id, ending.reason_code)


def may_have_arrived(reason_code: str) -> bool:
    """Whether the customer may have the message after an attempt that ended so."""
    return reason_code in CUT_OFF or reason_code in UNCERTAIN_CODES


def _may_be_its_own_fault(reason_code: str) -> bool:
    return may_have_arrived(reason_code) or reason_code == NOT_TELEGRAM


def _hold_if_uncertain(pk: Any, reason_code: str) -> None:
    """Keep for a person what may have arrived, where a repeated message is worse."""
    if settings.NOTIFICATIONS_UNCERTAIN == "hold" and may_have_arrived(reason_code):
        # What was replaced or cancelled meanwhile stays so.
        notifications = OrderNotification.objects.filter(pk=pk, parked="")
        notifications.update(parked=Parked.UNCERTAIN)


_COLUMNS = (
    "notification_id",
    "key",
    "started_at",
    "finished_at",
    "outcome",
    "counted",
    "error_code",
    "description",
    "message_id",
)


def _row(
    attempt: Attempt,
    outcome: DeliveryAttempt.Outcome,
    *,
    counted: bool = False,
    error_code: str = "",
    description: str = "",
    message_id: int | None = None,
) -> tuple[Any, ...]:
    finished_at = attempt.finished_at or timezone.now()
    return (
        attempt.task_id,
        attempt.key,
        attempt.started_at,
        finished_at,
        outcome.value,
        counted,
        error_code,
        description,
        message_id,
    )


def _delivered_row(success: Success) -> tuple[Any, ...]:
    verdict: Verdict = success.result
    row = partial(_row, success.attempt, DeliveryAttempt.Outcome.DELIVERED)
    if verdict.reason_code == SENT_THEN_DELETED:
        return row(error_code=SENT_THEN_DELETED, description=verdict.description)
    return row(message_id=verdict.message_id)


def _insert(rows: Iterable[tuple[Any, ...]]) -> None:
    # A settle that is written again after a lost answer finds its attempts there.
    using = router.db_for_write(DeliveryAttempt)
    insert_rows(DeliveryAttempt, _COLUMNS, rows, using=using, ignore_conflicts=True)


def _outcome(error: TaskError) -> DeliveryAttempt.Outcome:
    if may_have_arrived(error.reason_code):
        return DeliveryAttempt.Outcome.UNCERTAIN
    if error.reason_code == "unhandled_exception":
        return DeliveryAttempt.Outcome.FAILED
    return DeliveryAttempt.Outcome.REFUSED


def _retry_delay(notification: OrderNotification, error: TaskError) -> timedelta:
    delays = settings.NOTIFICATIONS_RETRY_DELAYS
    index = min(notification.failed_attempts_number, len(delays) - 1)
    # A flood that is made to count is no reason to ask again early.
    asked = getattr(error, "wait", timedelta(0))
    return max(timedelta(seconds=delays[index]), asked)


def _in(delay: timedelta) -> "ExpressionWrapper[Any]":
    return ExpressionWrapper(Now() + delay, output_field=DateTimeField())


def _is_overtaken(error: TaskError, chat_id: int) -> bool:
    """Whether the customer has pressed Start, or unblocked, since the attempt began.

    If not, and the refusal says so, they are marked as having blocked the bot. Their
    row is locked: a Start at this moment comes before, or finds what is given up here.
    """
    customers = Customer.objects.select_for_update(no_key=True)
    customer = customers.filter(tg_user_id=chat_id).first()
    if customer is None or error.attempt is None:
        return False
    # The earliest moment that the refusal can tell of.
    began_at = error.attempt.started_at
    if customer.started_at is not None and customer.started_at > began_at:
        return True
    if error.reason_code == BLOCKED and customer.blocked_at is None:
        customer.blocked_at = began_at
        customer.save(update_fields=["blocked_at"])
    return False
