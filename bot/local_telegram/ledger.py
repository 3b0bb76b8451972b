"""What did the bot ask for, when, and what was it told?"""

import time
from collections import deque
from collections.abc import Iterator
from typing import Any, NamedTuple


class Entry(NamedTuple):
    """One request to the Bot API, whatever became of it.

    `code` is the HTTP status that was sent, 0 when no answer was.
    `message_id` is set exactly when a message was created, also if the bot never
    got to know.
    """

    seq: int
    at: float
    """Wall time of arrival, seconds since 1970."""
    started: float
    """time.monotonic() of arrival."""
    finished: float
    """time.monotonic() when the answer was decided."""
    method: str
    chat_id: int | None
    text: str | None
    code: int
    description: str
    fault: str
    message_id: int | None

    def as_json(self) -> dict[str, Any]:
        return self._asdict()


class Ledger:
    """The last requests, oldest first; numbering goes on when old ones are dropped."""

    def __init__(self, limit: int = 500_000) -> None:
        self._entries: deque[Entry] = deque(maxlen=limit)
        self.last_seq = 0

    def record(
        self,
        method: str,
        *,
        at: float,
        started: float,
        code: int,
        chat_id: int | None = None,
        text: str | None = None,
        description: str = "",
        fault: str = "",
        message_id: int | None = None,
    ) -> Entry:
        self.last_seq += 1
        entry = Entry(
            self.last_seq,
            at,
            started,
            time.monotonic(),
            method,
            chat_id,
            text,
            code,
            description,
            fault,
            message_id,
        )
        self._entries.append(entry)
        return entry

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries)

    def entries(
        self,
        *,
        since: int = 0,
        method: str | None = None,
        chat_id: int | None = None,
        limit: int | None = None,
    ) -> list[Entry]:
        """Return the entries numbered above `since`; `limit` keeps the last ones."""
        found: list[Entry] = []
        for entry in reversed(self._entries):
            if entry.seq <= since or (limit is not None and len(found) >= limit):
                break
            if method is not None and entry.method.lower() != method.lower():
                continue
            if chat_id is not None and entry.chat_id != chat_id:
                continue
            found.append(entry)
        found.reverse()
        return found

    def clear(self) -> None:
        self._entries.clear()
