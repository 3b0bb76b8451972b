"""How fast messages go out, and how many wait: for the page of the queue."""

from datetime import timedelta

from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.translation import gettext as _

from django_workers.models import Queue
from notifications import figures
from notifications.models.notification import QUEUE_NAME

from .dashboard import number_of


def sending_panel(request: HttpRequest, queue: Queue) -> str:
    """Return HTML for the page of our queue; nothing for others, and to who may not."""
    may_see = request.user.has_perm("notifications.view_ordernotification")
    if queue.pk != QUEUE_NAME or not may_see:
        return ""
    now = timezone.now()
    hour, minute = now - timedelta(hours=1), now - timedelta(minutes=1)
    before, lately = figures.delivered_in([hour, minute, now])
    facts = [
        (_("Waiting to be sent"), number_of(figures.tally(figures.waiting()))),
        (_("Delivered in a minute"), number_format(lately, force_grouping=True)),
        (
            _("Delivered in an hour"),
            number_format(before + lately, force_grouping=True),
        ),
    ]
    return render_to_string("admin/notifications/sending.html", {"facts": facts})
