"""Which number does the next order get?"""

from django.db.models.functions import Length

from notifications.models import Order

LONGEST = 8
# Numbers of one length that only begin like digits, "9-12" say; more are not looked at.
_LOOK_AT = 100


def next_order_number() -> str:
    """Return the largest number made of digits plus one; empty when it has no room.

    Zeros in front are kept. Fast at any number of orders: eight looks into an index.
    """
    largest = max(map(_largest, range(1, LONGEST + 1)), key=_value)
    following = str(_value(largest) + 1).zfill(len(largest))
    return following if len(following) <= LONGEST else ""


def _largest(length: int) -> str:
    """Return the largest number of so many digits; empty when there is none."""
    numbers = (
        Order.objects.alias(length=Length("number"))
        # Any collation puts "0".."9" of one length in order between these two.
        .filter(length=length, number__gte="0" * length, number__lte="9" * length)
        .order_by("-number")
        .values_list("number", flat=True)[:_LOOK_AT]
    )
    return next(filter(_is_digits, numbers), "")


def _is_digits(number: str) -> bool:
    return number.isascii() and number.isdecimal()


def _value(number: str) -> int:
    return int(number or 0)
