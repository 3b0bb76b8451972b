"""Finds the orders of customers, and by what is searched for, among a million.

PostgreSQL knows how many rows fit what. SQLite cannot tell a word that fits a handful
of orders from one that fits half of them; so they are counted, and it is told the way.
"""

from typing import Any

from django.db import connection
from django.db.models import F, Q, QuerySet
from django.db.models.lookups import In

from django_workers.keys import among
from notifications.models import Customer, Order

from .searching import NOTHING, begins_with, customers_matching

# The orders of so many customers, and so many of them, are found by their indexes. What
# more fit is met soon by whoever looks through the newest orders, and to collect and
# sort all of them would take longer.
MOST_CUSTOMERS = 10_000
MOST_ORDERS = 50_000
MOST_ORDERS_OF_MANY = 150_000


def orders_matching(term: str) -> Q:
    """Return the condition on orders: the beginning of a number, or their customer."""
    numbered = begins_with("number", term)
    if connection.vendor != "sqlite":
        return numbered | customers_matching(term, lambda these: Q(customer__in=these))
    customers = Customer.objects.filter(customers_matching(term)).order_by()
    few = _found_by_index(customers, or_those=numbered)
    return few or numbered | customers_matching(term, _seen_in_passing)


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
    """Return how to find their orders, or those, by indexes; None: they are many."""
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
