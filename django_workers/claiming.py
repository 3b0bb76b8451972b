"""Takes due tasks for a worker; at most one worker gets each."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import OperationalError
from django.db.models import Model, QuerySet

from .database import (
    database_now,
    is_lock_timeout,
    limited_wait,
    tell_of_lock,
    write_transaction,
)
from .inserting import insert_rows
from .keys import among, new_keys
from .models import Claim, Queue
from .outcomes import Attempt
from .pacing import Bucket
from .pausing import seconds_left, take_probe
from .statements import (
    read_held_tasks,
    read_queue,
    read_registration,
    save_tokens,
)
from .task_queues import AbstractTaskQueue

# What a new claim says; the database has defaults for the rest.
_COLUMNS = ("id", "queue_id", "task_id", "worker_id", "claimed_at", "alone")
# After a look saw a due task that another worker then took, or holds the lock for.
EMPTY_HANDED_SECONDS = 0.05


class WorkerEvictedError(Exception):
    """This worker's row is gone: another one took it for dead."""


@dataclass(slots=True)
class Claimed:
    """What a look at the queue brought.

    `attempts` are claimed, and must be started or given back. `wait_seconds` is when a
    look may bring more without any news; None: when news comes. `probe_epoch` is set
    when this worker is to probe the queue, whose pause is over. `is_empty` says that no
    task is left, neither due nor in flight nor held for later; `is_closed` that the
    queue pauses or was stopped.
    """

    attempts: list[Attempt] = field(default_factory=list)
    wait_seconds: float | None = None
    probe_epoch: int | None = None
    is_empty: bool = False
    is_closed: bool = False


@dataclass(slots=True)
class _Held:
    """The claims of a queue at one moment, sorted by what they mean."""

    # The keys of all tasks that are not free to take.
    blocked: list[Any] = field(default_factory=list)
    # Those of them that run next with nothing beside them, and those that are gone:
    # the claims on them.
    lone: dict[Any, UUID | str] = field(default_factory=dict)
    stale: list[UUID | str] = field(default_factory=list)
    # Whether this worker runs one of those right now.
    runs_alone: bool = False
    # Whether a task that is not free now will be by itself, sooner or later.
    comes_back: bool = False
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
        try:
            if not self._was_busy:
                # An idle look only reads: a write would wake every other idle worker.
                with limited_wait(self.using):
                    idle = self._look(worker_id, in_flight)
                if idle is not None:
                    return idle
            with write_transaction(self.using):
                claimed = self._claim(worker_id, free_slots, in_flight)
        except OperationalError as error:
            if not is_lock_timeout(error):
                raise
            # Whoever holds the lock for so long must not keep us from settling.
            tell_of_lock(error)
            return Claimed(wait_seconds=EMPTY_HANDED_SECONDS)
        self._was_busy = len(claimed.attempts) == free_slots
        return claimed

    def _look(self, worker_id: int, in_flight: int) -> Claimed | None:
        """Return why nothing can be claimed now, or None when something may be."""
        row = self._read_queue()
        now = database_now(self.using)
        if (closed := self._closed(row, now)) is not None:
            return closed
        if row.paused_until is not None:
            return None
        held = self._read_held(worker_id, now)
        if held.runs_alone:
            return Claimed()
        if held.stale:
            return None
        if self._find_lone(held) is not None:
            return Claimed() if in_flight else None
        if self._select(held.blocked)[:1]:
            return None
        wait = self._seconds_to_next_due(held, now)
        return Claimed(wait_seconds=wait, is_empty=wait is None and not held.comes_back)

    def _claim(self, worker_id: int, free_slots: int, in_flight: int) -> Claimed:
        # The order matters under READ COMMITTED: lock, then what is in flight, then
        # what is pending. Whoever held the lock before has committed by now.
        row = self._read_queue(lock=True)
        is_there, now = read_registration(self.using, worker_id)
        if not is_there:
            raise WorkerEvictedError
        if (closed := self._closed(row, now)) is not None:
            return closed
        if row.paused_until is not None:
            epoch = row.pause_epoch if take_probe(row, now) else None
            return Claimed(probe_epoch=epoch, is_closed=True)
        bucket = self._refill(row, now)
        if bucket is None:
            claimed = self._take_due(worker_id, free_slots, in_flight, now)
        else:
            most = min(free_slots, bucket.available)
            claimed = self._take_due(worker_id, most, in_flight, now)
            self._count(claimed, row, bucket)
        for attempt in claimed.attempts:
            attempt.epoch = row.pause_epoch
        return claimed

    def _count(self, claimed: Claimed, row: Queue, bucket: Bucket) -> None:
        """Take the tokens of what was claimed, and say when the next one is there."""
        if claimed.attempts:
            bucket = bucket.take(len(claimed.attempts))
            self._save(row, bucket)
        if claimed.wait_seconds is None:
            claimed.wait_seconds = bucket.seconds_to_next

    def _take_due(
        self, worker_id: int, most: int, in_flight: int, now: datetime
    ) -> Claimed:
        if not most:
            return Claimed()
        held = self._read_held(worker_id, now)
        if held.stale:
            Claim.objects.using(self.using).filter(pk__in=held.stale).delete()
        attempts = self._take_some(worker_id, held, most, in_flight, now)
        if not attempts:
            return Claimed(wait_seconds=EMPTY_HANDED_SECONDS)
        if len(attempts) == most:
            return Claimed(attempts)
        return Claimed(attempts, self._seconds_to_next_due(held, now))

    def _take_some(
        self, worker_id: int, held: _Held, most: int, in_flight: int, now: datetime
    ) -> list[Attempt]:
        if held.runs_alone:
            return []
        if (found := self._find_lone(held)) is None:
            due = self.queue.read_claimable(held.blocked, most)
            return self._take(worker_id, due, now)
        if in_flight:
            return []
        claim, item = found
        Claim.objects.using(self.using).filter(pk=claim).delete()
        return self._take(worker_id, [item], now, alone=True)

    def _read_queue(self, *, lock: bool = False) -> Queue:
        row = read_queue(self.using, self.queue.queue_name, lock=lock)
        if row is None:
            # Somebody emptied our tables: to register anew makes the row again.
            raise WorkerEvictedError
        return row

    def _closed(self, row: Queue, now: datetime) -> Claimed | None:
        if row.stopped_at is not None:
            return Claimed(is_closed=True)
        if seconds := seconds_left(row, now):
            return Claimed(wait_seconds=seconds, is_closed=True)
        return None

    def _refill(self, row: Queue, now: datetime) -> Bucket | None:
        if self.queue.rate is None:
            return None
        bucket = Bucket(row.tokens, row.tokens_at, self.queue.rate).refilled(now)
        if row.tokens_at is not None and now < row.tokens_at:
            # The clock was set back: until it is there again nothing would refill.
            self._save(row, bucket)
        return bucket

    def _save(self, row: Queue, bucket: Bucket) -> None:
        row.tokens, row.tokens_at = bucket.tokens, bucket.at
        save_tokens(self.using, row.name, row.tokens, row.tokens_at)

    def _read_held(self, worker_id: int, now: datetime) -> _Held:
        held = _Held()
        for task in read_held_tasks(self.using, self.queue.queue_name):
            key = self.queue.parse_key(task.task_id)
            if task.worker_id is not None:
                held.comes_back = True
                held.runs_alone |= task.alone and task.worker_id == worker_id
            elif task.is_parked:
                pass
            elif task.is_held(now):
                held.comes_back = True
                held.next_release = min(
                    filter(None, [held.next_release, task.held_until])
                )
            elif task.alone:
                held.lone[key] = task.claim
            else:
                held.stale.append(task.claim)
                continue
            if key is not None:
                held.blocked.append(key)
        if held.lone:
            self._drop_gone(held)
        return held

    def _drop_gone(self, held: _Held) -> None:
        """Count those as stale that were to run alone, but are done or gone."""
        keys = [key for key in held.lone if key is not None]
        there = set(
            self.queue.read_startable().filter(among(keys)).values_list("pk", flat=True)
        )
        gone = [claim for key, claim in held.lone.items() if key not in there]
        held.stale += gone
        held.lone = {key: held.lone[key] for key in held.lone if key in there}

    def _find_lone(self, held: _Held) -> tuple[UUID | str, Model] | None:
        """Return a task whose worker died with others in flight, if one is due."""
        for key, claim in held.lone.items():
            others = [other for other in held.blocked if other != key]
            if (item := self._select(others).filter(pk=key).first()) is not None:
                return claim, item
        return None

    def _select(self, blocked: Collection[Any]) -> QuerySet[Any]:
        return self.queue.select_claimable(self.queue.read_startable(), blocked)

    def _take(
        self,
        worker_id: int,
        items: Iterable[Model],
        now: datetime,
        *,
        alone: bool = False,
    ) -> list[Attempt]:
        # A join may name one task several times.
        different = {item.pk: item for item in items}
        attempts = [
            Attempt(key=key, task_id=self.queue.get_task_id(item), item=item)
            for key, item in zip(
                new_keys(len(different)), different.values(), strict=True
            )
        ]
        name = self.queue.queue_name
        rows = [
            (attempt.key, name, str(attempt.pk), worker_id, now, alone)
            for attempt in attempts
        ]
        insert_rows(Claim, _COLUMNS, rows, using=self.using)
        return attempts

    def _seconds_to_next_due(self, held: _Held, now: datetime) -> float | None:
        moments = [
            moment
            for moment in (held.next_release, self.queue.get_next_due_time())
            if moment is not None
        ]
        if not moments:
            return None
        seconds = (min(moments) - now).total_seconds()
        # A time that has passed and still brings nothing is not asked for in a rush.
        return seconds if seconds > 0 else EMPTY_HANDED_SECONDS
