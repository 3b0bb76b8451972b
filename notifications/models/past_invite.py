"""Invites of cards that were merged into another: they may be on paper somewhere."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from .customer import Customer


class PastInvite(models.Model):
    """A code that leads to the customer as well as their card's own code does."""

    code = models.CharField(
        _("Invite code"), max_length=64, primary_key=True, editable=False
    )
    customer = models.ForeignKey(
        Customer,
        on_delete=models.CASCADE,
        related_name="past_invites",
        verbose_name=_("Customer"),
    )

    class Meta:
        verbose_name = _("Past invite")
        verbose_name_plural = _("Past invites")

    def __str__(self) -> str:
        return self.code
