"""A Telegram of our own on this machine: a Bot API server and phones on a web page.

Demos and tests talk to it instead of api.telegram.org. It is made of aiohttp and
nothing else of this project, so that it starts in a fraction of a second.
"""

from .faults import Rule
from .ledger import Entry
from .ports import PortInUse
from .server import DEFAULT_TOKEN, LocalTelegram
from .state import Chat, NotPossible, User

__all__ = [
    "DEFAULT_TOKEN",
    "Chat",
    "Entry",
    "LocalTelegram",
    "NotPossible",
    "PortInUse",
    "Rule",
    "User",
]
