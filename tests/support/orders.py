"""Orders of reachable customers, and what their customers were told."""

from typing import Any

from django.utils import timezone

from notifications.models import Customer, Order, OrderNotification
from notifications.task_queues import OrderNotificationQueue

from .settling import claim_all, settle, success
from .workers import make_worker

CHAT = 1001


def connected(chat_id: int = CHAT, **fields: Any) -> Customer:
    defaults = {"name": "Анна", "tg_user_id": chat_id, "started_at": timezone.now()}
    return Customer.objects.create(**defaults | fields)


def new_order(number: str = "7", **fields: Any) -> Order:
    customer = fields.pop("customer", None) or connected()
    return Order.objects.create(number=number, customer=customer, **fields)


def take() -> list[Any]:
    """Take what is due, as a worker does; return the attempts."""
    queue = OrderNotificationQueue()
    return list(claim_all(queue, make_worker(queue)))


def deliver() -> list[str]:
    """Send what is due, as a worker does; return the texts."""
    attempts = take()
    settle(OrderNotificationQueue(), *map(success, attempts))
    return [attempt.item.message for attempt in attempts]


def states(order: Order) -> list[tuple[str | None, str]]:
    """Return the messages of an order: the status that each tells, and its state."""
    messages = OrderNotification.objects.filter(order=order).order_by("pk")
    return [(message.status_id, _state(message)) for message in messages]


def _state(message: OrderNotification) -> str:
    if message.processed:
        return "delivered"
    return message.parked or "waiting"
