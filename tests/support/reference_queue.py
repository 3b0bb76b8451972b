"""What the engine's tables must say: the rules of a queue, without a database.

Times are seconds of the database's clock, counted from the start of the test.
"""

import copy
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django_workers import PauseQueue, PostponeTask, Success, TaskError
from django_workers.outcomes import Outcome
from django_workers.pausing import PROBE_LEASE

MOST_FAILURES = 3
PROBE_SECONDS = PROBE_LEASE.total_seconds()
# An error with this reason cannot be recorded: the queue's own code raises.
UNRECORDABLE = "unrecordable"


class Unrecordable(Exception):
    """The queue's own code failed, so the transaction is rolled back."""


@dataclass
class Task:
    done: bool = False
    failures: int = 0


@dataclass
class Hold:
    """Why a task is not free to take, as in django_workers.models.Claim."""

    key: UUID
    claimed_at: float
    worker: int | None = None
    until: float | None = None
    alone: bool = False
    parked: bool = False


@dataclass(frozen=True)
class Expected:
    """What a claim must bring: the first of `order`, or any one of `lone`."""

    order: Sequence[Any] = ()
    lone: Collection[Any] = ()
    is_probe: bool = False


class ReferenceQueue:
    def __init__(self) -> None:
        self.now = 0.0
        self.tasks: dict[Any, Task] = {}
        self.claims: dict[Any, Hold] = {}
        self.stopped = False
        self.paused_at = 0.0
        self.paused_until: float | None = None
        self.probing_until: float | None = None
        self.epoch = 0

    # --- what is true now -------------------------------------------------------------

    def is_pending(self, pk: Any) -> bool:
        return pk in self.tasks and not self.tasks[pk].done

    def is_startable(self, pk: Any) -> bool:
        return self.is_pending(pk) and self.tasks[pk].failures < MOST_FAILURES

    def in_flight(self, worker: int) -> list[Any]:
        return [pk for pk, hold in self.claims.items() if hold.worker == worker]

    def blocking(self) -> dict[Any, Hold]:
        """Return the claims that still mean something."""
        return {pk: hold for pk, hold in self.claims.items() if self._blocks(pk, hold)}

    def _blocks(self, pk: Any, hold: Hold) -> bool:
        if hold.worker is not None or hold.parked:
            return True
        if hold.until is not None and hold.claimed_at <= self.now < hold.until:
            return True
        return hold.alone and self.is_startable(pk)

    def lone(self) -> list[Any]:
        """Return the tasks that run next with nothing beside them."""
        return [
            pk
            for pk, hold in self.blocking().items()
            if hold.worker is None and hold.alone and not hold.parked
        ]

    # --- what workers do --------------------------------------------------------------

    def expect(self, worker: int, occupied: int) -> Expected:
        """Return what this worker must get when it claims now."""
        if self.stopped:
            return Expected()
        if self.paused_until is not None:
            return Expected(is_probe=not self._pause_left() and self._may_probe())
        if any(self.claims[pk].alone for pk in self.in_flight(worker)):
            return Expected()
        if lone := self.lone():
            return Expected() if occupied else Expected(lone=lone)
        blocking = self.blocking()
        return Expected(
            order=sorted(
                pk for pk in self.tasks if self.is_startable(pk) and pk not in blocking
            )
        )

    def _pause_left(self) -> float:
        # What began in the future was written by a clock that was set back since.
        if self.paused_until is None or self.paused_at > self.now:
            return 0.0
        return max(0.0, self.paused_until - self.now)

    def _may_probe(self) -> bool:
        until = self.probing_until
        return until is None or not self.now < until <= self.now + PROBE_SECONDS

    def claim(self, worker: int, pk: Any, key: UUID) -> None:
        hold = self.claims.get(pk)
        alone = hold is not None and hold.alone
        self.claims[pk] = Hold(key, self.now, worker=worker, alone=alone)

    def forget(self, there: Collection[UUID]) -> None:
        """Forget what means nothing any more and is swept up: `there` is the rest.

        A clock that is set back afterwards brings it back no more.
        """
        self.claims = {
            pk: hold
            for pk, hold in self.claims.items()
            if hold.key in there or self._blocks(pk, hold)
        }

    def take_probe(self) -> None:
        self.probing_until = self.now + PROBE_SECONDS

    def settle_probe(self, epoch: int, failure: PauseQueue | None) -> None:
        if self.epoch != epoch or self.paused_until is None:
            return
        if failure is None:
            self._end_pause()
        else:
            self._prolong(failure.delay.total_seconds())

    def give_up_probe(self, epoch: int) -> None:
        if self.epoch == epoch:
            self.probing_until = None

    def settle(self, outcomes: Sequence[Outcome]) -> None:
        before = copy.deepcopy(vars(self))
        try:
            self._settle(outcomes)
        except Unrecordable:
            vars(self).update(before)
            if len(outcomes) > 1:
                for outcome in outcomes:
                    self.settle([outcome])
            else:
                hold = self.claims[outcomes[0].attempt.pk]
                hold.worker, hold.parked = None, True

    def _settle(self, outcomes: Sequence[Outcome]) -> None:
        self._pause(outcomes)
        ours = {each.attempt.key for each in outcomes if self._is_ours(each)}
        for outcome in outcomes:
            if isinstance(outcome.ending, Success) and outcome.attempt.pk in self.tasks:
                self.tasks[outcome.attempt.pk].done = True
        for outcome in outcomes:
            if outcome.attempt.key in ours:
                hold = self.claims.pop(outcome.attempt.pk)
                if self.is_pending(outcome.attempt.pk):
                    self._record(outcome, hold)

    def _is_ours(self, outcome: Outcome) -> bool:
        hold = self.claims.get(outcome.attempt.pk)
        return (
            hold is not None
            and hold.worker is not None
            and hold.key == outcome.attempt.key
        )

    def _record(self, outcome: Outcome, hold: Hold) -> None:
        pk = outcome.attempt.pk
        match outcome.ending:
            case TaskError(reason_code=code):
                if code == UNRECORDABLE:
                    raise Unrecordable
                self.tasks[pk].failures += 1
            case PostponeTask(delay=delay):
                until = self.now + delay.total_seconds()
                self.claims[pk] = Hold(hold.key, hold.claimed_at, until=until)

    def _pause(self, outcomes: Sequence[Outcome]) -> None:
        delays = [
            outcome.ending.delay.total_seconds()
            for outcome in outcomes
            if isinstance(outcome.ending, PauseQueue)
            and outcome.attempt.epoch >= self.epoch
        ]
        if delays:
            self.epoch += 1
            self._prolong(max(delays))

    def _prolong(self, seconds: float) -> None:
        self.paused_until = self.now + max(seconds, self._pause_left())
        self.paused_at = self.now
        self.probing_until = None

    def reap(self, worker: int) -> None:
        self.probing_until = None
        lost = self.in_flight(worker)
        if len(lost) == 1 and self.is_pending(lost[0]):
            self.tasks[lost[0]].failures += 1
        for pk in lost:
            hold = self.claims.pop(pk)
            if len(lost) > 1 or hold.alone:
                self.claims[pk] = Hold(hold.key, hold.claimed_at, alone=True)

    def release_strangers(self, worker: int, known: Collection[UUID]) -> None:
        for pk in self.in_flight(worker):
            hold = self.claims[pk]
            if hold.key not in known:
                del self.claims[pk]
                if hold.alone:
                    self.claims[pk] = Hold(hold.key, hold.claimed_at, alone=True)

    # --- what people do ---------------------------------------------------------------

    def resume(self) -> None:
        self.stopped = False
        self._end_pause()
        self.claims = {pk: hold for pk, hold in self.claims.items() if not hold.parked}

    def _end_pause(self) -> None:
        self.paused_until = self.probing_until = None
