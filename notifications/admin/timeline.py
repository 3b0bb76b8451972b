"""The story of one message: when it was made, each attempt, and what comes next."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from notifications.models import DeliveryAttempt, OrderNotification

from .badge import Badge, Tone
from .delivery import next_attempt_at, of_notification, what_happened
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
    # That it used up none of the attempts; empty for one that did, or that delivered.
    aside: str = ""
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
    is_cut = len(latest) > SHOWN_ATTEMPTS
    next_at = next_attempt_at(notification)
    return render_to_string(
        "admin/notifications/timeline.html",
        {
            "created": when(notification.created_at, seconds=True),
            "lines": list(_lines(shown, is_cut=is_cut)),
            "shortened": SHOWN_ATTEMPTS if is_cut else 0,
            "now": of_notification(notification),
            "next_at": when(next_at, seconds=True) if next_at else "",
            "finished": notification.processed,
        },
    )


def _lines(attempts: list[DeliveryAttempt], *, is_cut: bool) -> Iterator[Line]:
    number = 0
    for attempt in attempts:
        words = attempt.get_outcome_display()
        number += attempt.counted
        # Of a story without its beginning nobody knows which attempt is the first.
        if attempt.counted and not is_cut:
            words = _("Attempt {number}: {outcome}").format(
                number=number, outcome=words[0].lower() + words[1:]
            )
        delivered = attempt.outcome == DeliveryAttempt.Outcome.DELIVERED
        is_aside = not (delivered or attempt.counted)
        yield Line(
            moment=attempt.finished_at,
            badge=Badge(
                tone=_TONES.get(attempt.outcome, "bad"),
                words=words,
                more=what_happened(attempt.error_code, attempt.description),
            ),
            aside=_("does not count as an attempt") if is_aside else "",
            original=attempt.description,
        )
