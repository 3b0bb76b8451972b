"""Finds the orders of customers, and by what is searched for, among a million.

A database takes the orders that fit and sorts them, or looks through the newest ones
until enough fit. SQLite cannot tell a word of a handful of customers from one of half
of them. So here is counted, as far as it costs little, and it is told the way.
"""

from collections.abc import Collection
from typing import Any

from django.db import connection
from django.db.models import Exists, F, OrderBy, OuterRef, Q, QuerySet

from django_workers.keys import among
from notifications.models import Customer, CustomerWord, Order

from .searching import (
    NOTHING,
    are_over,
    begins_with,
    have_many,
    is_among,
    is_customer_of,
    words_matching,
)

# The orders of so many customers, and so many of them, are found by their indexes.
MOST_CUSTOMERS = 10_000
MOST_ORDERS = 50_000
MOST_ORDERS_OF_MANY = 150_000
# A term of so few characters fits a great many.
BROAD_TERM = 3


def search_orders(
    orders: QuerySet[Order], term: str, *, of_strangers: bool = False
) -> QuerySet[Order]:
    """Return the orders whose number begins so, or whose customer has the words.

    `of_strangers` says that they are narrowed to those of customers without a chat.
    """
    numbered, words = begins_with("number", term), words_matching(term)
    if connection.vendor == "sqlite":
        if few := _found_by_index(_few_with_all(words), or_those=numbered):
            return orders.filter(few)
        in_passing = is_customer_of(words, "customer_id", in_passing=True)
        return orders.filter(numbered | in_passing)
    found = orders.filter(numbered | is_customer_of(words, "customer_id"))
    if of_strangers and _are_far_apart(numbered, words):
        return _sorted_when_found(found)
    return found


def orders_of(customers: QuerySet[Customer], *, matching: str = "") -> Q:
    """Return the condition on orders: that they are of these customers.

    Customers in the order of an index are found soon by it. `matching` is a term that
    is searched for as well.
    """
    these = customers.order_by().values("pk")
    if connection.vendor != "sqlite":
        return is_among("customer_id", these)
    keys = _listed(customers, "pk")
    if keys is not None and (few := _found_by_index(_with_keys(keys))):
        return few
    orders = Order.objects.order_by().filter(customer__in=these)
    is_broad = 0 < len(matching.strip()) <= BROAD_TERM
    if is_broad and not are_over(MOST_ORDERS_OF_MANY, orders):
        # To find out of each order on the way whether it is both takes the longest.
        return Q(pk__in=orders.values("pk"))
    return is_among("customer_id", these, in_passing=True)


def _are_far_apart(numbered: Q, words: list[QuerySet[CustomerWord]]) -> bool:
    """Tell whether a list may have to go far back from the newest order.

    Numbers that begin alike were given in a row, long ago perhaps. What customers have
    in common is met all the way.
    """
    is_met_often = any(map(have_many, words))
    return not is_met_often and Order.objects.filter(numbered).exists()


def _sorted_when_found(orders: QuerySet[Order]) -> QuerySet[Order]:
    """Sort the orders, which are sorted by their keys, after all of them are found.

    PostgreSQL would go through them one by one, from the newest, expecting to have met
    enough soon. No index has a sum, so it reads the table in one go, in parallel.
    """
    ordering = (
        OrderBy(F(name.lstrip("-")) + 0, descending=name.startswith("-"))
        for name in map(str, orders.query.order_by)
    )
    return orders.order_by(*ordering)


def _few_with_all(words: list[QuerySet[CustomerWord]]) -> QuerySet[Customer] | None:
    """Return the customers with a word of each; None: there is none that few have."""
    lists = [_listed(each, "customer") for each in words]
    known = [set(keys) for keys in lists if keys is not None]
    if words and not known:
        return None
    customers = _with_keys(set.intersection(*known) if known else ())
    for each, keys in zip(words, lists, strict=True):
        if keys is None:
            customers = customers.filter(Exists(each.filter(customer=OuterRef("pk"))))
    return customers


def _found_by_index(
    customers: QuerySet[Customer] | None, *, or_those: Q = NOTHING
) -> Q | None:
    """Return how to find their orders, or those, by indexes; None: they are many."""
    if customers is None:
        return None
    orders = Order.objects.order_by().filter(
        or_those | Q(customer__in=customers.values("pk"))
    )
    return None if are_over(MOST_ORDERS, orders) else Q(pk__in=orders.values("pk"))


def _with_keys(keys: Collection[int]) -> QuerySet[Customer]:
    return Customer.objects.order_by().filter(among(keys))


def _listed(rows: QuerySet[Any], field: str) -> list[int] | None:
    """Return the keys of customers in a field of the rows; None: they are many."""
    keys = list(rows.values_list(field, flat=True)[: MOST_CUSTOMERS + 1])
    return keys if len(keys) <= MOST_CUSTOMERS else None
