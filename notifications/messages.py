"""What customers read in notifications."""

from functools import lru_cache
from typing import TYPE_CHECKING

from django.conf import settings
from django.utils.translation import gettext, override

from .templating import CUSTOMER_NAME, ORDER_NUMBER, STATUS, render

if TYPE_CHECKING:
    from .models import Customer, OrderStatus


def order_placed(order_number: str) -> str:
    """Return the text about a new order, in the shop's language."""
    return _order_placed(settings.LANGUAGE_CODE).format(order_number=order_number)


@lru_cache
def _order_placed(language: str) -> str:
    with override(language):
        return gettext("Order number {order_number} has been placed")


def status_changed(order_number: str, status: str) -> str:
    """Return the text about an order's new status, in the shop's language."""
    with override(settings.LANGUAGE_CODE):
        text = gettext("Order number {order_number}: {status}")
    return text.format(order_number=order_number, status=status)


def text_about(order_number: str, status: "OrderStatus", customer: "Customer") -> str:
    """Return what the customer is told of an order that has come to this status.

    It is what a manager wrote in the customer's language, else in the shop's; where
    they wrote nothing, it is the text above, in the shop's language.
    """
    for language in (customer.language.partition("-")[0], settings.LANGUAGE_CODE):
        if text := status.text_in(language):
            values = {
                ORDER_NUMBER: order_number,
                CUSTOMER_NAME: customer.name,
                STATUS: status.name_in(language),
            }
            return render(text, values)
    return default_text(order_number, status)


def default_text(order_number: str, status: "OrderStatus") -> str:
    """Return what is said where no manager wrote a text."""
    if status.is_initial:
        return order_placed(order_number)
    return status_changed(order_number, status.name_in(settings.LANGUAGE_CODE))
