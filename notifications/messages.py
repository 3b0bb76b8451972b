"""What customers read in notifications."""

from django.conf import settings
from django.utils.translation import gettext, override


def order_placed(order_number: str) -> str:
    """Return the text about a new order, in the shop's language."""
    with override(settings.LANGUAGE_CODE):
        text = gettext("Order number {order_number} has been placed")
    return text.format(order_number=order_number)
