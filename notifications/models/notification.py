"""A message to be sent about an order: the row is the job."""

from typing import TYPE_CHECKING

from django.db import models, router, transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from django_workers.wakeup import announce
from notifications.messages import order_placed, text_about

from .status import OrderStatus

if TYPE_CHECKING:
    from .customer import Customer
    from .order import Order

# After so many failed attempts a notification stops and waits for a person.
MAX_FAILED_ATTEMPTS = 3


class Parked(models.TextChoices):
    """Why a notification that was not delivered is left alone."""

    UNCERTAIN = "uncertain", _("Held: it may have arrived")
    SUPERSEDED = "superseded", _("Replaced by a newer message")
    CANCELLED = "cancelled", _("Cancelled")


# To be sent: by itself, or when a person says so. At most one per order is open.
OPEN = Q(processed=False, parked__in=["", Parked.UNCERTAIN])
# What a row must have beside `processed=False` to be sent by itself.
HOPEFUL = {"parked": "", "failed_attempts_number__lt": MAX_FAILED_ATTEMPTS}
UNFINISHED = Q(processed=False, **HOPEFUL)
GIVEN_UP = Q(processed=False) & (
    Q(parked="", failed_attempts_number__gte=MAX_FAILED_ATTEMPTS)
    | Q(parked=Parked.UNCERTAIN)
)


class OrderNotificationQuerySet(models.QuerySet["OrderNotification"]):
    """The states of a notification, by name."""

    def unfinished(self) -> "OrderNotificationQuerySet":
        """Those still to be sent: not delivered, not given up and not parked."""
        return self.filter(UNFINISHED)

    def given_up(self) -> "OrderNotificationQuerySet":
        """Those that wait for a person: failed for the last time, or uncertain."""
        return self.filter(GIVEN_UP)

    def open(self) -> "OrderNotificationQuerySet":
        """Those that are unfinished or given up: they may still be sent."""
        return self.filter(OPEN)

    def told(self) -> "OrderNotificationQuerySet":
        """Those that were delivered or may still be: not replaced, not cancelled."""
        return self.filter(Q(processed=True) | OPEN)

    def retry(self) -> int:
        """Make the given-up ones due again with a fresh count; return how many."""
        using = router.db_for_write(self.model)
        with transaction.atomic(using=using):
            due = self.given_up().update(
                failed_attempts_number=0, next_attempt_at=Now(), parked=""
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
        # There is an index by order and state.
        db_index=False,
        verbose_name=_("Order"),
    )
    order_number = models.CharField(_("Order number"), max_length=8)
    tg_user_id = models.BigIntegerField(_("Telegram user ID"))
    processed = models.BooleanField(_("Processed"), default=False, db_default=False)
    failed_attempts_number = models.PositiveSmallIntegerField(
        _("Number of failed attempts"), default=0, db_default=0
    )
    # Decided when the notification is made, so that the page shows what was sent. Rows
    # of other clients have none: theirs is the default text about a new order.
    text = models.TextField(
        _("Text"), blank=True, default="", db_default="", editable=False
    )
    silent = models.BooleanField(
        _("Without a sound"), default=False, db_default=False, editable=False
    )
    # What the order had come to; none: it was new.
    status = models.ForeignKey(
        OrderStatus,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
        # Nobody asks for the messages of one status.
        db_index=False,
        verbose_name=_("Status"),
    )
    is_repeat = models.BooleanField(
        _("Sent again by hand"), default=False, db_default=False, editable=False
    )
    # A parked row is finished: nothing sends it, and its chat goes on without it.
    parked = models.CharField(
        _("Left alone"),
        max_length=16,
        choices=Parked,
        blank=True,
        default="",
        db_default="",
        editable=False,
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
                name="one_open_notification_per_order",
                fields=["order"],
                condition=Q(order__isnull=False) & OPEN,
            ),
            models.CheckConstraint(
                name="notification_parked_is_known",
                condition=Q(parked__in=["", *Parked.values]),
            ),
        ]
        indexes = [
            # Tells from the index alone what became of the messages of an order.
            models.Index(
                name="notification_of_order", fields=["order", "processed", "parked"]
            ),
            models.Index(
                name="notification_claim_order",
                fields=["next_attempt_at", "id"],
                condition=UNFINISHED,
            ),
            models.Index(
                name="notification_chat_order",
                fields=["tg_user_id", "id"],
                condition=UNFINISHED,
            ),
            # What the dashboard counts, from the index alone. Nothing that is still to
            # be sent is in these.
            models.Index(
                name="notification_delivered",
                fields=["processed_at"],
                condition=Q(processed_at__isnull=False),
            ),
            models.Index(
                name="notification_given_up",
                fields=[
                    "last_error_code",
                    "processed",
                    "parked",
                    "failed_attempts_number",
                ],
                condition=GIVEN_UP,
            ),
        ]

    def __str__(self) -> str:
        return f"{self.order_number} → {self.tg_user_id}"

    @classmethod
    def about(cls, order: "Order", customer: "Customer") -> "OrderNotification":
        """Return the notification, not yet saved, that tells of an order's status.

        Raises:
            ValueError: the customer has not pressed Start.
        """
        if customer.tg_user_id is None:
            raise ValueError(f"{customer} has not pressed Start: there is no chat.")
        return cls(
            order=order,
            order_number=order.number,
            tg_user_id=customer.tg_user_id,
            text=text_about(order.number, order.status, customer),
            silent=order.status.silent,
            status=order.status,
        )

    @property
    def message(self) -> str:
        """The exact text that the customer gets."""
        return self.text or order_placed(self.order_number)

    @property
    def is_given_up(self) -> bool:
        """Whether it waits for a person: failed for the last time, or uncertain."""
        if self.processed or self.is_dropped:
            return False
        failed = self.failed_attempts_number >= MAX_FAILED_ATTEMPTS
        return failed or self.parked == Parked.UNCERTAIN

    @property
    def is_dropped(self) -> bool:
        """Whether it was replaced or cancelled before it was delivered."""
        return not self.processed and self.parked in (
            Parked.SUPERSEDED,
            Parked.CANCELLED,
        )


# The queue of notifications; to import it would load the HTTP client everywhere.
QUEUE_NAME = OrderNotification._meta.label
