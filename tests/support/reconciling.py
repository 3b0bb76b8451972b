"""Compares what Telegram's ledger says with what the database says, send by send."""

import bisect
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise

from bot.local_telegram import Entry
from notifications.models import DeliveryAttempt, OrderNotification
from notifications.models.notification import MAX_FAILED_ATTEMPTS
from notifications.verdicts import BLOCKED

Outcome = DeliveryAttempt.Outcome

_NUMBER = re.compile(r"заказ номер (\S+)$")
# Telegram's answer to a request, and how its attempt must have been recorded.
_EXPECTED: dict[str, tuple[str, str]] = {
    "refused by chance": (Outcome.REFUSED, "bad_request"),
    "blocked": (Outcome.REFUSED, "blocked_by_user"),
    "flood": (Outcome.POSTPONED, "flood"),
    "revoked": (Outcome.POSTPONED, "token_rejected"),
    "cut": (Outcome.UNCERTAIN, "connection_cut"),
}
# A request that never reached Telegram leaves an attempt and no entry.
_NEVER_ARRIVED = frozenset({"unreachable", "connection_cut", "write_failed"})
_CLOCK_SECONDS = 0.005


@dataclass(frozen=True, slots=True)
class Send:
    """One attempt at a notification, and what Telegram saw of it, if anything."""

    notification: OrderNotification
    attempt: DeliveryAttempt
    entry: Entry | None

    @property
    def has_arrived(self) -> bool:
        """Whether the customer got a message from it."""
        return self.entry is not None and self.entry.message_id is not None

    @property
    def answer_was_lost(self) -> bool:
        """Whether Telegram says, or a killed worker proves, that we got no answer."""
        entry = self.entry
        return entry is not None and (
            entry.code == 0 or self.attempt.error_code == "worker_lost"
        )

    def __str__(self) -> str:
        attempt, entry = self.attempt, self.entry
        seen = f"{entry.code} {entry.fault} {entry.message_id}" if entry else "nothing"
        return (
            f"{self.notification}: {attempt.outcome} {attempt.error_code} "
            f"counted={attempt.counted}, Telegram saw {seen}"
        )


@dataclass(slots=True)
class Reconciliation:
    """All sends of a day; `problems` says what does not fit, in words."""

    sends: dict[int, list[Send]]
    notifications: list[OrderNotification]
    entries: list[Entry]
    problems: list[str] = field(default_factory=list)

    def all_sends(self) -> Iterator[Send]:
        for sends in self.sends.values():
            yield from sends

    def tally(self) -> Counter[str]:
        """Count what happened, by name."""
        tally: Counter[str] = Counter()
        tally["delivered"] = sum(n.processed for n in self.notifications)
        tally["failed"] = sum(n.is_given_up for n in self.notifications)
        tally["requests"] = len(self.entries)
        tally["duplicates"] = sum(
            max(0, sum(send.has_arrived for send in sends) - 1)
            for sends in self.sends.values()
        )
        for send in self.all_sends():
            if send.attempt.error_code:
                counted = "counted" if send.attempt.counted else "uncounted"
                tally[f"{send.attempt.error_code}, {counted}"] += 1
        return tally

    def check(self, is_true: bool, problem: str, *facts: object) -> None:
        if not is_true:
            self.problems.append(": ".join([problem, *map(str, facts)]))


def reconcile(entries: Iterable[Entry]) -> Reconciliation:
    """Match every request in the ledger to the attempt that made it, and judge."""
    ours = [e for e in entries if e.text is not None and _NUMBER.search(e.text)]
    notifications = list(OrderNotification.objects.order_by("pk"))
    by_number = {n.order_number: n for n in notifications}
    attempts: dict[int, list[DeliveryAttempt]] = defaultdict(list)
    for attempt in DeliveryAttempt.objects.order_by("started_at", "pk"):
        attempts[attempt.notification_id].append(attempt)
    seen: dict[int, dict[int, Entry]] = defaultdict(dict)
    day = Reconciliation({}, notifications, ours)
    for entry in ours:
        notification = by_number[_number(entry)]
        day.check(entry.chat_id == notification.tg_user_id, "to a wrong chat", entry)
        made = _attempt_of(entry, attempts[notification.pk])
        if made is None or made.pk in seen[notification.pk]:
            day.problems.append(f"a request without an attempt of its own: {entry}")
        else:
            seen[notification.pk][made.pk] = entry
    for notification in notifications:
        day.sends[notification.pk] = [
            Send(notification, attempt, seen[notification.pk].get(attempt.pk))
            for attempt in attempts[notification.pk]
        ]
    for judge in _JUDGES:
        judge(day)
    return day


def _number(entry: Entry) -> str:
    found = _NUMBER.search(entry.text or "")
    assert found is not None
    return found[1]


def _attempt_of(
    entry: Entry, attempts: list[DeliveryAttempt]
) -> DeliveryAttempt | None:
    """Return the attempt that was under way when the request arrived."""
    started = [attempt.started_at.timestamp() for attempt in attempts]
    place = bisect.bisect_right(started, entry.at + _CLOCK_SECONDS) - 1
    if place < 0:
        return None
    found = attempts[place]
    is_in_time = entry.at <= found.finished_at.timestamp() + _CLOCK_SECONDS
    return found if is_in_time else None


def _what_telegram_did(entry: Entry) -> str:
    if entry.code == 0:
        return "cut"
    if entry.fault == "refuse":
        return "refused by chance"
    return {200: "accepted", 401: "revoked", 403: "blocked", 429: "flood"}[entry.code]


# --- what must hold -------------------------------------------------------------------


def _judge_ends(day: Reconciliation) -> None:
    """Each is delivered, or has failed with exactly three counted attempts."""
    for notification in day.notifications:
        sends = day.sends[notification.pk]
        delivered = [s for s in sends if s.attempt.outcome == Outcome.DELIVERED]
        if notification.processed:
            day.check(len(delivered) == 1, "not delivered once", *sends)
            continue
        day.check(notification.is_given_up, "neither delivered nor failed", *sends)
        day.check(not delivered, "delivered, but not marked", *sends)
        counted = [s for s in sends if s.attempt.counted]
        fresh = counted[-MAX_FAILED_ATTEMPTS:]
        day.check(
            notification.failed_attempts_number == MAX_FAILED_ATTEMPTS
            and len(counted) % MAX_FAILED_ATTEMPTS == 0
            and len(fresh) == MAX_FAILED_ATTEMPTS,
            "failed without three counted attempts",
            *sends,
        )
        last = sends[-1].attempt
        day.check(
            (notification.last_error_code, notification.last_error)
            == (last.error_code, last.description),
            "failed for another reason than its last attempt",
            *sends,
        )


def _judge_third_failures(day: Reconciliation) -> None:
    """A third failure is the last one, unless the customer comes back after it."""
    for sends in day.sends.values():
        failures = 0
        for send, _next in pairwise(sends):
            failures += send.attempt.counted
            is_last = send.attempt.counted and failures % MAX_FAILED_ATTEMPTS == 0
            may_go_on = send.attempt.error_code == BLOCKED
            day.check(not is_last or may_go_on, "a fourth attempt", *sends)


def _judge_records(day: Reconciliation) -> None:
    """What we wrote down about a request is what Telegram did with it."""
    for send in day.all_sends():
        attempt, entry = send.attempt, send.entry
        if attempt.error_code == "worker_lost":
            continue
        if entry is None:
            is_known = attempt.error_code in _NEVER_ARRIVED
            day.check(is_known, "an attempt that Telegram never saw", send)
        elif entry.code == 200:
            is_delivered = attempt.outcome == Outcome.DELIVERED
            day.check(is_delivered, "accepted, but recorded as something else", send)
            is_same = attempt.message_id == entry.message_id
            day.check(is_same, "another message's number", send)
        else:
            outcome, code = _EXPECTED[_what_telegram_did(entry)]
            is_right = (attempt.outcome, attempt.error_code) == (outcome, code)
            day.check(is_right, "recorded as something else", send)
            is_quoted = not entry.code or attempt.description == entry.description
            day.check(is_quoted, "not in Telegram's words", send)


def _judge_duplicates(day: Reconciliation) -> None:
    """A message came twice only where the answer to the first one was lost."""
    for sends in day.sends.values():
        arrived = [send for send in sends if send.has_arrived]
        for send in arrived[:-1]:
            day.check(send.answer_was_lost, "repeated for no reason", *sends)


def _judge_order(day: Reconciliation) -> None:
    """Within a chat nothing overtakes, save what had been given up by then."""
    chats: dict[int, list[OrderNotification]] = defaultdict(list)
    for notification in day.notifications:
        chats[notification.tg_user_id].append(notification)
    for rows in chats.values():
        # When each was settled for the first time: delivered, or given up.
        latest: datetime | None = None
        for notification in rows:
            sends = day.sends[notification.pk]
            if not sends:
                continue
            first = sends[0].attempt.started_at
            is_in_order = latest is None or first >= latest
            day.check(is_in_order, "overtook an earlier one", notification)
            settled = _settled_at(sends)
            latest = max(filter(None, [latest, settled]), default=None)


def _settled_at(sends: list[Send]) -> datetime | None:
    failures = 0
    for send in sends:
        failures += send.attempt.counted
        if send.attempt.outcome == Outcome.DELIVERED or failures == MAX_FAILED_ATTEMPTS:
            return send.attempt.finished_at
    return None


def _judge_pace(day: Reconciliation) -> None:
    """A chat never has two requests at once, nor one before its wait is over."""
    free_at: dict[int | None, float] = {}
    for entry in day.entries:
        is_patient = entry.started >= free_at.get(entry.chat_id, 0.0)
        day.check(is_patient, "too early, or two at once", entry)
        wait = re.findall(r"retry after (\d+)$", entry.description)
        free_at[entry.chat_id] = entry.finished + sum(map(int, wait))


_JUDGES: tuple[Callable[[Reconciliation], None], ...] = (
    _judge_ends,
    _judge_third_failures,
    _judge_records,
    _judge_duplicates,
    _judge_order,
    _judge_pace,
)
