"""Who lives on this Telegram: users, and chats with what was said in them."""

from dataclasses import dataclass, field
from typing import Any, Literal

Json = dict[str, Any]
Status = Literal["new", "active", "blocked", "left"]

_MESSAGES_KEPT = 1000


@dataclass(slots=True, kw_only=True)
class User:
    """A person with a phone. Fields that are None are left out of every update."""

    id: int
    first_name: str
    last_name: str | None = None
    username: str | None = None
    language_code: str | None = None
    phone: str | None = None
    is_bot: bool = False
    is_deactivated: bool = False

    @property
    def name(self) -> str:
        return " ".join(filter(None, (self.first_name, self.last_name)))

    def as_sender(self) -> Json:
        """Return the Bot API's User object."""
        sender = {"id": self.id, "is_bot": self.is_bot, "first_name": self.first_name}
        return {
            **sender,
            **_given(self, "last_name", "username", "language_code"),
        }

    def as_chat(self) -> Json:
        """Return the Bot API's Chat object of the private chat with this user."""
        names = _given(self, "first_name", "last_name", "username")
        return {"id": self.id, "type": "private", **names}


@dataclass(slots=True)
class Chat:
    """A chat as the bot sees it; a private chat has the id of its user.

    `status` of a private chat: new (Start was never pressed), active, blocked.
    Of a group: active, or left when the bot is no member of it.
    """

    id: int
    facts: Json
    status: Status = "new"
    user: User | None = None
    unread: int = 0
    upgraded_to: int | None = None
    messages: dict[int, Json] = field(default_factory=dict)

    @property
    def type(self) -> str:
        return str(self.facts["type"])

    def keep(self, message: Json) -> None:
        """Add a message; the oldest ones go when there are very many."""
        self.messages[message["message_id"]] = message
        if len(self.messages) > _MESSAGES_KEPT:
            del self.messages[next(iter(self.messages))]

    def summary(self, user: User) -> Json:
        """Return what the page's list of phones shows."""
        return {
            "id": user.id,
            "name": user.name,
            "username": user.username,
            "language_code": user.language_code,
            "state": "deactivated" if user.is_deactivated else self.status,
            "is_bot": user.is_bot,
            "unread": self.unread,
            "last": self._last_line(),
        }

    def _last_line(self) -> Json | None:
        if not self.messages:
            return None
        message = self.messages[next(reversed(self.messages))]
        return {
            "text": str(message.get("text", ""))[:80],
            "date": message["date"],
            "is_mine": not message["from"]["is_bot"],
        }


# Ids above 2**31 find every column and variable that is too small for them.
# One user without a user name, one without a language, one who is nothing but emoji.
PRESET_USERS = (
    User(
        id=7_100_000_001,
        first_name="Анна",
        last_name="Смирнова",
        username="anna_smirnova",
        language_code="ru",
        phone="79160000001",
    ),
    User(
        id=7_100_000_002,
        first_name="Иван",
        last_name="Петров",
        username="ivan_petrov",
        language_code="ru",
        phone="79160000002",
    ),
    User(
        id=7_100_000_003,
        first_name="Мария",
        language_code="ru",
        phone="79160000003",
    ),
    User(
        id=7_100_000_004,
        first_name="Emily",
        last_name="Carter",
        username="emily_carter",
        language_code="en",
        phone="447700900004",
    ),
    User(
        id=7_100_000_005,
        first_name="🌸🐈‍⬛",
        username="flower_cat",
        language_code="ru",
        phone="79160000005",
    ),
    User(
        id=7_100_000_006,
        first_name="Константин",
        last_name="Константинопольский-Преображенский",
        username="konstantin_k",
        phone="79160000006",
    ),
)


def _given(user: User, *names: str) -> Json:
    return {name: value for name in names if (value := getattr(user, name)) is not None}
