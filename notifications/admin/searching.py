"""Finds orders and customers by what a manager types, in any letter case.

Databases disagree on the case of Cyrillic letters, so the words are casefolded here
and compared with columns that are casefolded too.
"""

import re

from django.db import connection
from django.db.models import F, Q, QuerySet
from django.db.models.lookups import In

from notifications.models import Customer, CustomerWord, Order
from notifications.models.search_words import terms_of

from .numbers import LONGEST

_LONGEST_ID = 18
LAST_CHARACTER = "\U0010ffff"
# What fits so few is found by its index. What fits more is met soon by whoever looks
# through the newest orders, and to collect and sort all of it would take longer.
FEW = 2_000
NOTHING = Q(pk__in=[])


def customers_matching(term: str) -> Q:
    """Return the condition on customers: words of theirs begin as each of the term's.

    The words are of the name and the username; a phone is found by its beginning or
    its end, in any notation.
    """
    return _customers_matching(term, "pk")


def orders_matching(term: str) -> Q:
    """Return the condition on orders: the beginning of a number, or their customer."""
    numbered = _begins("number", term)
    if connection.vendor != "sqlite":
        return numbered | _customers_matching(term, "customer")
    customers = Customer.objects.filter(customers_matching(term))
    return _orders_for_sqlite(customers, or_those=numbered)


def orders_of(customers: QuerySet[Customer]) -> Q:
    """Return the condition on orders: that they are of these customers."""
    if connection.vendor != "sqlite":
        return Q(customer__in=customers.order_by().values("pk"))
    return _orders_for_sqlite(customers)


def _orders_for_sqlite(customers: QuerySet[Customer], *, or_those: Q = NOTHING) -> Q:
    """Say how to find them: by an index, or by looking through the newest orders.

    SQLite cannot tell a word that fits a handful of customers from one that fits half
    of them, so this counts, and leaves it no choice.
    """
    keys = customers.order_by().values_list("pk", flat=True)
    found = list(keys[: FEW + 1])
    are_many = len(found) > FEW
    if not are_many:
        orders = Order.objects.order_by().filter(or_those | Q(customer__in=found))
        if orders[: FEW + 1].count() <= FEW:
            return Q(pk__in=orders.values("pk"))
    # No index has a sum. With one such condition the others' are of no use either.
    unindexed = F("customer_id") + 0
    return or_those | Q(In(unindexed, keys if are_many else found))


def notifications_matching(term: str) -> Q:
    """Return the condition: the beginning of a number, or a whole Telegram ID."""
    condition = _begins("order_number", term)
    if re.fullmatch(rf"-?\d{{1,{_LONGEST_ID}}}", term):
        condition |= Q(tg_user_id=int(term))
    return condition


def is_key(text: str) -> bool:
    """Tell whether the text of an address can be the key of a row."""
    return text.isascii() and text.isdecimal() and len(text) <= _LONGEST_ID


def _customers_matching(term: str, field: str) -> Q:
    condition = Q()
    for beginnings in terms_of(term):
        begins = Q()
        for beginning in sorted(beginnings):
            begins |= _begins_exactly("word", beginning)
        words = CustomerWord.objects.filter(begins)
        condition &= Q(**{f"{field}__in": words.values("customer")})
    return condition if condition or not term.strip() else NOTHING


def _begins(field: str, term: str) -> Q:
    number = term.strip().lstrip("№#").strip()
    if not 0 < len(number) <= LONGEST:
        return NOTHING
    condition = Q()
    for spelling in {number, number.upper(), number.lower(), number.capitalize()}:
        condition |= _begins_exactly(field, spelling)
    return condition


def _begins_exactly(field: str, text: str) -> Q:
    if connection.vendor != "sqlite":
        return Q(**{f"{field}__startswith": text})
    # SQLite's LIKE reads every row; in its plain order of characters this is the same.
    return Q(**{f"{field}__gte": text, f"{field}__lt": text + LAST_CHARACTER})
