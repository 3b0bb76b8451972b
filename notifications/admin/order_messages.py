"""All messages of an order: what each said, how it went, and what can be done now."""

from collections import defaultdict
from dataclasses import dataclass

from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from notifications.messages import text_about
from notifications.models import DeliveryAttempt, Order, OrderNotification, OrderStatus
from notifications.models.status import INITIAL

from .badge import Badge
from .delivery import of_notification
from .timeline import timeline

SHOWN_MESSAGES = 20
# Of all messages together; a long outage leaves many.
SHOWN_ATTEMPTS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class _Message:
    text: str
    status: str
    is_repeat: bool
    badge: Badge
    history: SafeString
    # Where it is sent again; empty when it cannot be.
    send_again: str = ""


def messages_of(order: Order, send_again: str) -> SafeString:
    """Return the messages of an order that was read with them, the newest first.

    `send_again` is the address of the question whether to send the latest again; empty
    for who may not.
    """
    notifications = list(order.notifications.all()[:SHOWN_MESSAGES])
    attempts = _attempts_of(notifications)
    statuses = OrderStatus.objects.in_bulk()
    latest = latest_told(notifications)
    can_be_reached = order.customer.is_reachable
    return render_to_string(
        "admin/notifications/order_messages.html",
        {
            "messages_made": [
                _Message(
                    text=notification.message,
                    status=str(statuses.get(notification.status_id or INITIAL, "")),
                    is_repeat=notification.is_repeat,
                    badge=of_notification(notification),
                    history=timeline(notification, attempts[notification.pk]),
                    send_again=send_again
                    if notification is latest
                    and notification.processed
                    and can_be_reached
                    else "",
                )
                for notification in notifications
            ],
            "next_text": text_about(order.number, order.status, order.customer)
            if order.notify and order.status.notifies
            else "",
        },
    )


def latest_told(
    notifications: list[OrderNotification],
) -> OrderNotification | None:
    """Return the newest that was neither replaced nor cancelled."""
    return next((one for one in notifications if not one.is_dropped), None)


def _attempts_of(
    notifications: list[OrderNotification],
) -> dict[int, list[DeliveryAttempt]]:
    """Read the latest attempts at all of them, in one query."""
    found: dict[int, list[DeliveryAttempt]] = defaultdict(list)
    attempts = DeliveryAttempt.objects.filter(notification__in=notifications)
    for attempt in attempts.order_by("-pk")[:SHOWN_ATTEMPTS]:
        found[attempt.notification_id].append(attempt)
    return found
