"""Why attempts did not deliver, by reason and period: for the page of the queue."""

from datetime import timedelta
from urllib.parse import urlencode

from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.translation import gettext as _

from django_workers.models import Queue
from notifications import figures
from notifications.models.notification import QUEUE_NAME
from notifications.reasons import explain

from .delivery import what_happened


def failures_panel(request: HttpRequest, queue: Queue) -> str:
    """Return HTML for the page of our queue; nothing for others, and to who may not."""
    may_see = request.user.has_perm("notifications.view_ordernotification")
    if queue.pk != QUEUE_NAME or not may_see:
        return ""
    now = timezone.now()
    periods = {
        _("1 hour"): timedelta(hours=1),
        _("24 hours"): timedelta(hours=24),
        _("7 days"): timedelta(days=7),
    }
    counts = [figures.attempts_by_reason(now - length) for length in periods.values()]
    # The longest period has all reasons, the most frequent first.
    lines = [
        {
            "words": what_happened(code, "") or code,
            "address": _messages_with(code),
            "numbers": [
                number_format(count.get(code, 0), force_grouping=True)
                for count in counts
            ],
        }
        for code in counts[-1]
    ]
    pause = explain(queue.pause_reason) if queue.paused_until else ""
    return render_to_string(
        "admin/notifications/failures.html",
        {"periods": list(periods), "lines": lines, "pause": pause},
    )


def _messages_with(code: str) -> str:
    messages = reverse("admin:notifications_ordernotification_changelist")
    return f"{messages}?{urlencode({'reason': code})}"
