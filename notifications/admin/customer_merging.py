"""«Merge»: two cards of one person become one, after a look at both."""

from typing import Any, cast

from django import forms
from django.contrib import messages
from django.contrib.admin.widgets import AutocompleteSelect
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods

from notifications.merging import CardGone, ChatUndecided, Merged, Side, merge
from notifications.models import Customer, Order, OrderNotification

from .connection import connection_line, telegram_user
from .desk import DeskAdmin
from .searching import NOTHING, customers_matching, is_key

SUGGESTED = 5


class OtherCardForm(forms.Form):
    """Which card is to be merged into the one that stays."""

    other: "forms.ModelChoiceField[Customer]" = forms.ModelChoiceField(
        label=gettext_lazy("The other card"), queryset=Customer.objects.all()
    )


class ConfirmForm(forms.Form):
    """What is taken from which card. The sides are those of `merge`."""

    name = forms.ChoiceField(choices=[(side, side) for side in Side], required=False)
    phone = forms.ChoiceField(choices=[(side, side) for side in Side], required=False)
    chat = forms.ChoiceField(choices=[(side, side) for side in Side], required=False)


class CustomerMerging(DeskAdmin[Customer]):
    """A page that asks which card, then shows both, then merges them by POST."""

    def get_urls(self) -> list[URLPattern]:
        view = require_http_methods(["GET", "HEAD", "POST"])(
            self.admin_site.admin_view(self.merge_view)
        )
        name = "notifications_customer_merge"
        return [path("<int:pk>/merge/", view, name=name), *super().get_urls()]

    def merge_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask for the other card, show both, or merge them."""
        customer = self.model.objects.filter(pk=pk).first()
        if not self.has_change_permission(request, customer):
            raise PermissionDenied
        if customer is None:
            raise Http404
        form = self._other_card_form(request)
        if not form.is_bound or not form.is_valid():
            return self._ask(request, customer, form)
        other: Customer = form.cleaned_data["other"]
        if other == customer:
            form.add_error("other", _("This is the same card: choose another one."))
            return self._ask(request, customer, form)
        if request.method == "POST":
            return self._merge(request, customer, other)
        return self._show_both(request, customer, other)

    def _other_card_form(self, request: HttpRequest) -> OtherCardForm:
        asked = request.POST if request.method == "POST" else request.GET
        wanted = asked.get("other")
        if wanted is not None and not is_key(wanted):
            wanted = ""  # the widget would look for it, and fail
        form = OtherCardForm(None if wanted is None else {"other": wanted})
        # Looks for customers as the choice of an order's customer does.
        choice = cast("forms.ModelChoiceField[Customer]", form.fields["other"])
        choice.widget = AutocompleteSelect(
            Order._meta.get_field("customer"), self.admin_site, choices=choice.choices
        )
        return form

    def _merge(
        self, request: HttpRequest, customer: Customer, other: Customer
    ) -> HttpResponse:
        form = ConfirmForm(request.POST)
        if not form.is_valid():
            return self._show_both(request, customer, other)
        wanted = form.cleaned_data
        try:
            merged = merge(
                customer.pk,
                other.pk,
                name=Side(wanted["name"] or Side.KEPT),
                phone=Side(wanted["phone"] or Side.KEPT),
                chat=Side(wanted["chat"]) if wanted["chat"] else None,
            )
        except ChatUndecided:
            words = _(
                "Both cards are connected, each to a Telegram account of its own: "
                "choose which account stays. Nothing was changed."
            )
            self.message_user(request, words, messages.WARNING)
            return self._show_both(request, customer, other)
        except CardGone:
            words = _("One of the cards was deleted meanwhile. Nothing was changed.")
            self.message_user(request, words, messages.WARNING)
            return HttpResponseRedirect(
                reverse("admin:notifications_customer_changelist")
            )
        note = _("Merged with the card “{card}”.").format(card=other)
        self.log_change(request, merged.customer, note)
        self.message_user(request, _what_was_done(merged), messages.SUCCESS)
        address = reverse("admin:notifications_customer_change", args=[customer.pk])
        return HttpResponseRedirect(address)

    def _ask(
        self, request: HttpRequest, customer: Customer, form: OtherCardForm
    ) -> HttpResponse:
        return self._merge_page(
            request,
            customer,
            form=form,
            media=self.media + form.media,
            similar=[_Card(card) for card in _similar_to(customer)],
        )

    def _show_both(
        self, request: HttpRequest, customer: Customer, other: Customer
    ) -> HttpResponse:
        both_have_chats = None not in (customer.tg_user_id, other.tg_user_id)
        return self._merge_page(
            request,
            customer,
            media=self.media,
            kept=_Card(customer),
            other=_Card(other),
            choose_name=customer.name != other.name,
            # The card that a person made knows the name better than Telegram does.
            other_name_is_better=customer.registered_by_bot
            and not other.registered_by_bot,
            choose_phone=bool(customer.phone and other.phone)
            and customer.phone != other.phone,
            choose_chat=both_have_chats,
        )

    def _merge_page(
        self, request: HttpRequest, customer: Customer, **context: Any
    ) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": _("Merge two cards of one customer"),
            "opts": self.opts,
            "customer": customer,
            **context,
        }
        return TemplateResponse(request, "admin/notifications/merge.html", context)


class _Card:
    """One of the two cards, as the page shows it."""

    def __init__(self, customer: Customer) -> None:
        self.pk = customer.pk
        self.name, self.phone = customer.name, customer.phone
        self.address = reverse(
            "admin:notifications_customer_change", args=[customer.pk]
        )
        self.connection = connection_line(customer)
        self.telegram_user = telegram_user(customer)
        self.made_by = (
            _("the customer, in the bot")
            if customer.registered_by_bot
            else _("the shop")
        )
        self._customer = customer

    @property
    def orders(self) -> int:
        return Order.objects.filter(customer=self._customer).count()

    @property
    def waiting(self) -> int:
        """How many messages wait to be sent to the card's chat."""
        if (chat := self._customer.tg_user_id) is None:
            return 0
        return OrderNotification.objects.unfinished().filter(tg_user_id=chat).count()


def _similar_to(customer: Customer) -> list[Customer]:
    """Return other cards with the same phone or a name of the same words."""
    condition = customers_matching(customer.name) if customer.name.strip() else NOTHING
    if customer.phone.strip():
        condition |= customers_matching(customer.phone)
    others = Customer.objects.filter(Q(condition)).exclude(pk=customer.pk)
    return list(others.order_by("pk")[:SUGGESTED])


def _what_was_done(merged: Merged) -> str:
    parts = [_("The cards are one now.")]
    if merged.orders_moved:
        parts.append(
            ngettext(
                "{count} order moved.", "{count} orders moved.", merged.orders_moved
            ).format(count=merged.orders_moved)
        )
    if merged.messages_moved:
        parts.append(
            ngettext(
                "{count} waiting message goes to the account that stays.",
                "{count} waiting messages go to the account that stays.",
                merged.messages_moved,
            ).format(count=merged.messages_moved)
        )
    if merged.orders_told:
        parts.append(
            ngettext(
                "The customer is now told of {count} order.",
                "The customer is now told of {count} orders.",
                merged.orders_told,
            ).format(count=merged.orders_told)
        )
    return " ".join(parts)
