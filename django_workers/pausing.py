"""When a whole queue waits: automatic pauses with a probe, and a stop by hand."""

from collections.abc import Collection
from datetime import datetime, timedelta

from django.db.models import Q

from .clock import was_set_back
from .database import database_now, emit_on_commit, storable, write_transaction
from .errors import PauseQueue
from .models import Claim, Queue
from .outcomes import Attempt
from .wakeup import announce

# A prober that died and that nobody buries is followed by another after this long.
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
    queue.pause_epoch += 1
    _prolong(queue, longest, now)


def seconds_left(queue: Queue, now: datetime) -> float:
    """Return how long the automatic pause lasts; 0 when it is over, or there is none.

    One that began in the future is over, too: the clock was set back, and it would last
    for who knows how long. The probe that follows finds out whether its cause is.
    """
    if queue.paused_until is None or was_set_back(queue.paused_at, now):
        return 0.0
    return max(0.0, (queue.paused_until - now).total_seconds())


def take_probe(queue: Queue, now: datetime) -> bool:
    """Let the caller alone probe a locked queue whose pause is over."""
    until = queue.probing_until
    # One that lies further ahead is of a clock that was set back since.
    if until is not None and now < until <= now + PROBE_LEASE:
        return False
    queue.probing_until = now + PROBE_LEASE
    queue.save(update_fields=["probing_until"])
    return True


def free_probe(queue: Queue) -> None:
    """Let another worker probe a locked queue: the one that does may have died.

    When it lives after all, two answers do no harm.
    """
    if queue.probing_until is not None:
        queue.probing_until = None
        queue.save(update_fields=["probing_until"])


def settle_probe(name: str, using: str, epoch: int, failure: PauseQueue | None) -> None:
    """End the pause of `epoch`, or prolong it when the probe failed.

    An answer that comes after somebody else has ended the pause changes nothing.
    """
    with write_transaction(using):
        queue = Queue.objects.using(using).select_for_update(no_key=True).get(pk=name)
        if queue.pause_epoch != epoch or queue.paused_until is None:
            return
        if failure is None:
            _end(queue)
            announce(using)
            emit_on_commit(using, "queue.resumed", queue=name)
        else:
            _prolong(queue, failure, database_now(using))


def give_up_probe(name: str, using: str, epoch: int) -> None:
    """Let another worker probe at once: this one ends before it has an answer."""
    probed = Queue.objects.using(using).filter(pk=name, pause_epoch=epoch)
    with write_transaction(using):
        probed.update(probing_until=None)
        announce(using)


def stop_by_hand(name: str, using: str, *, by: str, reason: str = "") -> bool:
    """Stop the queue until a person resumes it. Tasks in flight finish.

    Return whether this did it: who stopped it first is remembered, and why.
    """
    with write_transaction(using, durable=False):
        queues = Queue.objects.using(using)
        queues.get_or_create(pk=name)
        stopped = queues.filter(pk=name, stopped_at=None).update(
            stopped_at=database_now(using),
            stopped_by=storable(by, 200),
            stop_reason=storable(reason, 200),
        )
        if stopped:
            emit_on_commit(
                using,
                "queue.stopped",
                queue=name,
                reason_code="by_hand",
                description=reason,
                delay=None,
                by=by,
            )
    return bool(stopped)


def resume_by_hand(name: str, using: str) -> None:
    """Let the queue go on at once, and release the tasks that were parked."""
    with write_transaction(using, durable=False):
        queues = Queue.objects.using(using).select_for_update(no_key=True)
        if (queue := queues.filter(pk=name).first()) is not None:
            if queue.stopped_at is not None or queue.paused_until is not None:
                emit_on_commit(using, "queue.resumed", queue=name)
            queue.stopped_at, queue.stopped_by, queue.stop_reason = None, "", ""
            _end(queue)
        parked = Q(worker=None) & ~Q(error="")
        Claim.objects.using(using).filter(parked, queue=name).delete()
        announce(using)


def _prolong(queue: Queue, asked: PauseQueue, now: datetime) -> None:
    left = timedelta(seconds=seconds_left(queue, now))
    until = now + max(asked.delay, left)
    queue.paused_at, queue.paused_until = now, until
    queue.pause_reason = storable(asked.reason_code, 64)
    queue.pause_description = storable(asked.description)
    queue.probing_until = None
    queue.save()
    emit_on_commit(
        queue._state.db or "default",
        "queue.paused",
        queue=queue.name,
        reason_code=asked.reason_code,
        description=asked.description,
        delay=(until - now).total_seconds(),
        by="",
    )


def _end(queue: Queue) -> None:
    queue.paused_at = queue.paused_until = queue.probing_until = None
    queue.pause_reason = queue.pause_description = ""
    queue.save()
