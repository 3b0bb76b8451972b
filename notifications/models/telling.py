"""Keeps the messages of an order in step with it: made, corrected, replaced, dropped.

- A new status makes one message. What still waits is dropped before it is sent, also
  when the new status notifies nobody: an order that was cancelled without a word must
  not tell "paid" afterwards.
- A message that is being sent cannot be called back; if it fails, it is not repeated.
- What cannot be told now, because the customer cannot be reached, is told when they
  press Start: only the status that the order has then.
"""

from collections.abc import Collection
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models import OuterRef, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce

from notifications.messages import text_about
from notifications.verdicts import FLOOD

from .customer import Customer
from .notification import OrderNotification, Parked
from .status import INITIAL

if TYPE_CHECKING:
    from .order import Order


class MessageChange(StrEnum):
    """What a change of an order did to its messages, for a manager to read."""

    NONE = "none"  # there was none, and none is due
    MADE = "made"  # the customer is told
    REPLACED = "replaced"  # the customer is told this instead of what still waited
    CORRECTED = "corrected"  # what still waits says it right
    DROPPED = "dropped"  # what still waited is not sent
    LATER = "later"  # the customer cannot be reached: told when they press Start
    TOO_LATE = "too_late"  # the old message is being sent, or was delivered


def is_due(order: "Order", customer: Customer) -> bool:
    """Tell whether the customer is to be told of the order's status, and can be."""
    return _is_wanted(order) and customer.is_reachable


def untold(orders: "QuerySet[Order]") -> "QuerySet[Order]":
    """Return those whose customer is to know their status, and was not told of it."""
    messages = OrderNotification.objects.told().filter(order=OuterRef("pk"))
    # Messages from before there were statuses tell of a new order.
    told_status = Coalesce("status", Value(INITIAL), output_field=models.CharField())
    latest = messages.order_by("-pk").values_list(told_status)[:1]
    return (
        orders.filter(notify=True, status__notifies=True)
        .annotate(told=Coalesce(Subquery(latest), Value("")))
        .exclude(told=models.F("status"))
    )


def follow(
    order: "Order",
    changed: Collection[str],
    customer: Customer,
    in_flight: Collection[Any],
    *,
    using: str,
) -> MessageChange:
    """Make the messages of a saved order follow what has changed about it.

    Its customer is locked, and `in_flight` (of its messages) cannot change.
    """
    messages = OrderNotification.objects.using(using).filter(order=order)
    waiting = messages.open().first()
    is_being_sent = waiting is not None and waiting.pk in in_flight
    if "status_id" in changed:
        return _tell_anew(order, customer, waiting, is_being_sent, using=using)
    if "notify" in changed and not order.notify:
        _drop(waiting, Parked.CANCELLED, using=using)
        if is_being_sent:
            return MessageChange.TOO_LATE
        return MessageChange.DROPPED if waiting else MessageChange.NONE
    if waiting is None:
        return _tell_what_is_untold(order, changed, customer, using=using)
    if is_being_sent:
        return MessageChange.TOO_LATE
    if "customer_id" in changed:
        return _tell_anew(order, customer, waiting, is_being_sent, using=using)
    return _correct(waiting, order, customer, using=using)


def _is_wanted(order: "Order") -> bool:
    return order.notify and order.status.notifies


def _tell_anew(
    order: "Order",
    customer: Customer,
    waiting: OrderNotification | None,
    is_being_sent: bool,
    *,
    using: str,
) -> MessageChange:
    if not is_due(order, customer):
        _drop(waiting, Parked.CANCELLED, using=using)
        if _is_wanted(order):
            return MessageChange.LATER
        if is_being_sent:
            return MessageChange.TOO_LATE
        return MessageChange.DROPPED if waiting else MessageChange.NONE
    _drop(waiting, Parked.SUPERSEDED, using=using)
    message = OrderNotification.about(order, customer)
    if waiting is not None and _waits_for_telegram(waiting, message.tg_user_id):
        message.next_attempt_at = waiting.next_attempt_at
    message.save(using=using)
    if waiting is None or is_being_sent:
        return MessageChange.MADE
    return MessageChange.REPLACED


def _waits_for_telegram(notification: OrderNotification, chat_id: int) -> bool:
    """Tell whether Telegram asked this chat to wait when it was last sent to."""
    is_flooded = notification.last_error_code == FLOOD
    return is_flooded and notification.tg_user_id == chat_id


def _tell_what_is_untold(
    order: "Order", changed: Collection[str], customer: Customer, *, using: str
) -> MessageChange:
    orders = type(order)._default_manager.using(using).filter(pk=order.pk)
    if untold(orders).exists():
        return _tell_anew(order, customer, None, False, using=using)
    messages = OrderNotification.objects.using(using).filter(order=order)
    is_known = messages.filter(processed=True).exists()
    if is_known and not {"number", "customer_id"}.isdisjoint(changed):
        return MessageChange.TOO_LATE
    return MessageChange.NONE


def _correct(
    waiting: OrderNotification, order: "Order", customer: Customer, *, using: str
) -> MessageChange:
    """Let what waits say the order's number; it keeps its place and its count."""
    waiting.order_number = order.number
    waiting.text = text_about(order.number, order.status, customer)
    waiting.save(using=using, update_fields=["order_number", "text"])
    return MessageChange.CORRECTED


def _drop(waiting: OrderNotification | None, why: Parked, *, using: str) -> None:
    if waiting is not None:
        waiting.parked = why
        waiting.save(using=using, update_fields=["parked"])
