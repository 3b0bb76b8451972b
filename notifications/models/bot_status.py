"""What the polling process last knew about the bot, for the admin to show."""

from datetime import datetime
from typing import Any

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

THE_ROW = 1


class BotStatus(models.Model):
    """One row: who the bot is, and when Telegram last answered its polling."""

    id = models.PositiveSmallIntegerField(
        primary_key=True, default=THE_ROW, db_default=THE_ROW, editable=False
    )
    username = models.CharField(
        _("Bot's username"), max_length=64, default="", db_default="", editable=False
    )
    last_poll_at = models.DateTimeField(
        _("Last successful poll"), null=True, editable=False
    )
    # Empty when the latest poll succeeded.
    last_error = models.TextField(
        _("Last error"), default="", db_default="", editable=False
    )
    # What kind of trouble it is, for the admin to say it in its own words.
    last_error_code = models.CharField(
        _("Last error code"), max_length=64, default="", db_default="", editable=False
    )
    # While the bot runs it writes at least every 30 s, in trouble too.
    updated_at = models.DateTimeField(_("Updated"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("Bot status")
        verbose_name_plural = _("Bot status")
        constraints = [
            models.CheckConstraint(
                name="bot_status_is_one_row", condition=models.Q(id=THE_ROW)
            )
        ]

    def __str__(self) -> str:
        return f"@{self.username}" if self.username else "-"

    @classmethod
    def current(cls) -> "BotStatus":
        """Return what is known; an unsaved, empty row before the bot's first start."""
        return cls.objects.filter(pk=THE_ROW).first() or cls(username="", last_error="")

    @classmethod
    def record(cls, *, at: datetime, **facts: Any) -> None:
        """Write down what the bot has just learnt."""
        cls.objects.update_or_create(pk=THE_ROW, defaults={**facts, "updated_at": at})
