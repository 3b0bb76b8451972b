"""Orders: made in one go, and each with the answer to "did the customer get it?"."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db import IntegrityError
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from notifications.messages import order_placed
from notifications.models import Customer, Order, OrderNotification
from notifications.models.notification import OrderNotificationQuerySet

from .connection import invite_of
from .delivery import of_order
from .desk import NOTHING_TO_SAVE
from .facts import with_facts
from .filters import OrderStateFilter
from .moments import when
from .numbers import next_order_number
from .retrying import RetryAdmin
from .searching import orders_matching
from .timeline import timeline
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
        if Order.objects.filter(number=number).exclude(pk=self.instance.pk).exists():
            raise ValidationError(_taken(number))
        return number


@admin.register(Order)
class OrderAdmin(RetryAdmin[Order]):
    add_words = gettext_lazy("New order")
    list_display = ["number", "customer_link", "created", "message"]
    list_display_links = ["number"]
    list_select_related = ["customer"]
    list_filter = [OrderStateFilter, "created_at"]
    search_fields = ["number"]
    search_help_text = gettext_lazy("Order number, customer's name, phone or @username")
    autocomplete_fields = ["customer"]
    ordering = ["-pk"]
    # What has an index to be sorted by.
    sortable_by = ["number", "created"]

    # --- what is read -----------------------------------------------------------------

    def get_queryset(self, request: HttpRequest) -> QuerySet[Order]:
        notifications = with_facts(OrderNotification.objects.all())
        return (
            super()
            .get_queryset(request)
            .select_related("customer")
            .prefetch_related(Prefetch("notifications", queryset=notifications))
        )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Order], search_term: str
    ) -> tuple[QuerySet[Order], bool]:
        if not search_term.strip():
            return queryset, False
        return queryset.filter(orders_matching(search_term)), False

    def notifications_of(self, queryset: QuerySet[Order]) -> OrderNotificationQuerySet:
        return OrderNotification.objects.filter(
            order__in=queryset.order_by().values("pk")
        )

    # --- columns and fields -----------------------------------------------------------

    @admin.display(description=gettext_lazy("Customer"))
    def customer_link(self, order: Order) -> SafeString:
        address = reverse(
            "admin:notifications_customer_change", args=[order.customer_id]
        )
        return format_html('<a href="{}">{}</a>', address, order.customer)

    @admin.display(description=gettext_lazy("Created"), ordering="pk")
    def created(self, order: Order) -> str:
        return when(order.created_at)

    @admin.display(description=gettext_lazy("Message"))
    def message(self, order: Order) -> SafeString:
        badge = of_order(order).with_more()
        if any(notification.is_given_up for notification in order.notifications.all()):
            return format_html("{} {}", badge, self.retry_button(order.pk))
        return badge

    @admin.display(description=gettext_lazy("State"))
    def state(self, order: Order) -> SafeString:
        return self.message(order)

    @admin.display(description=gettext_lazy("Text"))
    def text(self, order: Order) -> SafeString:
        return format_html(
            '<span class="message-text">{}</span>', order_placed(order.number)
        )

    @admin.display(description=gettext_lazy("What happened"))
    def history(self, order: Order) -> SafeString | str:
        for notification in order.notifications.all():
            return timeline(notification)
        return _("Nothing yet: there is no message.")

    @admin.display(description=gettext_lazy("Invite"))
    def invite(self, order: Order) -> SafeString:
        return invite_of(order.customer).as_html()

    # --- the page ---------------------------------------------------------------------

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        given: dict[str, Any] = super().get_changeform_initial_data(request)
        return {"number": next_order_number(), **given}

    def get_fieldsets(self, request: HttpRequest, obj: Order | None = None) -> Any:
        if obj is None:
            return [(None, {"fields": ["number", "customer"]})]
        message = ["state", "text", "history"]
        if not obj.customer.is_reachable:
            message.insert(1, "invite")
        return [
            (None, {"fields": ["number", "customer_link", "created"]}),
            (_("Message"), {"fields": message}),
        ]

    def get_readonly_fields(
        self, request: HttpRequest, obj: Order | None = None
    ) -> list[str]:
        """Keep what the customer was told: after it is made an order only reports."""
        if obj is None:
            return []
        shown = ["customer_link", "created", "state", "text", "history", "invite"]
        return ["number", "customer", *shown]

    def get_form(
        self,
        request: HttpRequest,
        obj: Order | None = None,
        change: bool = False,
        **kwargs: Any,
    ) -> type[ModelForm[Order]]:
        if obj is None:
            kwargs["form"] = OrderForm
        form = super().get_form(request, obj, change, **kwargs)
        if customer := form.base_fields.get("customer"):
            # Beside the choice of a customer: a new one, a look, and nothing to break.
            customer.widget.can_delete_related = False
            customer.widget.can_change_related = False
        return form

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        context = {**NOTHING_TO_SAVE, **(extra_context or {})}
        return super().change_view(request, object_id, form_url, context)

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
