"""What other tables know about a notification: read with it, in the same query."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet, Subquery, TextField
from django.db.models.functions import Cast

from django_workers.models import Claim, Queue
from notifications.models import Customer, OrderNotification
from notifications.models.notification import QUEUE_NAME


def with_facts(
    notifications: QuerySet[OrderNotification],
) -> QuerySet[OrderNotification]:
    """Add to each notification what `facts_of` needs; counting rows ignores it."""
    claims = Claim.objects.filter(
        queue=QUEUE_NAME, task_id=Cast(OuterRef("pk"), output_field=TextField())
    )
    silenced = Customer.objects.filter(
        tg_user_id=OuterRef("tg_user_id"), unsubscribed_at__isnull=False
    )
    queue = Queue.objects.filter(pk=QUEUE_NAME)
    paused = queue.filter(paused_until__isnull=False)
    return notifications.annotate(
        fact_sending=Exists(claims.filter(worker__isnull=False)),
        fact_parked=Exists(claims.filter(worker=None).exclude(error="")),
        fact_silenced=Exists(silenced),
        fact_stopped=Exists(queue.filter(stopped_at__isnull=False)),
        fact_pause_reason=Subquery(paused.values("pause_reason")[:1]),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What other tables know about a notification."""

    # A worker is sending it at this moment.
    sending: bool
    # The program failed over it: it waits for a person.
    parked: bool
    # Its customer said /stop.
    silenced: bool
    # A person stopped the queue.
    stopped: bool
    # Why the queue pauses by itself; empty when it does not.
    pause_reason: str


def facts_of(notification: OrderNotification) -> Facts:
    """Return the facts that were read with the notification."""
    known: dict[str, Any] = vars(notification)
    return Facts(
        sending=known["fact_sending"],
        parked=known["fact_parked"],
        silenced=known["fact_silenced"],
        stopped=known["fact_stopped"],
        pause_reason=known["fact_pause_reason"] or "",
    )
