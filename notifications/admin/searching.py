"""Finds orders and customers by what a manager types, in any letter case.

Databases disagree on the case of Cyrillic letters, so the words are casefolded here
and compared with columns that are casefolded too.
"""

import re
from collections.abc import Callable
from typing import Any

from django.db import connection
from django.db.models import Q, QuerySet

from notifications.models import CustomerWord
from notifications.models.search_words import terms_of

from .numbers import LONGEST

_LONGEST_ID = 18
LAST_CHARACTER = "\U0010ffff"
NOTHING = Q(pk__in=[])


def customers_matching(
    term: str, are: Callable[[QuerySet[Any, Any]], Q] = lambda these: Q(pk__in=these)
) -> Q:
    """Return the condition on customers: words of theirs begin as each of the term's.

    The words are of the name and the username; a phone is found by its beginning or
    its end, in any notation. `are` makes a condition of the keys of customers: that a
    row is one of them, or is of one.
    """
    condition = Q()
    for beginnings in terms_of(term):
        begins = Q()
        for beginning in sorted(beginnings):
            begins |= _begins_exactly("word", beginning)
        condition &= are(CustomerWord.objects.filter(begins).values("customer"))
    return condition if condition or not term.strip() else NOTHING


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
