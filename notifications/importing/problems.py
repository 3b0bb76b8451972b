"""Why is a line of the file not imported? In words that say what to do."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise as StrOrPromise

_LONGEST_QUOTE = 60

WORDS: "dict[str, StrOrPromise]" = {
    "quotes": _(
        "A quotation mark is opened and not closed, or stands inside a cell, or a cell "
        "is far too long."
    ),
    "cells": _("There are more cells than columns: perhaps a separator too many."),
    "number_missing": _("There is no order number."),
    "number_long": _("The number “{value}” is longer than 8 characters."),
    "number_spaces": _("The number “{value}” has spaces or invisible signs in it."),
    "number_twice": _("The number {value} was in line {line} already."),
    "number_taken": _("There is an order {value} already, of another customer."),
    "customer_missing": _("It does not say whose order it is."),
    "customer_unknown": _(
        "There is no customer “{value}”. To make a new card, fill in the customer's "
        "name."
    ),
    "username_unknown": _("Nobody called {value} has pressed Start in the bot."),
    "customer_ambiguous": _(
        "There are several customers “{value}”: write the invite code, or merge the "
        "cards."
    ),
    "phone_wrong": _("“{value}” is not a phone number."),
    "phone_shortened": _(
        "Excel has shortened the phone to “{value}”: make the column a text one."
    ),
    "name_long": _("The customer's name is longer than 200 characters."),
    "status_unknown": _("There is no status “{value}”."),
    "notify_unknown": _("To notify or not is “yes” or “no”, not “{value}”."),
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a line; `code` is one of WORDS."""

    code: str
    value: str = ""
    line: int = 0

    @property
    def words(self) -> str:
        """The sentence that a manager reads."""
        value = " ".join(self.value.split())
        if len(value) > _LONGEST_QUOTE:
            value = value[: _LONGEST_QUOTE - 1] + "…"
        return str(WORDS[self.code]).format(value=value, line=self.line)
