"""Plain queues as the tutorial writes them, for workers in processes of their own.

What a handler does, the row says: "" succeeds at once; `sleep:2`, `fail`, `postpone:2`,
`pause:1`, `kill` (the worker dies by SIGKILL), `stuck` (never returns), `block` (never
returns and cannot be cancelled), `freeze` (never returns, nor does the event loop).
Every start and end of a handler is a line in the file that `LEDGER` names.
"""

import asyncio
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

from django.db.models import F, Model, QuerySet

from django_workers import AbstractTaskQueue, PauseQueue, PostponeTask, TaskError

from .models import Letter, Parcel, Tin

ONE_BEAT = float(os.environ.get("HEARTBEAT_SECONDS", "0.4"))


class PlainQueue(AbstractTaskQueue):
    """Four methods, and nothing that the engine does not ask for."""

    model_class: type[Model] = Parcel
    heartbeat_seconds = ONE_BEAT

    def get_pending_tasks_queryset(self) -> QuerySet[Any]:
        return self.model_class._default_manager.filter(done=False)

    def exclude_cycled_failed_tasks(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.exclude(failures__gte=3)

    def handle_task(self, queryset_item: Any) -> Any:
        note("start", queryset_item)
        do(queryset_item.todo)
        queryset_item.done = True
        queryset_item.save(update_fields=["done"])
        note("end", queryset_item)

    def process_task_error(self, queryset_item: Any, error: TaskError) -> None:
        queryset_item.failures += 1
        queryset_item.last_error = error.reason_code
        queryset_item.save(update_fields=["failures", "last_error"])


class AsyncQueue(PlainQueue):
    """The same on the loop; successes are recorded all at once."""

    async def handle_task(self, queryset_item: Any) -> None:
        note("start", queryset_item)
        name, seconds = parse(queryset_item.todo)
        if name == "stuck":
            await asyncio.Event().wait()
        elif name == "block":
            while True:
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    continue
        elif name == "sleep":
            await asyncio.sleep(seconds)
        else:
            do(queryset_item.todo)
        note("end", queryset_item)

    def record_successes(self, successes: Any) -> None:
        ids = [success.attempt.task_id for success in successes]
        self.model_class._default_manager.filter(pk__in=ids).update(done=True)


class LetterQueue(PlainQueue):
    model_class = Letter


class TinQueue(PlainQueue):
    model_class = Tin


class UncountedQueue(PlainQueue):
    """Counts failures with an expression, as a careful author would."""

    def process_task_error(self, queryset_item: Any, error: TaskError) -> None:
        same = self.model_class._default_manager.filter(pk=queryset_item.pk)
        same.update(failures=F("failures") + 1, last_error=error.reason_code)


def parse(todo: str) -> tuple[str, float]:
    name, _, seconds = todo.partition(":")
    return name, float(seconds or 0)


def do(todo: str) -> None:
    """Do in this thread what a row asks for."""
    name, seconds = parse(todo)
    match name:
        case "sleep":
            time.sleep(seconds)
        case "stuck" | "block" | "freeze":
            threading.Event().wait()
        case "fail":
            raise TaskError("refused")
        case "postpone":
            raise PostponeTask(seconds)
        case "pause":
            raise PauseQueue(seconds)
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
            threading.Event().wait()


def note(event: str, item: Any) -> None:
    """Add a line to the ledger, at once and whole, whatever happens next."""
    if path := os.environ.get("LEDGER"):
        line = f"{time.time():.6f} {os.getpid()} {event} {item.pk}\n"
        with Path(path).open("ab", buffering=0) as ledger:
            ledger.write(line.encode())


parcels = PlainQueue()
async_parcels = AsyncQueue()
letters = LetterQueue()
tins = TinQueue()


class ImpatientQueue(PlainQueue):
    handler_timeout = 0.5


impatient_parcels = ImpatientQueue()


class ImpatientAsyncQueue(AsyncQueue):
    handler_timeout = 0.5


impatient_async_parcels = ImpatientAsyncQueue()


class RatedQueue(AsyncQueue):
    rate = 40.0
    concurrency = 8


rated_parcels = RatedQueue()
