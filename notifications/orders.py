"""What a manager does with an order that was made, apart from editing it."""

from enum import StrEnum

from django.db import transaction

from .models import Customer, MessageChange, Order, OrderNotification, StaleOrder

_TRIES = 5


class CannotRepeat(Exception):
    """The message is not sent again; `reason` says why."""

    class Reason(StrEnum):
        """Why a message is not sent again."""

        NOT_DELIVERED = "not_delivered"
        OVERTAKEN = "overtaken"  # a later message of the order waits, or was delivered
        UNREACHABLE = "unreachable"  # the customer's chat is unknown, or they said stop

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason


def change_status(
    order_id: int, status: str, *, version: int | None = None
) -> MessageChange:
    """Give an order another status; its customer is told at most once.

    The same status again does nothing. Without a `version` the order's present one is
    taken, whatever others do at this moment.

    Raises:
        StaleOrder: the order has another version, or is gone.
    """
    for _ in range(_TRIES):
        order = Order.objects.filter(pk=order_id).first()
        if order is None:
            break
        if version is not None:
            order.version = version
        order.status_id = status
        try:
            order.save(update_fields=["status"])
        except StaleOrder:
            if version is not None:
                raise
        else:
            return order.message_change
    raise StaleOrder(str(order_id))


def send_again(notification_id: int) -> OrderNotification:
    """Make a fresh message with the very text of an order's latest, delivered one.

    It goes to where the customer is now. However often this is called for the same
    notification, by a second click or a second manager: it is sent again once.

    Raises:
        CannotRepeat: it was not delivered, is not the latest, or nobody can be reached.
    """
    with transaction.atomic():
        customer = _lock_customer_of(notification_id)
        found = OrderNotification.objects.select_related("order")
        notification = found.filter(pk=notification_id).first()
        if notification is None or notification.order is None:
            raise CannotRepeat(CannotRepeat.Reason.OVERTAKEN)
        if not notification.processed:
            raise CannotRepeat(CannotRepeat.Reason.NOT_DELIVERED)
        told = OrderNotification.objects.told().filter(order=notification.order)
        if told.latest("pk") != notification:
            raise CannotRepeat(CannotRepeat.Reason.OVERTAKEN)
        if customer is None or notification.order.customer_id != customer.pk:
            raise CannotRepeat(CannotRepeat.Reason.OVERTAKEN)
        if customer.tg_user_id is None or not customer.is_reachable:
            raise CannotRepeat(CannotRepeat.Reason.UNREACHABLE)
        return OrderNotification.objects.create(
            order=notification.order,
            order_number=notification.order_number,
            tg_user_id=customer.tg_user_id,
            text=notification.text,
            silent=notification.silent,
            status_id=notification.status_id,
            is_repeat=True,
        )


def _lock_customer_of(notification_id: int) -> Customer | None:
    """Lock who gets an order's messages: whatever makes one does."""
    customers = Customer.objects.select_for_update(of=("self",))
    return customers.filter(orders__notifications=notification_id).first()
