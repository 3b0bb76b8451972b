"""How has Telegram been answering this worker lately?"""

import time
from dataclasses import dataclass

from django.conf import settings


@dataclass(slots=True)
class Weather:
    """What the latest answers, and those that never came, say about the next ones.

    Every worker judges by its own sends. A flood or an outage of the whole bot meets
    each of them at once, so that they need not compare notes.
    """

    uncertain_in_a_row: int = 0
    # How often getMe was asked since the last clear answer to a message.
    probes: int = 0
    has_passed_probe: bool = False
    has_had_answer: bool = False
    token_is_rejected: bool = False
    flooded_chat: int | None = None
    flooded_at: float = float("-inf")

    @property
    def is_on_trial(self) -> bool:
        """Whether Telegram may be in trouble that getMe does not show."""
        return self.uncertain_in_a_row > settings.NOTIFICATIONS_OUTAGE_AFTER

    @property
    def outage_pause(self) -> float:
        """For how many seconds to wait now; longer from probe to probe.

        All that fail between two probes, however many, tell of one trouble.
        """
        pauses: list[float] = settings.NOTIFICATIONS_OUTAGE_PAUSES
        return pauses[min(self.probes, len(pauses) - 1)]

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

    def is_message_to_blame(self) -> bool:
        """Tell whether a foreign answer concerns its message: once per passed probe.

        The probe met Telegram. More of them may as well be the next outage.
        """
        is_to_blame, self.has_passed_probe = self.has_passed_probe, False
        return is_to_blame

    def pass_probe(self) -> None:
        """Take note that getMe works; whether sending does, is not known by that."""
        self.has_passed_probe = True
        self.token_is_rejected = False
        if not self.has_had_answer:
            # Started during an outage: what others learnt of it, at whatever cost to
            # their messages, need not be learnt anew.
            self.uncertain_in_a_row = settings.NOTIFICATIONS_OUTAGE_AFTER + 1

    def clear_up(self) -> None:
        """Take note of a clear answer: Telegram works."""
        self.uncertain_in_a_row = self.probes = 0
        self.has_passed_probe = self.token_is_rejected = False
        self.has_had_answer = True
