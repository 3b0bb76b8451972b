"""A text with variables, as a manager writes it: is it right, and what does it say?"""

import re
import unicodedata
from collections.abc import Mapping
from typing import Final

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

ORDER_NUMBER: Final = "order_number"
CUSTOMER_NAME: Final = "customer_name"
STATUS: Final = "status"
VARIABLES: Final = (ORDER_NUMBER, CUSTOMER_NAME, STATUS)

# Telegram's own limit, in UTF-16 code units.
LONGEST_MESSAGE = 4096

_VARIABLE = re.compile(r"\{([^{}]*)\}")


def render(text: str, values: Mapping[str, str]) -> str:
    """Return the text with its variables filled in; unknown ones stay as they are.

    What is filled in is not looked at again: a customer may be called "{status}".
    """
    return _VARIABLE.sub(lambda found: values.get(found[1].strip(), found[0]), text)


def telegram_length(text: str) -> int:
    """Return the length as Telegram counts it: most emoji are two."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def check_text(text: str, longest: Mapping[str, str]) -> None:
    """Check a text, whose variables may become as long as in `longest`.

    Raises:
        ValidationError: says all that is wrong, in words for a manager.
    """
    problems = [*_unknown_variables(text), *_lone_braces(text)]
    if not problems:
        problems = [*_too_long(text, longest), *_invisible(text, longest)]
    if problems:
        raise ValidationError(problems)


def _unknown_variables(text: str) -> list[str]:
    unknown = {
        found[0]
        for found in _VARIABLE.finditer(text)
        if found[1].strip() not in VARIABLES
    }
    known = ", ".join(f"{{{name}}}" for name in VARIABLES)
    return [
        _("There is no variable {variable}. Those that there are: {known}.").format(
            variable=variable, known=known
        )
        for variable in sorted(unknown)
    ]


def _lone_braces(text: str) -> list[str]:
    rest = _VARIABLE.sub("", text)
    problems = []
    if "{" in rest:
        problems.append(_("A curly brace is opened and never closed."))
    if "}" in rest:
        problems.append(_("A curly brace is closed that was never opened."))
    return problems


def _too_long(text: str, longest: Mapping[str, str]) -> list[str]:
    length = telegram_length(render(text, longest))
    if length <= LONGEST_MESSAGE:
        return []
    return [
        _(
            "With its variables filled in, the message may become {length} characters "
            "long; Telegram takes {limit}."
        ).format(length=length, limit=LONGEST_MESSAGE)
    ]


def _invisible(text: str, values: Mapping[str, str]) -> list[str]:
    """Telegram refuses what has no visible character; an empty text is the default."""
    shown = render(text, values)
    if not text or any(unicodedata.category(char)[0] not in "CZ" for char in shown):
        return []
    return [_("There is nothing to see in the message.")]
