"""Takes due tasks for a worker; at most one worker gets each."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import uuid4

from django.db import connections
from django.db.models import Model, QuerySet
from django.utils import timezone

from .database import database_now, write_transaction
from .models import Claim, Queue, Worker
from .outcomes import Attempt
from .pacing import Bucket
from .pausing import take_probe
from .task_queues import AbstractTaskQueue

# After a look saw a due task that another worker then took.
EMPTY_HANDED_SECONDS = 0.05


class WorkerEvictedError(Exception):
    """This worker's row is gone: another one took it for dead."""


@dataclass(slots=True)
class Claimed:
    """What a look at the queue brought.

    `attempts` are claimed and must be started at once. `wait_seconds` is when a look
    may bring more without any news; None: when news comes. `probe_epoch` is set when
    this worker is to probe the queue, whose pause is over. `is_empty` says that no task
    is left, neither due nor in flight nor held for later.
    """

    attempts: list[Attempt] = field(default_factory=list)
    wait_seconds: float | None = None
    probe_epoch: int | None = None
    is_empty: bool = False


@dataclass(slots=True)
class _Held:
    """The claims of a queue at one moment, sorted by what they mean."""

    blocked: list[Any] = field(default_factory=list)
    lone: list[Claim] = field(default_factory=list)
    expired: list[Any] = field(default_factory=list)
    next_release: datetime | None = None


class Claimer:
    """Claims tasks of one queue for one worker, in short transactions."""

    def __init__(self, queue: AbstractTaskQueue) -> None:
        self.queue = queue
        self.using = queue.database
        self._was_busy = False

    def claim(self, worker_id: int, free_slots: int, in_flight: int) -> Claimed:
        """Claim up to `free_slots` due tasks for a worker.

        Raises:
            WorkerEvictedError: the worker's own row is gone.
        """
        if not self._was_busy:
            # An idle look only reads: a write would wake every other idle worker.
            idle = self._look(free_slots, in_flight)
            if idle is not None:
                return idle
        with write_transaction(self.using):
            claimed = self._claim(worker_id, free_slots, in_flight)
        self._was_busy = len(claimed.attempts) == free_slots
        return claimed

    def _look(self, free_slots: int, in_flight: int) -> Claimed | None:
        """Return why nothing can be claimed now, or None when something may be."""
        row = Queue.objects.using(self.using).get(pk=self.queue.queue_name)
        now = database_now(self.using)
        if (closed := self._closed(row, now)) is not None:
            return closed
        if row.pause_reason:
            return None
        held = self._read_held(now)
        if held.lone:
            return Claimed() if in_flight else None
        if self._select(held.blocked)[:1]:
            return None
        wait = self._seconds_to_next_due(held, now)
        return Claimed(wait_seconds=wait, is_empty=wait is None and not held.blocked)

    def _claim(self, worker_id: int, free_slots: int, in_flight: int) -> Claimed:
        # The order matters under READ COMMITTED: lock, then what is in flight, then
        # what is pending. Whoever held the lock before has committed by now.
        row = self._lock_queue()
        if not Worker.objects.using(self.using).filter(pk=worker_id).exists():
            raise WorkerEvictedError
        now = database_now(self.using)
        if (closed := self._closed(row, now)) is not None:
            return closed
        if row.pause_reason:
            return Claimed(
                probe_epoch=row.pause_epoch if take_probe(row, now) else None
            )
        bucket = self._bucket(row, now)
        if bucket is not None:
            free_slots = min(free_slots, bucket.available)
            if not free_slots:
                return Claimed(wait_seconds=bucket.seconds_to_next)
        attempts = self._take_due(worker_id, free_slots, in_flight, now)
        if bucket is not None and attempts:
            bucket = bucket.take(len(attempts))
            row.tokens, row.tokens_at = bucket.tokens, bucket.at
            row.save(update_fields=["tokens", "tokens_at"])
        for attempt in attempts:
            attempt.epoch = row.pause_epoch
        return Claimed(
            attempts, wait_seconds=None if attempts else EMPTY_HANDED_SECONDS
        )

    def _take_due(
        self, worker_id: int, free_slots: int, in_flight: int, now: datetime
    ) -> list[Attempt]:
        held = self._read_held(now)
        if held.expired:
            Claim.objects.using(self.using).filter(pk__in=held.expired).delete()
        if held.lone:
            return [] if in_flight else self._take_lone(worker_id, held.lone)
        return self._take(worker_id, list(self._select(held.blocked)[:free_slots]))

    def _lock_queue(self) -> Queue:
        queues = Queue.objects.using(self.using)
        if connections[self.using].features.has_select_for_update:
            queues = queues.select_for_update()
        return queues.get(pk=self.queue.queue_name)

    def _closed(self, row: Queue, now: datetime) -> Claimed | None:
        if row.stopped_at is not None:
            return Claimed()
        if row.paused_until is not None and row.paused_until > now:
            return Claimed(wait_seconds=(row.paused_until - now).total_seconds())
        return None

    def _bucket(self, row: Queue, now: datetime) -> Bucket | None:
        if self.queue.rate is None:
            return None
        return Bucket(row.tokens, row.tokens_at, self.queue.rate).refilled(now)

    def _read_held(self, now: datetime) -> _Held:
        held = _Held()
        claims = Claim.objects.using(self.using).filter(queue=self.queue.queue_name)
        for claim in claims:
            task_id = self.queue.parse_task_id(claim.task_id)
            if claim.worker_id is not None or claim.error:
                held.blocked.append(task_id)
            elif claim.held_until is not None and claim.held_until > now:
                held.blocked.append(task_id)
                held.next_release = min(
                    held.next_release or claim.held_until, claim.held_until
                )
            elif claim.alone:
                held.blocked.append(task_id)
                held.lone.append(claim)
            else:
                held.expired.append(claim.pk)
        return held

    def _select(self, blocked: Collection[Any]) -> QuerySet[Any]:
        pending = self.queue.get_pending_tasks_queryset()
        return self.queue.select_claimable(
            self.queue.exclude_cycled_failed_tasks(pending), blocked
        )

    def _take(self, worker_id: int, items: list[Model]) -> list[Attempt]:
        attempts = [
            Attempt(key=uuid4(), task_id=self.queue.get_task_id(item), item=item)
            for item in items
        ]
        Claim.objects.using(self.using).bulk_create(
            Claim(
                pk=attempt.key,
                queue_id=self.queue.queue_name,
                task_id=str(attempt.task_id),
                worker_id=worker_id,
            )
            for attempt in attempts
        )
        return attempts

    def _take_lone(self, worker_id: int, claims: list[Claim]) -> list[Attempt]:
        """Take one of the tasks whose worker died; nothing runs beside it."""
        name = self.queue.task_id_field_name
        for claim in claims:
            task_id = self.queue.parse_task_id(claim.task_id)
            pending = self.queue.exclude_cycled_failed_tasks(
                self.queue.get_pending_tasks_queryset()
            )
            item = pending.filter(**{name: task_id}).first()
            Claim.objects.using(self.using).filter(pk=claim.pk).delete()
            if item is not None:
                attempts = self._take(worker_id, [item])
                Claim.objects.using(self.using).filter(pk=attempts[0].key).update(
                    alone=True
                )
                return attempts
        return []

    def _seconds_to_next_due(self, held: _Held, now: datetime) -> float | None:
        moments = [
            moment
            for moment in (held.next_release, self.queue.get_next_due_time())
            if moment is not None
        ]
        if not moments:
            return None
        return max(0.001, (min(moments) - now).total_seconds())


def release_strangers(worker_id: int, using: str, known: Collection[Any]) -> None:
    """Give back this worker's claims that it does not know of.

    A COMMIT may have been applied though its answer was lost on the way.
    """
    with write_transaction(using):
        strangers = (
            Claim.objects.using(using).filter(worker=worker_id).exclude(pk__in=known)
        )
        strangers.filter(alone=True).update(worker=None, held_until=timezone.now())
        strangers.filter(alone=False).delete()
