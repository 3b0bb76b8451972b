"""What the admin tells of a queue: its state in words, its workers, its claims."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from django.db.models import Count, Q
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from .clock import local_time
from .database import database_now
from .health import count_live
from .models import Claim, Queue, Worker


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Whether a queue works, and what is known of the reason when it does not."""

    tone: Literal["good", "late", "bad"]
    words: str
    more: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerLine:
    """A worker as the queue's page lists it."""

    name: str
    state: str
    started: str
    heartbeat: str
    handled: int
    failed: int


def state_of(queue: Queue, *, live_workers: int, now: datetime) -> State:
    """Return what keeps the queue from working, what lasts longest first."""
    if queue.stopped_at is not None:
        words = _("Stopped by {person}").format(person=queue.stopped_by or "–")
        since = _("Since {time}.").format(time=moment(queue.stopped_at))
        more = f"{since} {queue.stop_reason}".strip()
        return State(tone="late", words=words, more=more)
    if live_workers == 0:
        words = _("Nobody works on this queue")
        more = _("Start a worker: manage.py run_worker")
        return State(tone="bad", words=words, more=more)
    if queue.paused_until is None:
        return State(tone="good", words=_("Working"))
    reason, more = queue.pause_reason, queue.pause_description
    if queue.paused_until <= now:
        words = _("Asking whether the pause is over: {reason}").format(reason=reason)
    else:
        until = moment(queue.paused_until)
        words = _("Paused until {time}: {reason}").format(time=until, reason=reason)
    return State(tone="late", words=words, more=more)


def is_live(worker: Worker, now: datetime) -> bool:
    """Whether the worker has shown a sign of life lately, by the database's clock."""
    return count_live([worker], now) == 1


def worker_state(worker: Worker, now: datetime) -> str:
    """Return, in a word, whether the worker lives."""
    return _("Alive") if is_live(worker, now) else _("Shows no sign of life")


def moment(time: datetime) -> str:
    """Return a time as the pages of queues write it."""
    return date_format(local_time(time), "j b, H:i:s")


def describe(queue: Queue, using: str) -> Mapping[str, object]:
    """Return what the page of a queue shows, read in three queries."""
    workers = list(Worker.objects.using(using).filter(queue=queue).order_by("pk"))
    now = database_now(using)
    live = count_live(workers, now)
    own = Claim.objects.using(using).filter(queue=queue)
    parked = Q(worker=None) & ~Q(error="")
    claims = own.aggregate(
        in_flight=Count("pk", filter=Q(worker__isnull=False)),
        held=Count("pk", filter=Q(worker=None, error="")),
        parked=Count("pk", filter=parked),
    )
    return {
        "queue": queue,
        "state": state_of(queue, live_workers=live, now=now),
        "claims": claims,
        "workers": [_line(worker, now) for worker in workers],
    }


def _line(worker: Worker, now: datetime) -> WorkerLine:
    return WorkerLine(
        name=str(worker),
        state=worker_state(worker, now),
        started=moment(worker.started_at),
        heartbeat=moment(worker.heartbeat_at),
        handled=worker.handled,
        failed=worker.failed,
    )
