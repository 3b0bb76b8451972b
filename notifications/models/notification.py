"""A message to be sent about an order: the row is the job."""

from typing import TYPE_CHECKING

from django.db import models, router, transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from django_workers.wakeup import announce

if TYPE_CHECKING:
    from .customer import Customer
    from .order import Order

# After so many failed attempts a notification stops and waits for a person.
MAX_FAILED_ATTEMPTS = 3


class OrderNotificationQuerySet(models.QuerySet["OrderNotification"]):
    """The states of a notification, by name."""

    def unfinished(self) -> "OrderNotificationQuerySet":
        """Those still to be sent: not delivered, and not given up."""
        return self.filter(
            processed=False, failed_attempts_number__lt=MAX_FAILED_ATTEMPTS
        )

    def given_up(self) -> "OrderNotificationQuerySet":
        """Those that failed for the last time and wait for a person."""
        return self.filter(
            processed=False, failed_attempts_number__gte=MAX_FAILED_ATTEMPTS
        )

    def retry(self) -> int:
        """Make the given-up ones due again with a fresh count; return how many."""
        using = router.db_for_write(self.model)
        with transaction.atomic(using=using):
            due = self.given_up().update(
                failed_attempts_number=0, next_attempt_at=Now()
            )
            if due:
                announce(using)
        return due


class OrderNotification(models.Model):
    """One message about one order to one chat."""

    order = models.ForeignKey(
        "notifications.Order",
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        editable=False,
        related_name="notifications",
        verbose_name=_("Order"),
    )
    order_number = models.CharField(_("Order number"), max_length=8)
    tg_user_id = models.BigIntegerField(_("Telegram user ID"))
    processed = models.BooleanField(_("Processed"), default=False, db_default=False)
    failed_attempts_number = models.PositiveSmallIntegerField(
        _("Number of failed attempts"), default=0, db_default=0
    )
    created_at = models.DateTimeField(_("Created"), db_default=Now(), editable=False)
    next_attempt_at = models.DateTimeField(
        _("Next attempt"), db_default=Now(), editable=False
    )
    processed_at = models.DateTimeField(_("Delivered"), null=True, editable=False)
    last_error_code = models.CharField(
        _("Last error code"), max_length=64, default="", db_default="", editable=False
    )
    last_error = models.TextField(
        _("Last error"), default="", db_default="", editable=False
    )

    objects = OrderNotificationQuerySet.as_manager()

    class Meta:
        verbose_name = _("Order notification")
        verbose_name_plural = _("Order notifications")
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                name="one_notification_per_order",
                fields=["order"],
                condition=Q(order__isnull=False),
            )
        ]
        indexes = [
            models.Index(
                name="notification_claim_order",
                fields=["next_attempt_at", "id"],
                condition=Q(processed=False, failed_attempts_number__lt=3),
            ),
            models.Index(
                name="notification_chat_order",
                fields=["tg_user_id", "id"],
                condition=Q(processed=False, failed_attempts_number__lt=3),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.order_number} → {self.tg_user_id}"

    @classmethod
    def about(cls, order: "Order", customer: "Customer") -> "OrderNotification":
        """Return the notification, not yet saved, of an order to its customer's chat.

        Raises:
            ValueError: the customer has not pressed Start.
        """
        if customer.tg_user_id is None:
            raise ValueError(f"{customer} has not pressed Start: there is no chat.")
        return cls(
            order=order, order_number=order.number, tg_user_id=customer.tg_user_id
        )

    @property
    def is_given_up(self) -> bool:
        """Whether it failed for the last time and waits for a person."""
        return not self.processed and self.failed_attempts_number >= MAX_FAILED_ATTEMPTS
