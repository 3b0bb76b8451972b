"""Finds orders and customers by what a manager types, in any letter case.

Databases disagree on the case of Cyrillic letters, so the words are casefolded here
and compared with columns that are casefolded too.
"""

import re
from collections.abc import Iterable
from functools import reduce
from operator import or_
from typing import Any

from django.db import connection
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.lookups import In

from notifications.models import CustomerWord
from notifications.models.search_words import terms_of

from .numbers import LONGEST

_LONGEST_ID = 18
LAST_CHARACTER = "\U0010ffff"
NOTHING = Q(pk__in=[])
# A database lists all customers with a word before it looks at the first row. With more
# than so many it had better look into the index for each row: PostgreSQL has no memory
# for such a list, and reads all of it each time.
MOST_LISTED = 100_000


def customers_matching(term: str) -> Q:
    """Return the condition on customers: words of theirs begin as each of the term's.

    The words are of the name and the username; a phone is found by its beginning or
    its end, in any notation. Nothing that was asked for, all have.
    """
    return is_customer_of(words_matching(term), "pk") if term.strip() else Q()


def is_customer_of(
    each: Iterable[QuerySet[CustomerWord]], key: str, *, in_passing: bool = False
) -> Q:
    """Return the condition that the customer with this key has a word of each.

    `in_passing` says that the rows are read for another reason: it is found out of
    each, and no rows are looked for by their customers.
    """
    condition = Q()
    for words in each:
        if have_many(words):
            condition &= Q(Exists(words.filter(customer=OuterRef(key))))
        else:
            customers = words.values("customer")
            condition &= is_among(key, customers, in_passing=in_passing)
    return condition or NOTHING


def is_among(key: str, keys: QuerySet[Any, Any], *, in_passing: bool = False) -> Q:
    """Return the condition that a key is one of these."""
    # No index has a sum. With one such condition the others' are of no use either.
    return Q(In(F(key) + 0 if in_passing else F(key), keys))


def have_many(words: QuerySet[CustomerWord]) -> bool:
    """Tell whether more customers have one of these words than are listed at once."""
    return are_over(MOST_LISTED, words)


def are_over(most: int, rows: QuerySet[Any]) -> bool:
    """Count so far only."""
    return rows.order_by()[: most + 1].count() > most


def words_matching(term: str) -> list[QuerySet[CustomerWord]]:
    """Return, for each word of the term, the words of customers that begin with it."""
    return [
        CustomerWord.objects.filter(
            reduce(or_, (_begins_exactly("word", text) for text in sorted(beginnings)))
        )
        for beginnings in terms_of(term)
    ]


def notifications_matching(term: str) -> Q:
    """Return the condition: the beginning of a number, or a whole Telegram ID."""
    condition = begins_with("order_number", term)
    if re.fullmatch(rf"-?\d{{1,{_LONGEST_ID}}}", term):
        condition |= Q(tg_user_id=int(term))
    return condition


def is_key(text: str) -> bool:
    """Tell whether the text of an address can be the key of a row."""
    return text.isascii() and text.isdecimal() and len(text) <= _LONGEST_ID


def begins_with(field: str, term: str) -> Q:
    """Return the condition that the number in this field begins as the term does."""
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
