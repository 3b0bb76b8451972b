"""What the dashboard counts. Every number is read from an index, in bounded time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from math import ceil
from typing import Any

from django.db.models import Count, Exists, IntegerField, OuterRef, QuerySet, Value

from .models import Customer, DeliveryAttempt, OrderNotification

# Beyond this nobody wants to know how many it is exactly.
COUNTED_ROWS = 10_000
# So many of the latest deliveries tell how long one takes.
MEASURED_DELIVERIES = 1000


@dataclass(frozen=True, slots=True)
class Tally:
    """How many rows there are; with `has_more`, that many and more."""

    rows: int
    has_more: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryTimes:
    """How long messages took from being made to being delivered, in seconds."""

    median: float
    percentile_95: float
    measured: int


def waiting() -> QuerySet[OrderNotification]:
    """Return what will be sent by itself: not what waits for its customer's Start."""
    silenced = Customer.objects.filter(
        tg_user_id=OuterRef("tg_user_id"), unsubscribed_at__isnull=False
    )
    return OrderNotification.objects.unfinished().filter(~Exists(silenced))


def given_up() -> QuerySet[OrderNotification]:
    """Return what was not delivered and waits for a person."""
    return OrderNotification.objects.given_up()


def tally(rows: QuerySet[Any]) -> Tally:
    """Count the rows, at most COUNTED_ROWS of them."""
    found = rows.order_by()[: COUNTED_ROWS + 1].count()
    return Tally(min(found, COUNTED_ROWS), has_more=found > COUNTED_ROWS)


def due_since() -> datetime | None:
    """Return since when the message that is most overdue could have been sent.

    It lies ahead when all that wait have to wait until later.
    """
    by_due_time = waiting().order_by("next_attempt_at", "pk")
    return by_due_time.values_list("next_attempt_at", flat=True).first()


def delivered_in(edges: Sequence[datetime]) -> list[int]:
    """Return how many messages were delivered between each two neighbouring edges."""
    return _count_between(OrderNotification.objects.all(), "processed_at", edges)


def failed_in(edges: Sequence[datetime]) -> list[int]:
    """Return how many attempts failed, as far as they count, between the edges."""
    failed = DeliveryAttempt.objects.filter(counted=True).exclude(error_code="")
    return _count_between(failed, "finished_at", edges)


def given_up_by_reason() -> dict[str, int]:
    """Return how many messages wait for a person, by reason code, the most first."""
    return _by_reason(given_up(), "last_error_code")


def attempts_by_reason(since: datetime) -> dict[str, int]:
    """Return how many attempts have not delivered since then, by reason code."""
    attempts = DeliveryAttempt.objects.filter(finished_at__gte=since)
    return _by_reason(attempts.exclude(error_code=""), "error_code")


def delivery_times(since: datetime) -> DeliveryTimes | None:
    """Measure the latest deliveries since then; None when there was none."""
    latest = (
        OrderNotification.objects.filter(processed_at__gte=since)
        .order_by("-processed_at")
        .values_list("created_at", "processed_at")[:MEASURED_DELIVERIES]
    )
    seconds = sorted(
        max(timedelta(0), delivered - created).total_seconds()
        for created, delivered in latest
        if delivered is not None
    )
    if not seconds:
        return None
    return DeliveryTimes(
        median=_percentile(seconds, 50),
        percentile_95=_percentile(seconds, 95),
        measured=len(seconds),
    )


def _percentile(ordered: Sequence[float], percent: int) -> float:
    """Return the smallest value that so many percent do not exceed."""
    return ordered[ceil(len(ordered) * percent / 100) - 1]


def _count_between(
    rows: QuerySet[Any], field: str, edges: Sequence[datetime]
) -> list[int]:
    # One range of an index for each: to put rows into buckets one by one takes longer.
    counts = [
        rows.filter(**{f"{field}__gte": start, f"{field}__lt": end})
        .order_by()
        .annotate(bucket=Value(number, output_field=IntegerField()))
        .values("bucket")
        .annotate(rows=Count("*"))
        .values_list("bucket", "rows")
        for number, (start, end) in enumerate(pairwise(edges))
    ]
    found = dict(counts[0].union(*counts[1:], all=True))
    return [found.get(number, 0) for number in range(len(counts))]


def _by_reason(rows: QuerySet[Any], field: str) -> dict[str, int]:
    counted = rows.order_by().values(field).annotate(rows=Count("*"))
    found = counted.values_list(field, "rows").order_by("-rows", field)
    return dict(found)
