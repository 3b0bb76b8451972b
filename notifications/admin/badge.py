"""A state as the desk shows it: words, a colour, and why or what to do about it."""

from dataclasses import dataclass
from typing import Literal

from django.utils.html import format_html
from django.utils.safestring import SafeString

Tone = Literal["good", "busy", "late", "bad", "idle"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Badge:
    """A state. The colour never says anything that the words do not."""

    tone: Tone
    words: str
    # Why it is so, and what a manager can do; empty when there is nothing to add.
    more: str = ""

    def label(self) -> SafeString:
        """Return the words in their colour."""
        return format_html(
            '<span class="badge badge-{}">{}</span>', self.tone, self.words
        )

    def with_more(self) -> SafeString:
        """Return the label, and below it what there is to add."""
        if not self.more:
            return self.label()
        return format_html('{} <span class="more">{}</span>', self.label(), self.more)
