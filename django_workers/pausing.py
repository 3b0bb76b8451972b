"""When a whole queue waits: automatic pauses with a probe, and a stop by hand."""

from collections.abc import Collection
from datetime import datetime, timedelta

from django.db.models import Q

from .database import database_now, write_transaction
from .errors import PauseQueue
from .events import emit
from .models import Claim, Queue
from .outcomes import Attempt

# A prober that died is followed by another after this long.
PROBE_LEASE = timedelta(seconds=60)


def pause(
    queue: Queue, requests: Collection[tuple[Attempt, PauseQueue]], now: datetime
) -> None:
    """Pause a locked queue until the latest end that is asked for.

    Requests of tasks that were started before an earlier pause change nothing: they
    tell of the same trouble, which may be over by now.
    """
    current = [ask for started, ask in requests if started.epoch >= queue.pause_epoch]
    if not current:
        return
    longest = max(current, key=lambda ask: ask.delay)
    until = now + longest.delay
    if queue.paused_until is not None:
        until = max(until, queue.paused_until)
    queue.paused_until = until
    queue.pause_reason = longest.reason_code
    queue.pause_description = longest.description
    queue.pause_epoch += 1
    queue.probing_until = None
    queue.save()
    emit(
        "queue.paused",
        queue=queue.name,
        seconds=(until - now).total_seconds(),
        reason_code=longest.reason_code,
        description=longest.description,
    )


def take_probe(queue: Queue, now: datetime) -> bool:
    """Let the caller alone probe a locked queue whose pause is over."""
    if queue.probing_until is not None and queue.probing_until > now:
        return False
    queue.probing_until = now + PROBE_LEASE
    queue.save(update_fields=["probing_until"])
    return True


def settle_probe(name: str, using: str, epoch: int, failure: PauseQueue | None) -> None:
    """End the pause of `epoch`, or prolong it when the probe failed."""
    with write_transaction(using):
        queue = Queue.objects.using(using).select_for_update().get(pk=name)
        if queue.pause_epoch != epoch:
            return
        queue.probing_until = None
        if failure is None:
            queue.paused_until = None
            queue.pause_reason = queue.pause_description = ""
            emit("queue.resumed", queue=name)
        else:
            queue.paused_until = database_now(using) + failure.delay
            queue.pause_reason = failure.reason_code
            queue.pause_description = failure.description
            emit(
                "queue.paused",
                queue=name,
                seconds=failure.delay.total_seconds(),
                reason_code=failure.reason_code,
                description=failure.description,
            )
        queue.save(using=using)


def stop_by_hand(name: str, using: str, *, by: str) -> None:
    """Stop the queue until a person resumes it. Tasks in flight finish."""
    with write_transaction(using):
        queues = Queue.objects.using(using)
        queues.get_or_create(pk=name)
        queues.filter(pk=name, stopped_at=None).update(
            stopped_at=database_now(using), stopped_by=by[:200]
        )


def resume_by_hand(name: str, using: str) -> None:
    """Let the queue go on at once, and release the tasks that were parked."""
    with write_transaction(using):
        Queue.objects.using(using).filter(pk=name).update(
            stopped_at=None,
            stopped_by="",
            paused_until=None,
            pause_reason="",
            pause_description="",
            probing_until=None,
        )
        parked = Q(worker=None) & ~Q(error="")
        Claim.objects.using(using).filter(parked, queue=name).delete()
