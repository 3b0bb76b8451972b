"""Which updates wait for the bot, and who is polling for them?"""

import asyncio
import time
from collections import deque
from collections.abc import Iterable
from typing import Any

from .answers import ApiError
from .hub import Hub

Json = dict[str, Any]

# What Telegram leaves out unless a bot asks for it by name.
_ON_REQUEST = frozenset({"chat_member", "message_reaction", "message_reaction_count"})
_LONGEST_POLL_SECONDS = 50.0


class Updates:
    """The bot's pending updates, confirmed by offset as the Bot API does it."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._pending: deque[Json] = deque()
        # Telegram's ids are large and never come back after a restart; a bot may
        # remember the last one it handled.
        self._next_id = int(time.time())
        self._allowed: frozenset[str] = frozenset()
        self._poll: asyncio.Future[bool] | None = None
        self.webhook_url = ""

    def __len__(self) -> int:
        return len(self._pending)

    @property
    def allowed(self) -> list[str]:
        """The types asked for; empty means Telegram's usual ones."""
        return sorted(self._allowed)

    @property
    def is_polled(self) -> bool:
        return self._poll is not None and not self._poll.done()

    def allow(self, kinds: Iterable[str]) -> None:
        """Remember the types asked for; it matters for later updates only."""
        self._allowed = frozenset(kinds)

    def add(self, kind: str, content: Json) -> None:
        """Queue an update unless the bot did not ask for its type."""
        wanted = kind in self._allowed if self._allowed else kind not in _ON_REQUEST
        if wanted:
            self.add_raw({kind: content})

    def add_raw(self, update: Json) -> None:
        """Queue an update of any shape, numbered unless it brings its own number."""
        self._pending.append({"update_id": self._next_id, **update})
        self._next_id += 1
        self._end_poll(conflict=False)

    def drop_all(self) -> None:
        self._pending.clear()

    async def get(self, *, offset: int, limit: int, seconds: float) -> list[Json]:
        """Return waiting updates at once, or the first ones to come in time.

        Raises ApiError 409 when a webhook is set, or when another call to this
        method came in while this one waited.
        """
        if self.webhook_url:
            raise ApiError(
                409,
                "Conflict: can't use getUpdates method while webhook is active; "
                "use deleteWebhook to delete the webhook first",
            )
        self._confirm(offset)
        self._end_poll(conflict=True)
        if not self._pending and seconds > 0:
            await self._wait(min(seconds, _LONGEST_POLL_SECONDS))
        return [self._pending[i] for i in range(min(limit, len(self._pending)))]

    async def _wait(self, seconds: float) -> None:
        poll: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._poll = poll
        self._hub.wake()
        try:
            conflict = await asyncio.wait_for(poll, seconds)
        except TimeoutError:
            return
        if conflict:
            raise ApiError(
                409,
                "Conflict: terminated by other getUpdates request; "
                "make sure that only one bot instance is running",
            )

    def _end_poll(self, *, conflict: bool) -> None:
        if self._poll is not None and not self._poll.done():
            self._poll.set_result(conflict)
        self._poll = None

    def _confirm(self, offset: int) -> None:
        if offset < 0:
            while len(self._pending) > -offset:
                self._pending.popleft()
            return
        while self._pending and self._pending[0]["update_id"] < offset:
            self._pending.popleft()
