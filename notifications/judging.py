"""Which verdict does an answer of Telegram's deserve, or the lack of one?

Pure: no Django, no HTTP library. The rules themselves are in `verdicts`; here is how
an answer is read that may be cut, foreign, or nonsense.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from .exchanges import Answer, Exchange, NoAnswer
from .verdicts import (
    NOBODY_ANSWERED,
    SOMEBODY_SAYS,
    TELEGRAM_SAYS,
    Kind,
    Row,
    Verdict,
    read_whole,
)

# Telegram does not say how long to wait when it does not say it: 5 s is the shortest
# wait that its server asks for by itself (a dropped query at a restart, Query.h).
DEFAULT_FLOOD_WAIT_SECONDS: Final = 5.0
# The longest waits ever seen are 14 hours (telegram-bot-api#535). Up to a week a wait
# is kept exactly; beyond that it is garbage, which would overflow a date.
MAX_FLOOD_WAIT_SECONDS: Final = 7 * 24 * 3600.0
MAX_DESCRIPTION_LENGTH: Final = 500


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
        message_id=read_whole(message_id) or None,
    )


def _judge_refusal(answer: Answer, reply: Mapping[str, Any]) -> Verdict:
    code = read_whole(reply.get("error_code")) or answer.status
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
        migrate_to_chat_id=read_whole(parameters[row.parameter]) if moved else None,
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
