"""The first page: does it work, and what needs a hand?"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_safe

from django_workers.health import count_live
from django_workers.models import Queue, Worker
from notifications import figures
from notifications.models import BotStatus, Customer
from notifications.models.notification import QUEUE_NAME

from .badge import Badge, Tone
from .charts import Chart, draw
from .delivery import what_happened
from .moments import when
from .troubles import Trouble, find_troubles

HOURS, DAYS = 24, 14
MEASURED_PERIOD = timedelta(hours=24)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """A number that leads to the rows that it counts."""

    name: str
    number: str
    address: str
    tone: Tone
    more: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasonLine:
    """A reason why messages were not delivered, and where those are listed."""

    words: str
    number: str
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """One of the programs that do the work, and when it last gave a sign of life."""

    name: str
    badge: Badge
    heartbeat: str


def may_see(request: HttpRequest) -> bool:
    """Whether the person may know how many messages there are, and what of them."""
    return request.user.has_perm("notifications.view_ordernotification")


@require_safe
def dashboard(request: HttpRequest) -> HttpResponse:
    """Return the part of the first page that is refreshed."""
    if not may_see(request):
        raise PermissionDenied
    context = {"board": describe(request)}
    return TemplateResponse(request, "admin/notifications/dashboard.html", context)


def describe(request: HttpRequest) -> dict[str, Any]:
    """Return what the dashboard shows, read at this moment."""
    now = timezone.now()
    state = _State.read()
    due_since = figures.due_since()
    delivered_today, charts = charts_at(now)
    return {
        "troubles": list(state.troubles(due_since)),
        "queue_address": _queue_address(request),
        "tiles": list(_tiles(request, delivered_today, due_since, state.now)),
        "charts": charts,
        "reasons": list(_reasons()),
        "times": _times(now),
        "programs": list(state.programs()),
        "refreshed": date_format(timezone.localtime(now), "H:i:s"),
    }


# --- does it work? --------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _State:
    bot: BotStatus
    queue: Queue
    workers: list[Worker]
    # The database's time, by which workers are judged.
    now: datetime

    @classmethod
    def read(cls) -> "_State":
        queues = Queue.objects.filter(pk=QUEUE_NAME).annotate(seen_at=Now())
        queue = queues.first() or Queue(pk=QUEUE_NAME)
        return cls(
            bot=BotStatus.current(),
            queue=queue,
            workers=list(Worker.objects.filter(queue=QUEUE_NAME).order_by("pk")),
            now=vars(queue).get("seen_at") or timezone.now(),
        )

    def troubles(self, due_since: datetime | None) -> list[Trouble]:
        return find_troubles(
            bot=self.bot,
            queue=self.queue,
            live_workers=count_live(self.workers, self.now),
            due_since=due_since,
            now=self.now,
        )

    def programs(self) -> Iterator[Program]:
        polled = self.bot.last_poll_at
        codes = {trouble.code for trouble in self.troubles(None)}
        is_well = polled is not None and not codes & {"no_bot", "silent_bot"}
        yield Program(
            name=_("Answers customers"),
            badge=_alive() if is_well and not self.bot.last_error else _silent(),
            heartbeat=when(polled, seconds=True) if polled else "–",
        )
        for worker in self.workers:
            is_live = count_live([worker], self.now) == 1
            yield Program(
                name=_("Sends messages: {worker}").format(worker=worker),
                badge=_alive() if is_live else _silent(),
                heartbeat=when(worker.heartbeat_at, seconds=True),
            )


def _alive() -> Badge:
    return Badge(tone="good", words=_("Works"))


def _silent() -> Badge:
    return Badge(tone="bad", words=_("Does not work"))


def _queue_address(request: HttpRequest) -> str:
    """Return where sending is paused and resumed; nothing for who may not see it."""
    if not request.user.has_perm("django_workers.view_queue"):
        return ""
    return reverse("admin:django_workers_queue_change", args=[QUEUE_NAME])


# --- what needs a hand? ---------------------------------------------------------------


def _tiles(
    request: HttpRequest,
    delivered_today: int,
    due_since: datetime | None,
    now: datetime,
) -> Iterator[Tile]:
    waiting = figures.tally(figures.waiting())
    age = now - due_since if due_since is not None else timedelta(0)
    oldest = _("the oldest for {time}").format(time=duration(age.total_seconds()))
    yield Tile(
        name=_("Waiting to be sent"),
        number=number_of(waiting),
        address=_messages("state=waiting"),
        tone="late" if waiting.rows and age >= timedelta(minutes=1) else "busy",
        more=oldest if waiting.rows and age > timedelta(0) else "",
    )
    yield Tile(
        name=_("Delivered today"),
        number=number_format(delivered_today, force_grouping=True),
        address=_messages("delivered=today"),
        tone="good",
    )
    given_up = figures.tally(figures.given_up())
    yield Tile(
        name=_("Not delivered"),
        number=number_of(given_up),
        address=_messages("state=failed"),
        tone="bad" if given_up.rows else "idle",
    )
    if request.user.has_perm("notifications.view_customer"):
        unknown = figures.tally(Customer.objects.filter(tg_user_id=None))
        customers = reverse("admin:notifications_customer_changelist")
        yield Tile(
            name=_("Customers not connected"),
            number=number_of(unknown),
            address=f"{customers}?connection=not_connected",
            tone="idle",
        )


def _reasons() -> Iterator[ReasonLine]:
    for code, rows in figures.given_up_by_reason().items():
        yield ReasonLine(
            words=what_happened(code, "") or _("For an unknown reason."),
            number=number_format(rows, force_grouping=True),
            address=_messages(
                f"state=failed&reason={code}" if code else "state=failed"
            ),
        )


def _messages(query: str) -> str:
    return f"{reverse('admin:notifications_ordernotification_changelist')}?{query}"


def number_of(tally: figures.Tally) -> str:
    """Return a count that may have been given up, in figures."""
    number = str(number_format(tally.rows, force_grouping=True))
    return f"{number}+" if tally.has_more else number


# --- how is it going? -----------------------------------------------------------------


def charts_at(now: datetime) -> tuple[int, list[Chart]]:
    """Return how many were delivered today, and the bars of hours and of days."""
    hour = timezone.localtime(now).replace(minute=0, second=0, microsecond=0)
    # Local time goes round a change of the clock: hours are subtracted from UTC.
    hour = hour.astimezone(UTC)
    hours = [hour + timedelta(hours=1 - nth) for nth in range(HOURS, -1, -1)]
    today = timezone.localdate(now)
    dates = [today + timedelta(days=1 - nth) for nth in range(DAYS, -1, -1)]
    # Midnights, also where a day has 23 or 25 hours.
    days = [timezone.make_aware(datetime.combine(date, time())) for date in dates]
    by_day = figures.delivered_in(days)
    return by_day[-1], [
        draw(
            name="hours",
            title=_("The last 24 hours"),
            column=_("Hour"),
            labels=[date_format(timezone.localtime(h), "H:i") for h in hours[:-1]],
            label_every=6,
            delivered=figures.delivered_in(hours),
            failed=figures.failed_in(hours),
        ),
        draw(
            name="days",
            title=_("The last 14 days"),
            column=_("Day"),
            labels=[date_format(date, "j b") for date in dates[:-1]],
            label_every=4,
            delivered=by_day,
            failed=figures.failed_in(days),
        ),
    ]


def _times(now: datetime) -> dict[str, str] | None:
    times = figures.delivery_times(now - MEASURED_PERIOD)
    if times is None:
        return None
    measured = ngettext(
        "The latest {count} message of the last 24 hours.",
        "The latest {count} messages of the last 24 hours.",
        times.measured,
    )
    return {
        "median": duration(times.median),
        "percentile_95": duration(times.percentile_95),
        "measured": measured.format(count=number_format(times.measured)),
    }


def duration(seconds: float) -> str:
    """Return a length of time in its largest fitting unit."""
    if seconds < 10:
        return _("{number} s").format(
            number=number_format(round(max(seconds, 0.1), 1), 1)
        )
    for size, next_size, words in (
        (1, 120, _("{number} s")),
        (60, 7200, _("{number} min")),
        (3600, 48 * 3600, _("{number} h")),
    ):
        if seconds < next_size:
            return words.format(number=int(seconds // size))
    days = number_format(int(seconds // 86400), force_grouping=True)
    return _("{number} d").format(number=days)


view = admin.site.admin_view(dashboard)
