"""Finds orders and customers by what a manager types, in any letter case.

Databases disagree on the case of Cyrillic letters, so the words are casefolded here
and compared with columns that are casefolded too.
"""

import re
from collections.abc import Callable
from typing import Any

from django.db import connection
from django.db.models import F, Q, QuerySet
from django.db.models.lookups import In

from django_workers.keys import among
from notifications.models import Customer, CustomerWord, Order
from notifications.models.search_words import terms_of

from .numbers import LONGEST

_LONGEST_ID = 18
LAST_CHARACTER = "\U0010ffff"
# The orders of so many customers, and so many of them, are found by their indexes. What
# more fit is met soon by whoever looks through the newest orders, and to collect and
# sort all of them would take longer.
MOST_CUSTOMERS = 10_000
MOST_ORDERS = 50_000
MOST_ORDERS_OF_MANY = 150_000
NOTHING = Q(pk__in=[])


def customers_matching(term: str) -> Q:
    """Return the condition on customers: words of theirs begin as each of the term's.

    The words are of the name and the username; a phone is found by its beginning or
    its end, in any notation.
    """
    return _customers_matching(term, lambda customers: Q(pk__in=customers))


def orders_matching(term: str) -> Q:
    """Return the condition on orders: the beginning of a number, or their customer."""
    numbered = _begins("number", term)
    if connection.vendor != "sqlite":
        return numbered | _customers_matching(term, lambda these: Q(customer__in=these))
    customers = Customer.objects.filter(customers_matching(term)).order_by()
    few = _found_by_index(customers, or_those=numbered)
    return few or numbered | _customers_matching(term, _seen_in_passing)


def orders_of(customers: QuerySet[Customer], *, matching: str = "") -> Q:
    """Return the condition on orders: that they are of these customers.

    Customers in the order of an index are found soon by it. `matching` is a term that
    is searched for as well.
    """
    these = customers.order_by().values("pk")
    if connection.vendor != "sqlite":
        return Q(customer__in=these)
    if few := _found_by_index(customers):
        return few
    orders = Order.objects.order_by().filter(customer__in=these)
    if _fits_many(matching) and not _are_over(MOST_ORDERS_OF_MANY, orders):
        # To find out of each order on the way whether it is both takes the longest.
        return Q(pk__in=orders.values("pk"))
    return _seen_in_passing(these)


def _found_by_index(
    customers: QuerySet[Customer], *, or_those: Q = NOTHING
) -> Q | None:
    """Return how to find their orders, or those, by indexes; None: there are too many.

    SQLite cannot tell a word that fits a handful of orders from one that fits half of
    them, so this counts, and leaves it no choice.
    """
    keys = list(customers.values_list("pk", flat=True)[: MOST_CUSTOMERS + 1])
    if len(keys) > MOST_CUSTOMERS:
        return None
    these = Customer.objects.filter(among(keys)).values("pk")
    orders = Order.objects.order_by().filter(or_those | Q(customer__in=these))
    return None if _are_over(MOST_ORDERS, orders) else Q(pk__in=orders.values("pk"))


def _fits_many(term: str) -> bool:
    customers = Customer.objects.order_by().filter(customers_matching(term))
    return _are_over(MOST_CUSTOMERS, customers)


def _are_over(most: int, rows: QuerySet[Any]) -> bool:
    return rows[: most + 1].count() > most


def _seen_in_passing(customers: QuerySet[Any, Any]) -> Q:
    """Return the condition that an order met on the way is of these customers."""
    # No index has a sum. With one such condition the others' are of no use either.
    return Q(In(F("customer_id") + 0, customers))


def notifications_matching(term: str) -> Q:
    """Return the condition: the beginning of a number, or a whole Telegram ID."""
    condition = _begins("order_number", term)
    if re.fullmatch(rf"-?\d{{1,{_LONGEST_ID}}}", term):
        condition |= Q(tg_user_id=int(term))
    return condition


def is_key(text: str) -> bool:
    """Tell whether the text of an address can be the key of a row."""
    return text.isascii() and text.isdecimal() and len(text) <= _LONGEST_ID


def _customers_matching(term: str, are: Callable[[QuerySet[Any, Any]], Q]) -> Q:
    """Return the condition that `are` makes of the customers with each of the words."""
    condition = Q()
    for beginnings in terms_of(term):
        begins = Q()
        for beginning in sorted(beginnings):
            begins |= _begins_exactly("word", beginning)
        condition &= are(CustomerWord.objects.filter(begins).values("customer"))
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
