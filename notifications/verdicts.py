"""What Telegram's answer, or the lack of one, means for a notification.

Pure: no Django, no HTTP library. `judge` turns an `Answer` or a `NoAnswer` into a
`Verdict`; the rules are the tables in the middle of this file, which read like the
table of delivery rules in the design.

Telegram's texts are those of its own server (tdlib/telegram-bot-api 10.0,
Client.cpp, and tdlib/td, MessagesManager.cpp). Its documentation says that
`error_code` may change, so a row is found by code and parameters first, by words of
the description second, and an unknown description falls back to its code.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, TypeAlias

# Telegram does not say how long to wait when it does not say it: 5 s is the shortest
# wait that its server asks for by itself (a dropped query at a restart, Query.h).
DEFAULT_FLOOD_WAIT_SECONDS: Final = 5.0
# The longest waits ever seen are 14 hours (telegram-bot-api#535). Up to a week a wait
# is kept exactly; beyond that it is garbage, which would overflow a date.
MAX_FLOOD_WAIT_SECONDS: Final = 7 * 24 * 3600.0
MAX_DESCRIPTION_LENGTH: Final = 500


# --- What came back -----------------------------------------------------------------


class Phase(StrEnum):
    """How far a request had got when it failed."""

    # Not one byte of the request was sent.
    NO_FREE_CONNECTION = "no_free_connection"
    NOT_CONNECTED = "not_connected"
    CONNECT_TIMEOUT = "connect_timeout"
    PROXY_FAILED = "proxy_failed"
    # Telegram may have received the request and acted on it.
    WRITE_FAILED = "write_failed"
    WRITE_TIMEOUT = "write_timeout"
    READ_TIMEOUT = "read_timeout"
    CONNECTION_CUT = "connection_cut"
    HALF_ANSWER = "half_answer"

    @property
    def nothing_sent(self) -> bool:
        """True when the request cannot have reached anybody."""
        return self in _NOTHING_SENT


_NOTHING_SENT: Final = frozenset(
    {
        Phase.NO_FREE_CONNECTION,
        Phase.NOT_CONNECTED,
        Phase.CONNECT_TIMEOUT,
        Phase.PROXY_FAILED,
    }
)


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer, from Telegram or from whoever stands in between."""

    status: int
    body: bytes
    retry_after_header: str | None = None
    content_type: str = ""


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """A request without a whole answer; `partial` holds what came of a half one."""

    phase: Phase
    description: str = ""
    partial: Answer | None = None


Exchange: TypeAlias = Answer | NoAnswer


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
            and (not self.parameter or _whole(parameters.get(self.parameter)) != 0)
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
# The customer has blocked the bot.
BLOCKED: Final = "blocked_by_user"
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


# --- The judge ----------------------------------------------------------------------


def judge(exchange: Exchange) -> Verdict:
    """Say what happened to the message, whether it counts, and when to go on."""
    if isinstance(exchange, Answer):
        return _judge_answer(exchange)
    if exchange.partial is not None:
        return _judge_half_answer(exchange, exchange.partial)
    kind, reason_code = NOBODY_ANSWERED[exchange.phase]
    return Verdict(
        kind=kind, reason_code=reason_code, description=_tidy(exchange.description)
    )


def _judge_answer(answer: Answer) -> Verdict:
    reply = _parse(answer.body)
    if reply is None or not isinstance(reply.get("ok"), bool):
        return _judge_foreign(answer)
    if not reply["ok"]:
        return _judge_refusal(answer, reply)
    if not 200 <= answer.status < 300:
        # It says "ok" and an error in one breath; only the status is left to believe.
        return _judge_foreign(answer)
    result = reply.get("result")
    message_id = result.get("message_id") if isinstance(result, dict) else None
    return Verdict(
        kind=Kind.ACCEPTED,
        reason_code="accepted",
        message_id=_whole(message_id) or None,
    )


def _judge_refusal(answer: Answer, reply: Mapping[str, Any]) -> Verdict:
    code = _whole(reply.get("error_code")) or answer.status
    description = _tidy(str(reply.get("description") or f"HTTP {answer.status}"))
    found = reply.get("parameters")
    parameters = found if isinstance(found, dict) else {}
    row = _find(TELEGRAM_SAYS, code, description, parameters)
    return _verdict(row, answer, description, parameters)


def _judge_foreign(answer: Answer) -> Verdict:
    if answer.status == 200 and (accepted := _accepted_without_receipt(answer)):
        return accepted
    description = _tidy(f"HTTP {answer.status} {_without_tags(answer.body)}")
    refusal = _OK_FALSE.match(answer.body.lstrip()) is not None
    table = TELEGRAM_SAYS if refusal else SOMEBODY_SAYS
    return _verdict(
        _find(table, answer.status, description, {}), answer, description, {}
    )


def _judge_half_answer(exchange: NoAnswer, partial: Answer) -> Verdict:
    """Believe the status line: Telegram sends it when it has decided."""
    if partial.status == 200 and _parse(partial.body) is None:
        if accepted := _accepted_without_receipt(partial, cut=True):
            return accepted
        if _begins_ok_true(partial.body):
            kind, reason_code = NOBODY_ANSWERED[exchange.phase]
            text = _tidy(exchange.description)
            return Verdict(kind=kind, reason_code=reason_code, description=text)
    return _judge_answer(partial)


def _accepted_without_receipt(answer: Answer, *, cut: bool = False) -> Verdict | None:
    """Accept a 200 that is clearly Telegram's although its JSON cannot be read.

    Telegram's HTTP status equals its `error_code`, so a 200 of Telegram's is ok:true;
    the open question is only whether it is Telegram's. A body that was cut before it
    could show that is believed when it calls itself JSON.
    """
    ours = _OK_TRUE.match(answer.body.lstrip()) is not None
    says_json = "json" in answer.content_type.lower()
    maybe_ours = cut and says_json and _begins_ok_true(answer.body)
    if not (ours or maybe_ours):
        return None
    found = _MESSAGE_ID.search(answer.body.decode("utf-8", "replace"))
    return Verdict(
        kind=Kind.ACCEPTED,
        reason_code="accepted_no_receipt",
        message_id=int(found[1]) if found else None,
    )


_OK_TRUE: Final = re.compile(rb'\{\s*"ok"\s*:\s*true\b')
# The beginning of a refusal of Telegram's whose end was cut off.
_OK_FALSE: Final = re.compile(rb'\{\s*"ok"\s*:\s*false\b')
# The first message_id of a Message is its own; the closing character shows that the
# number was not cut in two.
_MESSAGE_ID: Final = re.compile(
    r'"result"\s*:\s*\{\s*"message_id"\s*:\s*(\d{1,18})[\s,}]'
)


def _begins_ok_true(body: bytes) -> bool:
    """Say whether these first bytes could go on to be Telegram's ok:true."""
    return b'{"ok":true'.startswith(b"".join(body[:64].split()))


def _find(
    table: tuple[Row, ...],
    code: int,
    description: str,
    parameters: Mapping[str, object],
) -> Row:
    lowered = description.lower()
    for row in table:
        if row.matches(code, lowered, parameters):
            return row
    # Only a code outside 0..999, which no HTTP answer has, gets here.
    return table[-1]


def _verdict(
    row: Row, answer: Answer, description: str, parameters: Mapping[str, object]
) -> Verdict:
    flood = row.kind is Kind.FLOOD
    moved = row.kind is Kind.MIGRATED
    return Verdict(
        kind=row.kind,
        reason_code=row.reason_code,
        description=description,
        retry_after=_flood_wait(answer, description, parameters) if flood else None,
        migrate_to_chat_id=_whole(parameters[row.parameter]) if moved else None,
    )


def _flood_wait(
    answer: Answer, description: str, parameters: Mapping[str, object]
) -> float:
    """Return the longest wait that any part of the answer asks for."""
    words = _RETRY_AFTER.search(description)
    told = [
        seconds
        for value in (parameters.get("retry_after"), answer.retry_after_header)
        if (seconds := _seconds(value)) is not None
    ]
    if not told and words is not None:
        told.append(float(words[1]))
    return min(max(told, default=DEFAULT_FLOOD_WAIT_SECONDS), MAX_FLOOD_WAIT_SECONDS)


_RETRY_AFTER: Final = re.compile(r"retry after (\d{1,18})\b", re.IGNORECASE)


def _seconds(value: object) -> float | None:
    """Read a wait as a number of seconds; nonsense is None, as if it were missing."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        seconds = float(value)
    except (ValueError, OverflowError):
        # A whole number too big for a float is huge, not missing.
        return MAX_FLOOD_WAIT_SECONDS if isinstance(value, int) and value > 0 else None
    # NaN is not greater than 0. A wait of 0 would make a loop without a pause.
    return seconds if seconds > 0 else None


def _whole(value: object) -> int:
    """Read a number that fits a BigIntegerField, also as text; anything else is 0."""
    if isinstance(value, str) and re.fullmatch(r"-?\d{1,19}", value, re.ASCII):
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63:
        return value
    return 0


def _parse(body: bytes) -> dict[str, Any] | None:
    try:
        reply = json.loads(body)
    except (ValueError, RecursionError):
        # UnicodeDecodeError and JSONDecodeError are ValueErrors, and so is a number
        # with too many digits.
        return None
    return reply if isinstance(reply, dict) else None


def _without_tags(body: bytes) -> str:
    text = body[:4096].decode("utf-8", "replace")
    text = re.sub(r"(?is)<(script|style)\b.*?(</\1>|$)", " ", text)
    return re.sub(r"<[^>]*(>|$)", " ", text)


def _tidy(text: str) -> str:
    """Return one line without NUL, which PostgreSQL refuses, of bounded length."""
    text = text.encode("utf-8", "replace").decode("utf-8").replace("\0", "")
    return " ".join(text.split())[:MAX_DESCRIPTION_LENGTH]
