"""The form of an order that was made: nobody overwrites what they have not seen."""

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db.models import Q
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from notifications.models import MessageChange, Order, OrderStatus

from .new_order import NumberedForm
from .outlook import hindrance_of


class ChangedOrderForm(NumberedForm):
    """Carries the version that it was made from."""

    seen_version = forms.IntegerField(widget=forms.HiddenInput, min_value=0)

    class Meta:
        model = Order
        fields = ["number", "customer", "status", "notify"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # The instance changes while the form is checked.
        self._stored = Order.objects.select_related("customer", "status").get(
            pk=self.instance.pk
        )
        self.initial["seen_version"] = self._stored.version
        status = self.fields.get("status")
        if isinstance(status, forms.ModelChoiceField):
            offered = Q(is_active=True) | Q(pk=self._stored.status_id)
            status.queryset = OrderStatus.objects.filter(offered)

    def clean(self) -> dict[str, Any] | None:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        seen = cleaned.get("seen_version")
        differs = any(
            cleaned.get(name) != getattr(self._stored, name)
            for name in ChangedOrderForm.Meta.fields
            if name in cleaned
        )
        # Saved by a second click it is there already: nothing is lost.
        if seen is not None and seen != self._stored.version and differs:
            raise ValidationError(_stale(self._stored))
        return cleaned


def _stale(stored: Order) -> SafeString:
    words = _(
        "Nothing was saved: somebody else has changed this order while you had it "
        "open. Now it has the number {number}, the customer {customer} and the status "
        "{status}."
    ).format(number=stored.number, customer=stored.customer, status=stored.status)
    # The address of this very page: to reload it would send the form once more.
    again = _("Open the page again to change it.")
    return format_html('{} <a href="">{}</a>', words, again)


def tell_change(request: HttpRequest, order: Order) -> None:
    """Tell what saving the order did to the message for its customer."""
    if order.message_change is MessageChange.NONE:
        return
    if order.message_change is MessageChange.LATER:
        words: Any = hindrance_of(order.customer)
    else:
        words = words_of(order.message_change)
    level = messages.SUCCESS
    if order.message_change in (MessageChange.LATER, MessageChange.TOO_LATE):
        level = messages.WARNING
    messages.add_message(request, level, words)


def words_of(change: MessageChange) -> str:
    """Return what became of the message, in words."""
    match change:
        case MessageChange.MADE:
            return _("The message is on its way to the customer.")
        case MessageChange.REPLACED:
            return _("The customer gets a new message instead of the one that waited.")
        case MessageChange.CORRECTED:
            return _("The message that still waited has been corrected.")
        case MessageChange.DROPPED:
            return _("The message that still waited is not sent.")
        case MessageChange.TOO_LATE:
            return _(
                "The earlier message is being sent or was delivered already: it is not "
                "changed."
            )
        case _:
            return ""
