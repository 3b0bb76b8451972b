"""Customers: who they are, whether messages reach them, and how they are invited."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.options import IS_POPUP_VAR
from django.db.models import Count, OuterRef, Prefetch, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from notifications.models import Customer, Order, OrderNotification

from .connection import connection_of, invite_of
from .delivery import of_order
from .desk import DeskAdmin
from .facts import with_facts
from .filters import ConnectionFilter
from .moments import when
from .searching import customers_matching

SHOWN_ORDERS = 20


@admin.register(Customer)
class CustomerAdmin(DeskAdmin[Customer]):
    add_words = gettext_lazy("New customer")
    list_display = ["name", "phone", "connection", "orders_made"]
    list_filter = [ConnectionFilter]
    search_fields = ["search_text"]
    search_help_text = gettext_lazy("Name, phone or @username")
    ordering = ["name", "pk"]
    sortable_by = ["name"]

    # --- what is read -----------------------------------------------------------------

    def get_queryset(self, request: HttpRequest) -> QuerySet[Customer]:
        # Counted by a subquery, so only for the rows that are shown.
        made = (
            Order.objects.filter(customer=OuterRef("pk"))
            .order_by()
            .values("customer")
            .annotate(made=Count("pk"))
            .values("made")
        )
        customers = super().get_queryset(request)
        return customers.annotate(orders_made=Coalesce(Subquery(made), 0))

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Customer], search_term: str
    ) -> tuple[QuerySet[Customer], bool]:
        return queryset.filter(customers_matching(search_term)), False

    # --- columns and fields -----------------------------------------------------------

    @admin.display(description=gettext_lazy("Telegram"))
    def connection(self, customer: Customer) -> SafeString:
        return connection_of(customer).label()

    @admin.display(description=gettext_lazy("State"))
    def state(self, customer: Customer) -> SafeString:
        return connection_of(customer).with_more()

    @admin.display(description=gettext_lazy("Orders"))
    def orders_made(self, customer: Customer) -> SafeString | int:
        made: int = vars(customer)["orders_made"]
        if not made:
            return 0
        return format_html('<a href="{}">{}</a>', _orders_address(customer), made)

    @admin.display(description=gettext_lazy("Invite"))
    def invite(self, customer: Customer) -> SafeString:
        return invite_of(customer).as_html()

    @admin.display(description=gettext_lazy("Telegram user"))
    def telegram_user(self, customer: Customer) -> str:
        if customer.tg_user_id is None:
            return "–"
        name = f"@{customer.tg_username}, " if customer.tg_username else ""
        return f"{name}{customer.tg_user_id}"

    @admin.display(description=gettext_lazy("Pressed Start"))
    def started(self, customer: Customer) -> str:
        return when(customer.started_at) if customer.started_at else "–"

    @admin.display(description=gettext_lazy("Latest orders"))
    def latest_orders(self, customer: Customer) -> SafeString | str:
        notifications = with_facts(OrderNotification.objects.all())
        latest = (
            Order.objects.filter(customer=customer)
            .prefetch_related(Prefetch("notifications", queryset=notifications))
            .order_by("-pk")[:SHOWN_ORDERS]
        )
        made: int = vars(customer)["orders_made"]
        if not made:
            return _("None yet.")
        return render_to_string(
            "admin/notifications/latest_orders.html",
            {
                "orders": [_OrderLine(order) for order in latest],
                "all_orders": _orders_address(customer) if made > SHOWN_ORDERS else "",
                "made": made,
            },
        )

    # --- the page ---------------------------------------------------------------------

    def get_fieldsets(self, request: HttpRequest, obj: Customer | None = None) -> Any:
        person = (None, {"fields": ["name", "phone"]})
        if obj is None:
            return [person]
        telegram = ["state", "telegram_user", "started"]
        if not obj.is_reachable:
            telegram.insert(1, "invite")
        return [
            person,
            (_("Telegram"), {"fields": telegram}),
            (_("Order history"), {"fields": ["latest_orders"]}),
        ]

    def get_readonly_fields(
        self, request: HttpRequest, obj: Customer | None = None
    ) -> list[str]:
        return ["state", "invite", "telegram_user", "started", "latest_orders"]

    def response_add(
        self, request: HttpRequest, obj: Customer, post_url_continue: str | None = None
    ) -> HttpResponse:
        response = super().response_add(request, obj, post_url_continue)
        if IS_POPUP_VAR in request.POST:
            # The order's form goes on; saving it will tell what the customer needs.
            return response
        words = _("Give the customer their invite:")
        invite = format_html("{} {}", words, invite_of(obj).as_html())
        self.message_user(request, invite, messages.INFO)
        return response


class _OrderLine:
    """An order as the customer's page lists it."""

    def __init__(self, order: Order) -> None:
        self.number = order.number
        self.address = reverse("admin:notifications_order_change", args=[order.pk])
        self.created = when(order.created_at)
        self.message = of_order(order).label()


def _orders_address(customer: Customer) -> str:
    orders = reverse("admin:notifications_order_changelist")
    return f"{orders}?customer__id__exact={customer.pk}"
