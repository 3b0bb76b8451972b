"""The queues under test: two kinds of handler drain one table of errands.

What a handler does, the row says:

ok:MS        accepted after so many milliseconds
flaky:N      refused until it has failed N times, then accepted
refuse       refused every time
crash        raises what nobody expects, every time
postpone:N   goes back for later N times, then accepted
pause:N      makes the whole queue wait N times, then accepted
poison       kills its worker, every time

A run of a handler is a `begin` and, unless the worker dies, one line on how it ended.
"""

import asyncio
import itertools
import os
import time
from collections.abc import Iterator, Sequence
from typing import Any

from django.db import Error, transaction
from django.db.models import QuerySet

from django_workers import (
    AbstractTaskQueue,
    Attempt,
    PauseQueue,
    PostponeTask,
    Success,
    TaskError,
    WorkerLost,
)
from tests.shop.models import Parcel

from .ledger import note
from .points import (
    StallWatch,
    die,
    reach,
    reach_after_commit,
    started_at,
    watch_claims,
)

BEAT = float(os.environ.get("SOAK_HEARTBEAT", "1"))
QUICK_SECONDS = 0.02
POSTPONED_SECONDS = 0.3
PAUSED_SECONDS = 0.3

_runs: Iterator[int] = itertools.count(1)


class ErrandQueue(AbstractTaskQueue):
    """Handles on the loop, and records successes all at once."""

    concurrency = 8
    heartbeat_seconds = BEAT

    def claims_ahead(self, concurrency: int) -> int:
        return concurrency // 2

    def check_ready(self) -> None:
        StallWatch(BEAT).start()
        watch_claims()

    def get_pending_tasks_queryset(self) -> QuerySet[Parcel]:
        return Parcel.objects.filter(done=False)

    def exclude_cycled_failed_tasks(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.exclude(failures__gte=3)

    async def handle_task(self, queryset_item: Parcel) -> None:
        run = Run(queryset_item)
        await asyncio.sleep(run.seconds)  # the request travels
        run.end()

    def record_successes(self, successes: Sequence[Success]) -> None:
        done = [success.attempt.pk for success in successes]
        Parcel.objects.filter(pk__in=done).update(done=True)
        settling(done)

    def process_task_error(self, queryset_item: Parcel, error: TaskError) -> None:
        queryset_item.failures += 1
        queryset_item.last_error = error.reason_code
        queryset_item.save(update_fields=["failures", "last_error"])
        row, reason = queryset_item.pk, error.reason_code
        transaction.on_commit(lambda: note("counted", row=row, reason=reason))
        if reason == WorkerLost.reason_code:
            reach("in_reap")
        else:
            reach_after_commit("after_settle")
            reach("in_failure")

    def record_uncounted(
        self, attempt: Attempt, ending: PostponeTask | PauseQueue | WorkerLost
    ) -> None:
        if isinstance(ending, WorkerLost):
            reach("in_reap")
            return
        kind, number = parse(attempt.item.todo)  # type: ignore[attr-defined]  # a Parcel
        Parcel.objects.filter(pk=attempt.pk).update(todo=f"{kind}:{number - 1}")

    def probe(self) -> None:
        reach("in_probe")


class PlainErrandQueue(ErrandQueue):
    """Handles in threads; each handler marks its row itself, as the tutorial does."""

    concurrency = 3

    def handle_task(self, queryset_item: Parcel) -> None:  # type: ignore[override]  # as the contract allows
        run = Run(queryset_item)
        time.sleep(run.seconds)  # the request travels
        run.end()
        queryset_item.done = True
        try:
            queryset_item.save(update_fields=["done"])
        except Error as error:
            run.note("unmarked", error=str(error))
            raise
        reach("after_mark")

    def record_successes(self, successes: Sequence[Success]) -> None:
        settling([success.attempt.pk for success in successes])


class Run:
    """One call of a handler, as the ledger tells it."""

    def __init__(self, item: Parcel) -> None:
        self.item = item
        self.number = next(_runs)
        self.kind, self.amount = parse(item.todo)
        self.seconds = self.amount / 1000 if self.kind == "ok" else QUICK_SECONDS
        self.note("begin", started=started_at.pop(item.pk, None))
        reach("before_send")

    def end(self) -> None:
        """Return when the errand was accepted; raise what else came of it."""
        reach("in_send")
        if self.kind == "poison":
            note("fault", action="kill", point="poison")
            die()
        ending = self._ending()
        if ending is None:
            self.note("sent")
            reach("after_send")
            return
        self.note(str(ending.args[0]))
        raise ending

    def _ending(self) -> Exception | None:
        match self.kind:
            case "refuse":
                return TaskError("refused")
            case "flaky" if self.item.failures < self.amount:
                return TaskError("refused")
            case "crash":
                return ZeroDivisionError("refused")
            case "postpone" if self.amount > 0:
                return PostponeTask(POSTPONED_SECONDS, "postponed")
            case "pause" if self.amount > 0:
                return PauseQueue(PAUSED_SECONDS, "paused")
        return None

    def note(self, event: str, **facts: Any) -> None:
        note(event, row=self.item.pk, run=self.number, **facts)


def settling(done: Sequence[int]) -> None:
    """Be in a settle of these rows; when it is committed, the ledger knows."""
    transaction.on_commit(lambda: note("recorded", rows=done))
    reach_after_commit("after_settle")
    reach("in_settle")


def parse(todo: str) -> tuple[str, int]:
    kind, _, amount = todo.partition(":")
    return kind, int(amount or 0)


errands = ErrandQueue()
plain_errands = PlainErrandQueue()
