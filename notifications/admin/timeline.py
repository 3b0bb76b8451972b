"""The story of one message: when it was made, each attempt, and what comes next."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from notifications.models import DeliveryAttempt, OrderNotification
from notifications.models.notification import MAX_FAILED_ATTEMPTS

from .badge import Badge, Tone
from .delivery import of_notification, what_happened
from .moments import when

# A long outage leaves many waits; the latest tell how it stands.
SHOWN_ATTEMPTS = 50

_TONES: dict[str, Tone] = {
    DeliveryAttempt.Outcome.DELIVERED: "good",
    DeliveryAttempt.Outcome.POSTPONED: "late",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the story."""

    moment: datetime
    badge: Badge
    # Whether it used up one of the attempts; empty where the question does not arise.
    counted: str = ""
    # Telegram's own words.
    original: str = ""

    @property
    def time(self) -> str:
        return when(self.moment, seconds=True)


def timeline(
    notification: OrderNotification, attempts: list[DeliveryAttempt] | None = None
) -> SafeString:
    """Return the story of a notification that was read with its facts.

    Its `attempts`, the newest first, may have been read already.
    """
    if attempts is None:
        newest = notification.attempts.order_by("-pk")
        attempts = list(newest[: SHOWN_ATTEMPTS + 1])
    if not notification.processed:
        # Delivered since the notification was read: then it is so on the next look.
        delivered = DeliveryAttempt.Outcome.DELIVERED
        attempts = [one for one in attempts if one.outcome != delivered]
    latest = attempts[: SHOWN_ATTEMPTS + 1]
    shown = latest[:SHOWN_ATTEMPTS][::-1]
    return render_to_string(
        "admin/notifications/timeline.html",
        {
            "created": when(notification.created_at, seconds=True),
            "lines": list(_lines(shown)),
            "shortened": SHOWN_ATTEMPTS if len(latest) > SHOWN_ATTEMPTS else 0,
            "now": of_notification(notification),
            "finished": notification.processed,
        },
    )


def _lines(attempts: list[DeliveryAttempt]) -> Iterator[Line]:
    for attempt in attempts:
        delivered = attempt.outcome == DeliveryAttempt.Outcome.DELIVERED
        yield Line(
            moment=attempt.finished_at,
            badge=Badge(
                tone=_TONES.get(attempt.outcome, "bad"),
                words=attempt.get_outcome_display(),
                more=what_happened(attempt.error_code, attempt.description),
            ),
            counted="" if delivered else _counted(attempt),
            original=attempt.description,
        )


def _counted(attempt: DeliveryAttempt) -> str:
    if not attempt.counted:
        return _("does not count as an attempt")
    return _("counts as one of the {count} attempts").format(count=MAX_FAILED_ATTEMPTS)
