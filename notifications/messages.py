"""What customers read in notifications."""

from functools import lru_cache

from django.conf import settings
from django.utils.translation import gettext, override


def order_placed(order_number: str) -> str:
    """Return the text about a new order, in the shop's language."""
    return _order_placed(settings.LANGUAGE_CODE).format(order_number=order_number)


@lru_cache
def _order_placed(language: str) -> str:
    with override(language):
        return gettext("Order number {order_number} has been placed")
