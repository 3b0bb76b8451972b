"""What Telegram's answer, or the lack of one, can mean for a notification.

Pure: no Django, no HTTP library. The rules are the tables below, which read like the
table of delivery rules in the design; `judging` applies them.

Telegram's texts are those of its own server (tdlib/telegram-bot-api 10.0,
Client.cpp, and tdlib/td, MessagesManager.cpp). Its documentation says that
`error_code` may change, so a row is found by code and parameters first, by words of
the description second, and an unknown description falls back to its code.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from .exchanges import Phase

# --- What it means ------------------------------------------------------------------


class Kind(StrEnum):
    """What to do next, in one word; `REFUSED` and `UNCERTAIN` count as attempts."""

    ACCEPTED = "accepted"  # done
    FLOOD = "flood"  # this chat waits exactly `retry_after` seconds
    MIGRATED = "migrated"  # save `migrate_to_chat_id`, send again at once
    UNREACHABLE = "unreachable"  # nothing was sent: pause the queue, ask getMe
    TOKEN_REJECTED = "token_rejected"  # noqa: S105  # a word for it, not a token
    REFUSED = "refused"  # Telegram said no: retry after the delay
    UNCERTAIN = "uncertain"  # it may have been delivered: the same, or hold it


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What an exchange with Telegram means for the notification."""

    kind: Kind
    # Stable, snake_case; `notifications.reasons` has the words for a manager.
    reason_code: str
    # Telegram's own text, or the network's.
    description: str = ""
    # Does it use up one of the three attempts?
    counts: bool = field(init=False)
    # May the customer have got the message although we hold no receipt?
    maybe_delivered: bool = field(init=False)
    retry_after: float | None = None
    message_id: int | None = None
    migrate_to_chat_id: int | None = None

    def __post_init__(self) -> None:
        uncertain = self.kind is Kind.UNCERTAIN
        object.__setattr__(self, "counts", uncertain or self.kind is Kind.REFUSED)
        object.__setattr__(self, "maybe_delivered", uncertain)


# --- The tables ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: these codes with these words mean this."""

    codes: range
    says: tuple[str, ...]
    kind: Kind
    reason_code: str
    parameter: str = ""

    def matches(
        self, code: int, description: str, parameters: Mapping[str, object]
    ) -> bool:
        return (
            code in self.codes
            and (not self.parameter or read_whole(parameters.get(self.parameter)) != 0)
            and (not self.says or any(words in description for words in self.says))
        )


def _only(code: int) -> range:
    return range(code, code + 1)


_ANY: Final = range(1000)
_5XX: Final = range(500, 600)

# Telegram's own refusals: JSON with ok = false. The first row that matches wins.
TELEGRAM_SAYS: Final = (
    # codes, words of the description, what it means, reason code
    Row(_only(400), (), Kind.MIGRATED, "migrated", parameter="migrate_to_chat_id"),
    Row(_only(429), (), Kind.FLOOD, "flood"),
    Row(_only(401), (), Kind.TOKEN_REJECTED, "token_rejected"),
    Row(_only(404), (), Kind.TOKEN_REJECTED, "token_rejected"),
    Row(_only(421), (), Kind.TOKEN_REJECTED, "token_rejected"),
    Row(
        range(400, 404),
        ("blocked by the user", "user_is_blocked"),
        Kind.REFUSED,
        "blocked_by_user",
    ),
    Row(
        range(400, 404),
        ("user is deactivated", "user_deactivated"),
        Kind.REFUSED,
        "user_deactivated",
    ),
    Row(_only(403), ("can't initiate conversation",), Kind.REFUSED, "not_started"),
    Row(
        range(400, 404),
        ("was kicked", "not a member"),
        Kind.REFUSED,
        "removed_from_chat",
    ),
    Row(range(400, 404), ("chat was deleted",), Kind.REFUSED, "chat_deleted"),
    # "bot can't send messages to bots" became "the bot can't send messages to the bot"
    Row(
        range(400, 404),
        ("can't send messages to bots", "can't send messages to the bot"),
        Kind.REFUSED,
        "recipient_is_bot",
    ),
    # Rights come before "chat not found": "have no write access to the chat".
    Row(
        range(400, 404),
        ("not enough rights", "no write access", "write_forbidden", "plain_forbidden"),
        Kind.REFUSED,
        "no_rights",
    ),
    Row(
        _only(400),
        ("chat not found", "peer_id_invalid", "chat_id is empty", "chat_id_invalid"),
        Kind.REFUSED,
        "chat_not_found",
    ),
    Row(
        _only(400),
        ("upgraded to a supergroup",),
        Kind.REFUSED,
        "group_upgraded",
    ),
    Row(_only(400), ("text is empty", "non-empty"), Kind.REFUSED, "message_empty"),
    Row(
        _only(400),
        ("message is too long", "message_too_long"),
        Kind.REFUSED,
        "message_too_long",
    ),
    Row(_only(400), ("can't parse",), Kind.REFUSED, "bad_formatting"),
    Row(
        _only(400),
        ("thread not found", "topic_closed", "topic_deleted", "topic is closed"),
        Kind.REFUSED,
        "topic_closed",
    ),
    Row(
        range(400, 404),
        ("allow_payment_required",),
        Kind.REFUSED,
        "payment_required",
    ),
    Row(_only(400), (), Kind.REFUSED, "bad_request"),
    Row(_only(403), (), Kind.REFUSED, "forbidden"),
    # "sent message was immediately deleted and can't be returned": it was created.
    Row(_5XX, ("immediately deleted",), Kind.ACCEPTED, "sent_then_deleted"),
    Row(_5XX, (), Kind.UNCERTAIN, "server_error"),
    Row(_ANY, (), Kind.REFUSED, "refused"),
)

# Anything but Telegram's JSON: nginx in front of it, a proxy, a captive portal.
SOMEBODY_SAYS: Final = (
    Row(_only(429), (), Kind.FLOOD, "flood"),
    # 511 Network Authentication Required is a captive portal's own code (RFC 6585).
    Row(_only(511), (), Kind.UNREACHABLE, "not_telegram"),
    Row(_5XX, (), Kind.UNCERTAIN, "server_error"),
    # These blame the request. Were they "unreachable", one bad message would stop the
    # queue for ever.
    Row(_only(400), (), Kind.REFUSED, "bad_request"),
    Row(_only(413), (), Kind.REFUSED, "message_too_long"),
    Row(_ANY, (), Kind.UNREACHABLE, "not_telegram"),
)

NOBODY_ANSWERED: Final = {
    Phase.NO_FREE_CONNECTION: (Kind.UNREACHABLE, "no_free_connection"),
    Phase.NOT_CONNECTED: (Kind.UNREACHABLE, "unreachable"),
    Phase.CONNECT_TIMEOUT: (Kind.UNREACHABLE, "unreachable"),
    Phase.PROXY_FAILED: (Kind.UNREACHABLE, "proxy_failed"),
    Phase.WRITE_FAILED: (Kind.UNCERTAIN, "write_failed"),
    Phase.WRITE_TIMEOUT: (Kind.UNCERTAIN, "write_failed"),
    Phase.READ_TIMEOUT: (Kind.UNCERTAIN, "read_timeout"),
    Phase.CONNECTION_CUT: (Kind.UNCERTAIN, "connection_cut"),
    Phase.HALF_ANSWER: (Kind.UNCERTAIN, "half_answer"),
}

# Telegram asked to wait.
FLOOD: Final = "flood"
# Somebody else answered in its place.
NOT_TELEGRAM: Final = "not_telegram"
# The customer has blocked the bot.
BLOCKED: Final = "blocked_by_user"
# Accepted, but the customer may not have seen it.
SENT_THEN_DELETED: Final = "sent_then_deleted"
# Refusals that end when the customer presses Start or unblocks the bot.
ENDED_BY_START: Final = frozenset({BLOCKED, "not_started", "chat_not_found"})
# After these the customer may have the message although we hold no receipt.
UNCERTAIN_CODES: Final = frozenset(
    {
        row.reason_code
        for row in TELEGRAM_SAYS + SOMEBODY_SAYS
        if row.kind is Kind.UNCERTAIN
    }
    | {code for kind, code in NOBODY_ANSWERED.values() if kind is Kind.UNCERTAIN}
)
# Every code that `judge` can give, so that tests can ask for words for each.
REASON_CODES: Final = frozenset(
    {"accepted", "accepted_no_receipt"}
    | {row.reason_code for row in TELEGRAM_SAYS + SOMEBODY_SAYS}
    | {reason_code for _, reason_code in NOBODY_ANSWERED.values()}
)


def read_whole(value: object) -> int:
    """Read a number that fits a BigIntegerField, also as text; anything else is 0."""
    if isinstance(value, str) and re.fullmatch(r"-?\d{1,19}", value, re.ASCII):
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63:
        return value
    return 0
