"""What happened each time a notification was sent: the manager's timeline."""

from django.db import models
from django.utils.timezone import localtime
from django.utils.translation import gettext_lazy as _

from .notification import OrderNotification


class DeliveryAttempt(models.Model):
    """One attempt, written in the transaction that settles it."""

    class Outcome(models.TextChoices):
        DELIVERED = "delivered", _("Delivered")
        REFUSED = "refused", _("Refused")
        UNCERTAIN = "uncertain", _("Uncertain: it may have arrived")
        FAILED = "failed", _("Failed")
        POSTPONED = "postponed", _("Postponed")

    notification = models.ForeignKey(
        OrderNotification,
        on_delete=models.CASCADE,
        related_name="attempts",
        verbose_name=_("Order notification"),
    )
    # The engine's name for this start of the task: an attempt is recorded once, even
    # when the answer to a COMMIT was lost and the settle was written again.
    key = models.UUIDField(unique=True, editable=False)
    started_at = models.DateTimeField(_("Started"))
    finished_at = models.DateTimeField(_("Finished"))
    outcome = models.CharField(_("Outcome"), max_length=16, choices=Outcome)
    counted = models.BooleanField(
        _("Counts as a failed attempt"), default=False, db_default=False
    )
    error_code = models.CharField(
        _("Error code"), max_length=64, default="", db_default=""
    )
    description = models.TextField(_("Description"), default="", db_default="")
    message_id = models.BigIntegerField(_("Telegram message ID"), null=True)

    class Meta:
        verbose_name = _("Delivery attempt")
        verbose_name_plural = _("Delivery attempts")
        ordering = ["pk"]
        indexes = [
            # Failures by time and reason; successes, which are most, are not in it.
            models.Index(
                name="attempt_not_delivered",
                fields=["finished_at", "error_code", "counted"],
                condition=~models.Q(error_code=""),
            )
        ]

    def __str__(self) -> str:
        return f"{localtime(self.started_at):%H:%M:%S} {self.get_outcome_display()}"
