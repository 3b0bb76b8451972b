"""What goes wrong with a request, because somebody switched it on?"""

import asyncio
import itertools
import math
import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

_KINDS = {
    "flood": "429 with retry_after",
    "server_error": "500 or 502, as JSON or as a web server's page",
    "refuse": "any code and description",
    "cut_before": "the connection is closed, the request is not looked at",
    "cut_after": "the message is delivered, then the connection is closed",
    "half_answer": "the message is delivered, half of the answer is sent",
    "hang_before": "no answer ever, the request is not looked at",
    "hang_after": "the message is delivered, no answer ever",
}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_whole(value: object, least: int | None = None) -> bool:
    if not isinstance(value, int) or isinstance(value, bool):
        return False
    return least is None or value >= least


_SWITCHES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "down": (lambda value: isinstance(value, bool), "true or false"),
    "revoked": (lambda value: isinstance(value, bool), "true or false"),
    "slow_seconds": (
        lambda value: _is_number(value) and 0 <= value <= 3600,
        "0 to 3600",
    ),
    "messages_per_second": (
        lambda value: value is None or (_is_number(value) and value > 0),
        "above 0, or null",
    ),
    "seed": (lambda value: _is_whole(value), "a whole number"),
    "rules": (lambda value: isinstance(value, list), "a list"),
}


def _check_switches(changes: dict[str, Any]) -> None:
    for name, value in changes.items():
        if name not in _SWITCHES:
            raise ValueError(f"there is no switch {name!r}")
        is_right, words = _SWITCHES[name]
        if not is_right(value):
            raise ValueError(f"{name} must be {words}")


@dataclass(slots=True, kw_only=True)
class Rule:
    """One thing that goes wrong: for whom, how often and how.

    Without `chat_id` it is for every chat; without `times` until removed; `share`
    is the probability for one request. With `holds_chat` a flood refuses the chat
    until its wait is over, as Telegram does, however often it asks meanwhile.
    """

    kind: str
    method: str = "sendMessage"
    chat_id: int | None = None
    times: int | None = None
    share: float = 1.0
    retry_after: int = 5
    holds_chat: bool = False
    code: int = 500
    description: str = ""
    html: bool = False
    id: int = 0
    applied: int = 0

    def __post_init__(self) -> None:
        """Raise ValueError for a rule that makes no sense."""
        if self.kind not in _KINDS:
            raise ValueError(f"unknown kind {self.kind!r}: use {', '.join(_KINDS)}")
        for name, is_right, words in (
            ("method", isinstance(self.method, str), "a method's name or *"),
            ("chat_id", _is_whole(self.chat_id) or self.chat_id is None, "a number"),
            ("times", self.times is None or _is_whole(self.times, 1), "1 or more"),
            ("share", _is_number(self.share) and 0 <= self.share <= 1, "0 to 1"),
            ("retry_after", _is_whole(self.retry_after, 0), "whole seconds"),
            ("code", _is_whole(self.code) and 300 <= self.code <= 599, "300 to 599"),
            ("description", isinstance(self.description, str), "a text"),
        ):
            if not is_right:
                raise ValueError(f"{name} must be {words}")

    def matches(self, method: str, chat_id: int | None) -> bool:
        return (self.method in ("*", method)) and self.chat_id in (None, chat_id)


class Faults:
    """Everything that is switched on; the first rule that strikes wins."""

    def __init__(self, seed: int = 0) -> None:
        self.down = False
        """Set by the server, which closes the port as well."""
        self.revoked = False
        self.slow_seconds = 0.0
        self.messages_per_second: float | None = None
        self.rules: list[Rule] = []
        self.cleared = asyncio.Event()
        """Hanging requests wait for it; it is replaced at every clearing."""
        self._random = random.Random(seed)  # noqa: S311  a repeatable day, no secret
        self._ids = itertools.count(1)
        self._recent: deque[float] = deque()
        self._held: dict[int, float] = {}

    def set(self, **changes: Any) -> None:
        """Change the named switches; raise ValueError, changing none, for nonsense."""
        _check_switches(changes)
        if "rules" in changes:
            rules = [make_rule(rule) for rule in changes["rules"]]
            self.remove_rules()
            for rule in rules:
                self.add(rule)
        if "seed" in changes:
            self._random.seed(changes["seed"])
        for name in ("revoked", "slow_seconds", "messages_per_second"):
            if name in changes:
                setattr(self, name, changes[name])

    def add(self, rule: Rule) -> Rule:
        rule.id = next(self._ids)
        self.rules.append(rule)
        return rule

    def remove(self, rule_id: int) -> bool:
        """Remove one rule; return whether there was one."""
        removed = [rule for rule in self.rules if rule.id == rule_id]
        self.rules = [rule for rule in self.rules if rule.id != rule_id]
        if any(rule.kind.startswith("hang") for rule in removed):
            self._release()
        return bool(removed)

    def remove_rules(self) -> None:
        self.rules = []
        self._held.clear()
        self._release()

    def clear(self) -> None:
        """Switch everything off, except "down", which belongs to the server."""
        self.revoked = False
        self.slow_seconds = 0.0
        self.messages_per_second = None
        self.remove_rules()

    def strike(self, method: str, chat_id: int | None) -> Rule | None:
        """Return what goes wrong with this request, if anything."""
        if method == "sendMessage":
            wait = self._wait(chat_id)
            if wait > 0:
                return Rule(kind="flood", retry_after=wait)
        for rule in self.rules:
            if rule.matches(method, chat_id) and self._happens(rule):
                if rule.kind == "flood" and rule.holds_chat and chat_id is not None:
                    self._held[chat_id] = time.monotonic() + rule.retry_after
                return rule
        return None

    def as_json(self) -> dict[str, Any]:
        return {
            "down": self.down,
            "revoked": self.revoked,
            "slow_seconds": self.slow_seconds,
            "messages_per_second": self.messages_per_second,
            "rules": [asdict(rule) for rule in self.rules],
        }

    def _wait(self, chat_id: int | None) -> int:
        """Return how many seconds Telegram's own limits ask for; 0 is none."""
        if self._held and chat_id in self._held:
            left = self._held[chat_id] - time.monotonic()
            if left > 0:
                return math.ceil(left)
            del self._held[chat_id]
        return int(self.messages_per_second is not None and self._is_too_fast())

    def _happens(self, rule: Rule) -> bool:
        if rule.share < 1 and self._random.random() >= rule.share:
            return False
        rule.applied += 1
        if rule.times is not None:
            rule.times -= 1
            if rule.times == 0:
                # Not remove(): the request that is about to hang must not be freed.
                self.rules = [other for other in self.rules if other is not rule]
        return True

    def _is_too_fast(self) -> bool:
        now = time.monotonic()
        recent = self._recent
        while recent and recent[0] <= now - 1:
            recent.popleft()
        if len(recent) >= (self.messages_per_second or 0):
            return True
        recent.append(now)
        return False

    def _release(self) -> None:
        self.cleared.set()
        self.cleared = asyncio.Event()


def make_rule(fields: Any) -> Rule:
    """Return the rule that untrusted JSON describes; raise ValueError for nonsense."""
    if not isinstance(fields, dict):
        raise ValueError("a rule must be an object")
    wanted = {k: v for k, v in fields.items() if k not in ("id", "applied")}
    try:
        return Rule(**wanted)
    except TypeError:
        known = ", ".join(sorted(set(Rule.__slots__) - {"id", "applied"}))
        raise ValueError(f"a rule needs a kind and may have: {known}") from None
