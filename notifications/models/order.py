"""What a customer bought; every new order tells its customer."""

from collections.abc import Iterable
from typing import Any

from django.db import models, router, transaction
from django.db.models.functions import Length, Now
from django.utils.translation import gettext_lazy as _

from .customer import Customer
from .notification import OrderNotification


class OrderManager(models.Manager["Order"]):
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
            customers = _lock_customers(orders, using=self.db)
            created = super().bulk_create(orders, *args, **kwargs)
            OrderNotification.objects.using(self.db).bulk_create(
                OrderNotification.about(order, customers[order.customer_id])
                for order in created
                if customers[order.customer_id].is_reachable
            )
        return created


class Order(models.Model):
    """An order of one customer. Saving a new one creates its notification."""

    number = models.CharField(_("Number"), max_length=8, unique=True)
    customer = models.ForeignKey(
        Customer,
        on_delete=models.PROTECT,
        related_name="orders",
        verbose_name=_("Customer"),
    )
    created_at = models.DateTimeField(_("Created"), db_default=Now(), editable=False)

    objects = OrderManager()

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
            models.Index(Length("number"), "number", name="order_number_by_length")
        ]

    def __str__(self) -> str:
        return self.number

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            super().save(*args, **kwargs)
            return
        database = kwargs.get("using") or router.db_for_write(Order, instance=self)
        with transaction.atomic(using=database):
            customer = _lock_customers([self], using=database).get(self.customer_id)
            super().save(*args, **kwargs)
            if customer is not None and customer.is_reachable:
                OrderNotification.about(self, customer).save(using=database)


def _lock_customers(orders: Iterable[Order], *, using: str) -> dict[int, Customer]:
    """Lock the customers of these orders: a chat's ids and commits then agree."""
    customers = Customer.objects.using(using).select_for_update().order_by("pk")
    return customers.in_bulk({order.customer_id for order in orders})
