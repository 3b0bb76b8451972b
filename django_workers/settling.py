"""Records how tasks ended, everything that finished meanwhile in one transaction."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from .database import (
    database_now,
    emit_on_commit,
    may_pass,
    storable,
    write_transaction,
)
from .errors import PauseQueue, PostponeTask, TaskError
from .keys import among
from .models import Claim, Queue
from .outcomes import Attempt, NotBegun, Outcome, Success
from .pausing import pause
from .statements import delete_claims, lock_claims
from .task_queues import AbstractTaskQueue
from .wakeup import announce

# How long a task that was handled but not marked as done is kept from running again.
STILL_PENDING_HOLD = timedelta(seconds=60)


class Settler:
    """Settles outcomes of one queue."""

    def __init__(self, queue: AbstractTaskQueue) -> None:
        self.queue = queue
        self.using = queue.database

    def settle(self, outcomes: Sequence[Outcome]) -> None:
        """Record all outcomes and give up their claims.

        When the queue's own code fails, each outcome is settled alone, and one that
        still fails is parked with its error. To settle an outcome twice changes
        nothing, so the same ones may be given again.

        Raises:
            Error: one that may pass; some are not recorded, try again with all.
        """
        try:
            self._settle(outcomes)
        except Exception as error:
            if may_pass(error):
                raise
            if len(outcomes) == 1:
                self._park(outcomes[0], error)
                return
            for outcome in outcomes:
                self.settle([outcome])

    def _settle(self, outcomes: Sequence[Outcome]) -> None:
        successes = [o.ending for o in outcomes if isinstance(o.ending, Success)]
        pauses = [
            (o.attempt, o.ending) for o in outcomes if isinstance(o.ending, PauseQueue)
        ]
        with write_transaction(self.using):
            # Locks in the order of claiming: the queue's row, then claims, then tasks.
            if pauses:
                pause(self._lock_queue(), pauses, database_now(self.using))
            # Claims that are not ours any more were reaped.
            ours = lock_claims(self.using, [o.attempt.key for o in outcomes])
            if successes:
                self.queue.record_successes(successes)
            pending = self._read_pending(outcomes)
            holds: dict[UUID, datetime] = {}
            for outcome in outcomes:
                until = self._record(outcome, ours, pending)
                if until is not None and outcome.attempt.key in ours:
                    holds[outcome.attempt.key] = until
            claims = Claim.objects.using(self.using)
            kept = self._give_back(outcomes)
            if done := ours - holds.keys() - kept:
                delete_claims(self.using, done)
            for key, until in holds.items():
                claims.filter(pk=key).update(worker=None, held_until=until, alone=False)

    def _give_back(self, outcomes: Sequence[Outcome]) -> set[UUID]:
        """Let others have what was not begun; return claims that stay, to run alone."""
        keys = [o.attempt.key for o in outcomes if isinstance(o.ending, NotBegun)]
        if not keys:
            return set()
        # For other workers: this one may be the one that cannot.
        announce(self.using)
        alone = Claim.objects.using(self.using).filter(pk__in=keys, alone=True)
        kept = set(alone.values_list("pk", flat=True))
        alone.update(worker=None)
        return kept

    def _lock_queue(self) -> Queue:
        queues = Queue.objects.using(self.using).select_for_update(no_key=True)
        return queues.get(pk=self.queue.queue_name)

    def _read_pending(self, outcomes: Sequence[Outcome]) -> dict[Any, Any]:
        """Read again what is still pending: others may have changed it meanwhile.

        Of what succeeded, hardly anything is; so of that, only the keys are read.
        """
        pending = self.queue.read_pending()
        done = [o.attempt.pk for o in outcomes if isinstance(o.ending, Success)]
        rest = [o.attempt.pk for o in outcomes if not isinstance(o.ending, Success)]
        items: dict[Any, Any] = {}
        if done:
            left = pending.order_by().filter(among(done))
            items |= dict.fromkeys(left.values_list("pk", flat=True), True)
        if rest:
            items |= {item.pk: item for item in pending.filter(among(rest))}
        return items

    def _record(
        self,
        outcome: Outcome,
        ours: set[UUID],
        pending: dict[Any, Any],
    ) -> datetime | None:
        """Record one outcome; return until when its task must be held back, if so."""
        attempt, ending = outcome.attempt, outcome.ending
        item = pending.get(attempt.pk)
        if isinstance(ending, NotBegun):
            self._emit("task.returned", attempt)
            return None
        if isinstance(ending, Success):
            return self._succeed(attempt, attempt.key in ours, item)
        if attempt.key not in ours:
            self._emit("task.dropped", attempt, reason="its claim was lost")
            return None
        if item is None:
            self._emit("task.dropped", attempt, reason="it is done or gone")
            return None
        match ending:
            case TaskError():
                self._fail(attempt, item, ending)
                return None
            case PostponeTask():
                until = database_now(self.using) + ending.delay
                return self._postpone(attempt, item, ending, until)
            case PauseQueue():
                self._emit(
                    "task.paused",
                    attempt,
                    reason_code=ending.reason_code,
                    description=ending.description,
                )
                self.queue.record_uncounted(attempt, ending)
                return None

    def _succeed(self, attempt: Attempt, is_ours: bool, item: Any) -> datetime | None:
        self._emit("task.succeeded", attempt)
        if not is_ours:
            self._emit("task.overtaken", attempt)
            return None
        if item is None:
            return None
        seconds = STILL_PENDING_HOLD.total_seconds()
        self._emit("task.still_pending", attempt, seconds=seconds)
        return database_now(self.using) + STILL_PENDING_HOLD

    def _fail(self, attempt: Attempt, item: Any, error: TaskError) -> None:
        self._emit(
            "task.failed",
            attempt,
            reason_code=error.reason_code,
            description=error.description,
        )
        error.attempt = attempt
        self.queue.process_task_error(item, error)

    def _postpone(
        self, attempt: Attempt, item: Any, ending: PostponeTask, until: datetime
    ) -> datetime | None:
        self._emit(
            "task.postponed",
            attempt,
            delay=ending.delay.total_seconds(),
            reason_code=ending.reason_code,
            description=ending.description,
        )
        self.queue.record_uncounted(attempt, ending)
        return None if self.queue.postpone(item, until) else until

    def _park(self, outcome: Outcome, error: Exception) -> None:
        with write_transaction(self.using):
            claims = Claim.objects.using(self.using).filter(pk=outcome.attempt.key)
            text = storable(f"{type(error).__name__}: {error}")
            claims.update(worker=None, error=text)
            self._emit("task.parked", outcome.attempt, exc_info=error)

    def _emit(self, name: str, attempt: Attempt, **facts: Any) -> None:
        emit_on_commit(
            self.using, name, attempt=attempt, queue=self.queue.queue_name, **facts
        )
