"""How has Telegram been answering this worker lately?"""

import time
from dataclasses import dataclass

from django.conf import settings


@dataclass(slots=True)
class Weather:
    """What the latest answers, and those that never came, say about the next ones."""

    uncertain_in_a_row: int = 0
    outages_in_a_row: int = 0
    has_passed_probe: bool = False
    token_is_rejected: bool = False
    flooded_chat: int | None = None
    flooded_at: float = float("-inf")

    @property
    def is_on_trial(self) -> bool:
        """Whether Telegram may be in trouble that getMe does not show."""
        return self.uncertain_in_a_row > settings.NOTIFICATIONS_OUTAGE_AFTER

    def next_outage_pause(self) -> float:
        """Return for how many seconds to wait now; longer from time to time."""
        pauses: list[float] = settings.NOTIFICATIONS_OUTAGE_PAUSES
        index = min(self.outages_in_a_row, len(pauses) - 1)
        self.outages_in_a_row += 1
        return pauses[index]

    def is_flood_general(self, chat_id: int) -> bool:
        """Take note of a flooded chat; tell whether it is the second one at once.

        Floods of two chats within a moment concern the bot, not a chat.
        """
        now = time.monotonic()
        general = (
            self.flooded_chat not in (None, chat_id)
            and now - self.flooded_at <= settings.NOTIFICATIONS_FLOOD_WINDOW
        )
        self.flooded_chat, self.flooded_at = chat_id, now
        return general

    def clear_up(self) -> None:
        """Take note of a clear answer: Telegram works."""
        self.uncertain_in_a_row = self.outages_in_a_row = 0
        self.has_passed_probe = self.token_is_rejected = False
