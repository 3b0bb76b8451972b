"""Every sentence that the bot says, in the customer's language."""

from django.conf import settings
from django.utils.translation import gettext, override
from django.utils.translation import gettext_noop as _

from notifications.customers import Greeting

# Where Russian is widely read, and the shop's own language is likelier to help.
_READ_RUSSIAN = frozenset({"ru", "be", "uk", "kk", "ky", "uz", "tg"})

_HOW_TO_STOP = _("/stop: no more messages. /help: what this bot can do.")
GREETINGS = {
    Greeting.NEW: _(
        "Hello! Messages about your orders will come here.\n\n"
        "If the shop gave you a link or a code, open the link or send: /start CODE"
    ),
    Greeting.LINKED: _("Done! Messages about your orders will come here."),
    Greeting.AGAIN: _("All is well: messages about your orders come here."),
    Greeting.CODE_UNKNOWN: _(
        "You are connected, but this code is not known to the shop. "
        "Please ask the shop for a new link."
    ),
    Greeting.CODE_TAKEN: _(
        "This code was already used in another Telegram account. "
        "Please ask the shop for a link of your own."
    ),
    Greeting.ALREADY_LINKED_ELSEWHERE: _(
        "This Telegram account is already connected to another card of the shop. "
        "Please ask the shop to put it right."
    ),
}
STOPPED = _("Stopped: no more messages will come. To get them again, press /start")
STOPPED_UNKNOWN = _("You get no messages from this bot. To get them, press /start")
HELP = _(
    "This bot tells you about your orders in the shop.\n\n"
    "/start: get messages about your orders\n"
    "/start CODE: the same, with the code from the shop\n"
    "/stop: get no more messages\n"
    "/help: this text"
)
HINT = _(
    "Nobody reads this chat: the bot only tells you about your orders. "
    "To ask something, please contact the shop.\n\n/help: what this bot can do"
)
GROUP = _("I write to people one by one, not in groups. Please open a chat with me.")
APOLOGY = _("Something went wrong on our side. Please try again in a minute.")

COMMANDS = {
    "start": _("Get messages about your orders"),
    "stop": _("Get no more messages"),
    "help": _("What this bot can do"),
}


def in_language(text: str, language_code: str | None) -> str:
    """Return a sentence of this module in the language of a Telegram user."""
    with override(choose_language(language_code)):
        return gettext(text)


def greet(greeting: Greeting, language_code: str | None) -> str:
    """Return the answer to a press of Start."""
    answer = in_language(GREETINGS[greeting], language_code)
    if greeting in (Greeting.NEW, Greeting.LINKED):
        answer += "\n\n" + in_language(_HOW_TO_STOP, language_code)
    return answer


def choose_language(language_code: str | None) -> str:
    """Return the language we write in to somebody with this code; ours if unknown."""
    if not language_code:
        return settings.LANGUAGE_CODE
    primary = language_code.lower().replace("_", "-").partition("-")[0]
    return "ru" if primary in _READ_RUSSIAN else "en"
