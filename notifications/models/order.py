"""What a customer bought; its customer is told of it, and of each new status."""

from collections.abc import Collection, Iterable
from typing import Any

from django.db import DatabaseError, models, router, transaction
from django.db.models.functions import Length, Now
from django.utils.translation import gettext_lazy as _

from django_workers.in_flight import lock_in_flight

from .customer import Customer
from .notification import QUEUE_NAME, OrderNotification
from .status import INITIAL, OrderStatus
from .telling import MessageChange, follow, is_due

# What the messages of an order depend on.
TOLD_FIELDS = ("number", "customer_id", "status_id", "notify")


class StaleOrder(Exception):
    """The order is not saved: since it was read, somebody has changed or deleted it."""


class OrderQuerySet(models.QuerySet["Order"]):
    """Makes the notification in whichever way an order is made."""

    def bulk_create(
        self, objs: Iterable["Order"], *args: Any, **kwargs: Any
    ) -> list["Order"]:
        """Insert orders and, in the same transaction, their notifications.

        Raises:
            ValueError: conflicts are to be ignored or updated; nobody could tell then
                which of the orders are new.
        """
        if kwargs.get("ignore_conflicts") or kwargs.get("update_conflicts"):
            raise ValueError(
                "Orders cannot be inserted ignoring or updating conflicts: it would be "
                "unknown which are new and need a notification."
            )
        orders = list(objs)
        with transaction.atomic(using=self.db):
            customers = _lock_customers(
                {order.customer_id for order in orders}, using=self.db
            )
            statuses = OrderStatus.objects.using(self.db).in_bulk()
            created = super().bulk_create(orders, *args, **kwargs)
            for order in created:
                order.status = statuses[order.status_id]
            OrderNotification.objects.using(self.db).bulk_create(
                OrderNotification.about(order, customers[order.customer_id])
                for order in created
                if is_due(order, customers[order.customer_id])
            )
        return created

    def update(self, **kwargs: Any) -> int:
        """Update columns of which customers are told nothing.

        Raises:
            ValueError: a number, status or `notify` is to be updated. Save each order,
                or call `change_status`: its customer has to be told.
        """
        if told := kwargs.keys() & {"number", "status", "status_id", "notify"}:
            raise ValueError(
                f"Save each order instead of updating {', '.join(sorted(told))}: what "
                "its customer is told depends on it."
            )
        return super().update(**kwargs)


class Order(models.Model):
    """An order of one customer.

    Saving a new one makes its notification, saving a changed one lets its messages
    follow: see `telling`.
    """

    number = models.CharField(_("Number"), max_length=8, unique=True)
    customer = models.ForeignKey(
        Customer,
        on_delete=models.PROTECT,
        related_name="orders",
        verbose_name=_("Customer"),
    )
    status: "models.ForeignKey[OrderStatus, OrderStatus]" = models.ForeignKey(
        OrderStatus,
        on_delete=models.PROTECT,
        related_name="orders",
        default=INITIAL,
        db_default=models.Value(INITIAL),
        # There is an index by status and age.
        db_index=False,
        verbose_name=_("Status"),
    )
    notify = models.BooleanField(
        _("Notify the customer"), default=True, db_default=True
    )
    # Grows with each change, so that nobody overwrites what they have not seen. A form
    # carries the one that it was made from.
    version = models.PositiveIntegerField(default=0, db_default=0, editable=False)
    created_at = models.DateTimeField(_("Created"), db_default=Now(), editable=False)

    # What the latest `save` of this instance did to the order's messages.
    message_change = MessageChange.NONE

    objects = OrderQuerySet.as_manager()

    class Meta:
        verbose_name = _("Order")
        verbose_name_plural = _("Orders")
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(
                name="order_number_not_blank",
                condition=~models.Q(number=""),
                violation_error_message=_("An order needs a number."),
            )
        ]
        indexes = [
            # Finds the largest number made of digits, to offer the next one.
            models.Index(Length("number"), "number", name="order_number_by_length"),
            models.Index(fields=["status", "-id"], name="order_by_status"),
            # Tells between which keys the orders of some days lie.
            models.Index(fields=["created_at", "id"], name="order_by_day"),
        ]

    def __str__(self) -> str:
        return self.number

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save the order and, in the same transaction, what its customer is told.

        Raises:
            StaleOrder: somebody else has changed or deleted it since it was read.
        """
        database = kwargs.get("using") or router.db_for_write(Order, instance=self)
        with transaction.atomic(using=database):
            if self._state.adding:
                self._insert(database, *args, **kwargs)
            else:
                self._update(database, *args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        """Delete the order with its messages; what is being sent still arrives."""
        database = kwargs.get("using") or router.db_for_write(Order, instance=self)
        with transaction.atomic(using=database):
            # Whoever records how a message ended waits, and finds it gone.
            self._lock_messages(database)
            return super().delete(*args, **kwargs)

    def _insert(self, database: str, *args: Any, **kwargs: Any) -> None:
        customer = _lock_customers({self.customer_id}, using=database).get(
            self.customer_id
        )
        super().save(*args, **kwargs)
        self.message_change = MessageChange.NONE
        if customer is None:
            return
        if is_due(self, customer):
            OrderNotification.about(self, customer).save(using=database)
            self.message_change = MessageChange.MADE
        elif self.notify and self.status.notifies:
            self.message_change = MessageChange.LATER

    def _update(self, database: str, *args: Any, **kwargs: Any) -> None:
        stored = self._read_stored(database)
        changed = self._changed(stored, kwargs.get("update_fields"))
        in_flight: set[Any] = set()
        customers: dict[int, Customer] = {}
        if changed:
            # The order of locks is everybody's: the workers', the customers', the rest.
            in_flight = self._lock_messages(database)
            ids = {stored["customer_id"], self.customer_id}
            customers = _lock_customers(ids, using=database)
        if self._read_stored(database, lock=True) != stored:
            raise StaleOrder(self.number)
        if changed and stored["version"] != self.version:
            raise StaleOrder(self.number)
        self.version = stored["version"]
        self._write(changed, *args, **kwargs)
        self.message_change = MessageChange.NONE
        if customer := customers.get(self.customer_id):
            self.message_change = follow(
                self, changed, customer, in_flight, using=database
            )

    def _write(self, changed: Collection[str], *args: Any, **kwargs: Any) -> None:
        if not changed:
            super().save(*args, **kwargs)
            return
        if (fields := kwargs.get("update_fields")) is not None:
            kwargs["update_fields"] = {*fields, "version"}
        self.version += 1
        try:
            super().save(*args, **kwargs)
        except DatabaseError:
            # Once it is put right, this instance may be saved.
            self.version -= 1
            raise

    def _read_stored(self, using: str, *, lock: bool = False) -> dict[str, Any]:
        orders = Order._base_manager.using(using).filter(pk=self.pk)
        if lock:
            orders = orders.select_for_update()
        stored = orders.values(*TOLD_FIELDS, "version").first()
        if stored is None:
            raise StaleOrder(self.number)
        return dict(stored)

    def _changed(
        self, stored: dict[str, Any], update_fields: Collection[str] | None
    ) -> set[str]:
        return {
            name
            for name in TOLD_FIELDS
            if getattr(self, name) != stored[name]
            and (
                update_fields is None
                or name in update_fields
                or name.removesuffix("_id") in update_fields
            )
        }

    def _lock_messages(self, using: str) -> set[Any]:
        """Keep workers from taking this order's messages; return those in flight."""
        messages = OrderNotification.objects.using(using).filter(order=self.pk)
        return lock_in_flight(
            QUEUE_NAME, messages.open().values_list("pk", flat=True), using=using
        )


def _lock_customers(ids: Collection[int], *, using: str) -> dict[int, Customer]:
    """Lock these customers: a chat's ids and commits then agree."""
    customers = Customer.objects.using(using).select_for_update().order_by("pk")
    return customers.in_bulk(ids)
