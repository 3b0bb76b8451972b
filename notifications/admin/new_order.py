"""The form of a new order, and what is said when it is saved."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db import IntegrityError
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from notifications.models import Customer, Order

from .connection import invite_of
from .desk import DeskAdmin
from .numbers import next_order_number
from .typed import ModelForm


class OrderForm(ModelForm[Order]):
    """A new order. What is wrong with a number is said in words."""

    class Meta:
        model = Order
        fields = ["number", "customer"]
        help_texts = {
            "number": gettext_lazy("Up to 8 characters; the next free one is offered.")
        }

    def clean_number(self) -> str:
        number: str = self.cleaned_data["number"]
        if any(char.isspace() or not char.isprintable() for char in number):
            raise ValidationError(_("A number has no spaces in it."))
        return number

    def validate_unique(self) -> None:
        """Look once, so that no other words than ours tell of a number just taken."""
        number = self.cleaned_data.get("number")
        if number and Order.objects.filter(number=number).exists():
            self.add_error("number", _taken(number))


class NewOrder(DeskAdmin[Order]):
    """An order is made in one go: its number, its customer."""

    add_words = gettext_lazy("New order")
    add_form = OrderForm
    autocomplete_fields = ["customer"]

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        given: dict[str, Any] = super().get_changeform_initial_data(request)
        return {"number": next_order_number(), **given}

    def get_fieldsets(self, request: HttpRequest, obj: Order | None = None) -> Any:
        if obj is not None:
            return super().get_fieldsets(request, obj)
        return [(None, {"fields": ["number", "customer"]})]

    def get_form(
        self,
        request: HttpRequest,
        obj: Order | None = None,
        change: bool = False,
        **kwargs: Any,
    ) -> type[ModelForm[Order]]:
        form = super().get_form(request, obj, change, **kwargs)
        if customer := form.base_fields.get("customer"):
            # Beside the choice of a customer: a new one, a look, and nothing to break.
            customer.widget.can_delete_related = False
            customer.widget.can_change_related = False
        return form

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        try:
            response = super().add_view(request, form_url, extra_context)
        except IntegrityError:
            # The number was taken between the form's check and the insert, by a second
            # click or a second manager: check again, and say so.
            response = super().add_view(request, form_url, extra_context)
        return response

    def response_add(
        self, request: HttpRequest, obj: Order, post_url_continue: str | None = None
    ) -> HttpResponse:
        response = super().response_add(request, obj, post_url_continue)
        self._tell_what_was_sent(request, obj)
        return response

    def _tell_what_was_sent(self, request: HttpRequest, order: Order) -> None:
        if not order.notifications.exists():
            self.message_user(request, _not_sent(order.customer), messages.WARNING)
            return
        blocked = order.customer.blocked_at is not None
        words = (
            _(
                "The customer blocked the bot, so the message will hardly arrive: ask "
                "them to unblock it."
            )
            if blocked
            else _("The message is on its way to the customer.")
        )
        self.message_user(
            request, words, messages.WARNING if blocked else messages.SUCCESS
        )


def _not_sent(customer: Customer) -> SafeString:
    if customer.tg_user_id is None:
        words = _(
            "The customer is not connected: the message goes as soon as they press "
            "Start. Their invite:"
        )
    else:
        words = _(
            "The customer unsubscribed: the message goes when they press Start again. "
            "Their invite:"
        )
    return format_html("{} {}", words, invite_of(customer).as_html())


def _taken(number: str) -> str:
    words = _("There is an order {number} already.").format(number=number)
    if free := next_order_number():
        words += " " + _("The next free number is {number}.").format(number=free)
    return words
