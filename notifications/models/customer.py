"""Who buys in the shop, and whether the bot may write to them."""

import secrets
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db import models, router, transaction
from django.db.models import Q
from django.db.models.functions import Lower, Now
from django.utils.translation import gettext_lazy as _

from .connection import CONNECTION_IS, Connection
from .customer_word import CustomerWord

_SEARCHED = frozenset({"name", "phone", "tg_username"})


def new_invite_code() -> str:
    """Return an unguessable code that fits into a Telegram deep link."""
    return secrets.token_urlsafe(16)


class CustomerManager(models.Manager["Customer"]):
    """Makes the words of a search in whichever way a customer is made."""

    def bulk_create(
        self, objs: Iterable["Customer"], *args: Any, **kwargs: Any
    ) -> list["Customer"]:
        """Insert customers and, in the same transaction, the words of a search.

        Raises:
            ValueError: conflicts are to be ignored or updated; nobody could tell then
                which customers are new.
        """
        if kwargs.get("ignore_conflicts") or kwargs.get("update_conflicts"):
            raise ValueError(
                "Customers cannot be inserted ignoring or updating conflicts: it would "
                "be unknown whose words are to be written."
            )
        with transaction.atomic(using=self.db):
            created = super().bulk_create(objs, *args, **kwargs)
            CustomerWord.index(created, using=self.db)
        return created


class Customer(models.Model):
    """A customer of the shop; reachable once they have pressed Start."""

    name = models.CharField(_("Name"), max_length=200)
    phone = models.CharField(
        _("Phone"), max_length=32, blank=True, default="", db_default=""
    )
    tg_user_id = models.BigIntegerField(
        _("Telegram user ID"), unique=True, null=True, blank=True, editable=False
    )
    tg_username = models.CharField(
        _("Telegram username"),
        max_length=64,
        blank=True,
        default="",
        db_default="",
        editable=False,
    )
    language = models.CharField(
        _("Language"),
        max_length=16,
        blank=True,
        default="",
        db_default="",
        editable=False,
    )
    invite_code = models.CharField(
        _("Invite code"),
        max_length=64,
        unique=True,
        default=new_invite_code,
        editable=False,
    )
    registered_by_bot = models.BooleanField(
        _("Registered in the bot"), default=False, db_default=False, editable=False
    )
    created_at = models.DateTimeField(_("Created"), db_default=Now(), editable=False)
    started_at = models.DateTimeField(_("Pressed Start"), null=True, editable=False)
    blocked_at = models.DateTimeField(_("Blocked the bot"), null=True, editable=False)
    unsubscribed_at = models.DateTimeField(_("Unsubscribed"), null=True, editable=False)
    objects = CustomerManager()

    class Meta:
        verbose_name = _("Customer")
        verbose_name_plural = _("Customers")
        ordering = ["name", "pk"]
        indexes = [
            models.Index(name="customer_by_name", fields=["name", "id"]),
            # Telegram's usernames are the same in any letter case.
            models.Index(Lower("tg_username"), name="customer_by_username"),
            # The list of each state, in the order in which lists are.
            *(
                models.Index(
                    name=f"customer_{state}", fields=["name", "id"], condition=condition
                )
                for state, condition in CONNECTION_IS.items()
            ),
        ]
        constraints = [
            models.CheckConstraint(
                name="customer_started_has_chat",
                condition=Q(started_at=None, tg_user_id=None)
                | Q(started_at__isnull=False, tg_user_id__isnull=False),
                violation_error_message=_(
                    "A customer has a Telegram ID if and only if they pressed Start."
                ),
            )
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.phone})" if self.phone else self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        fields = kwargs.get("update_fields")
        if fields is not None and _SEARCHED.isdisjoint(fields):
            super().save(*args, **kwargs)
            return
        database = kwargs.get("using") or router.db_for_write(Customer, instance=self)
        with transaction.atomic(using=database):
            super().save(*args, **kwargs)
            CustomerWord.index([self], using=database)

    @property
    def is_reachable(self) -> bool:
        """Whether an order made now is sent: Start was pressed, /stop was not."""
        return self.tg_user_id is not None and self.unsubscribed_at is None

    @property
    def connection(self) -> Connection:
        """Whether messages reach the customer; CONNECTION_IS finds the same rows."""
        if self.tg_user_id is None:
            return Connection.NOT_CONNECTED
        if self.unsubscribed_at is not None:
            return Connection.UNSUBSCRIBED
        if self.blocked_at is not None:
            return Connection.BLOCKED
        return Connection.CONNECTED

    @property
    def connection_since(self) -> datetime:
        """When the customer came into this state of connection."""
        moments = {
            Connection.UNSUBSCRIBED: self.unsubscribed_at,
            Connection.BLOCKED: self.blocked_at,
            Connection.CONNECTED: self.started_at,
        }
        return moments.get(self.connection) or self.created_at
