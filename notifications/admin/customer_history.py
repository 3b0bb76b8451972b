"""What a customer ordered, and what they were told: the latest of both."""

from django.db.models import Prefetch
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.safestring import SafeString

from notifications.models import Customer, Order, OrderNotification
from notifications.models.notification import OrderNotificationQuerySet

from .customer_list import orders_address
from .delivery import of_notification, of_order
from .facts import with_facts
from .moments import when

SHOWN = 10


class _OrderLine:
    """An order as the customer's page lists it."""

    def __init__(self, order: Order) -> None:
        self.number = order.number
        self.address = reverse("admin:notifications_order_change", args=[order.pk])
        self.created = when(order.created_at)
        self.message = of_order(order).label()


class _MessageLine:
    """A message as the customer's page lists it."""

    def __init__(self, notification: OrderNotification) -> None:
        name = "admin:notifications_ordernotification_change"
        self.address = reverse(name, args=[notification.pk])
        self.number = notification.order_number
        self.created = when(notification.created_at)
        self.message = of_notification(notification).with_more()


def orders_of(customer: Customer) -> SafeString:
    """Return a table of the latest orders, and a link to all if there are more."""
    notifications = with_facts(OrderNotification.objects.all())
    latest = (
        Order.objects.filter(customer=customer)
        .select_related("customer")
        .prefetch_related(Prefetch("notifications", queryset=notifications))
        .order_by("-pk")[: SHOWN + 1]
    )
    lines = [_OrderLine(order) for order in latest]
    return _table(lines, "latest_orders.html", orders_address(customer))


def messages_of(customer: Customer) -> SafeString:
    """Return a table of the latest messages, and a link to all if there are more.

    They are those of the customer's orders, and those of their chat without an order.
    """
    chat = customer.tg_user_id
    of_orders = OrderNotification.objects.filter(order__customer=customer)
    found = [_latest(of_orders)]
    if chat is not None:
        found.append(_latest(OrderNotification.objects.filter(tg_user_id=chat)))
    keys = sorted({key for keys in found for key in keys}, reverse=True)[: SHOWN + 1]
    messages = with_facts(OrderNotification.objects.filter(pk__in=keys))
    lines = [_MessageLine(message) for message in messages.order_by("-pk")]
    all_messages = reverse("admin:notifications_ordernotification_changelist")
    address = f"{all_messages}?q={chat}" if chat else orders_address(customer)
    return _table(lines, "latest_messages.html", address)


def _latest(messages: OrderNotificationQuerySet) -> list[int]:
    return list(messages.order_by("-pk").values_list("pk", flat=True)[: SHOWN + 1])


def _table(
    lines: list[_OrderLine] | list[_MessageLine], template: str, all_lines: str
) -> SafeString:
    return render_to_string(
        f"admin/notifications/{template}",
        {
            "lines": lines[:SHOWN],
            "shown": SHOWN,
            "all_lines": all_lines if len(lines) > SHOWN else "",
        },
    )
