"""The list of orders: each with the answer to "did the customer get it?"."""

from typing import Any

from django.contrib import admin
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy

from notifications.models import Order, OrderNotification

from .dates import IndexedCreatedFilter
from .delivery import of_order
from .facts import with_facts
from .filters import OrderStateFilter
from .moments import when
from .order_search import search_orders
from .retrying import RetryAdmin


class OrderList(RetryAdmin[Order]):
    """What is listed, found and retried."""

    list_display = ["number", "customer_link", "message", "created"]
    list_display_links = ["number"]
    list_select_related = ["customer"]
    list_filter = [OrderStateFilter, "status", IndexedCreatedFilter]
    search_fields = ["number"]
    search_help_text = gettext_lazy("Order number, customer's name, phone or @username")
    ordering = ["-pk"]
    # Numbers are text: sorted by them, 10 would come before 9.
    sortable_by = ["created"]
    row_of_notification = "order"

    # --- what is read -----------------------------------------------------------------

    def get_queryset(self, request: HttpRequest) -> QuerySet[Order]:
        notifications = with_facts(OrderNotification.objects.all())
        return (
            super()
            .get_queryset(request)
            .select_related("customer", "status")
            .prefetch_related(Prefetch("notifications", queryset=notifications))
        )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Order], search_term: str
    ) -> tuple[QuerySet[Order], bool]:
        if not search_term.strip():
            return queryset, False
        of_strangers = OrderStateFilter.asks_for_strangers(request)
        found = search_orders(queryset, search_term, of_strangers=of_strangers)
        return found, False

    # --- columns ----------------------------------------------------------------------

    @admin.display(description=gettext_lazy("Customer"))
    def customer_link(self, order: Order) -> SafeString:
        address = reverse(
            "admin:notifications_customer_change", args=[order.customer_id]
        )
        name = format_html('<a href="{}">{}</a>', address, order.customer.name)
        if not order.customer.phone:
            return name
        phone = format_html('<span class="more phone">{}</span>', order.customer.phone)
        return format_html("{} {}", name, phone)

    @admin.display(description=gettext_lazy("Created"), ordering="pk")
    def created(self, order: Order) -> str:
        return when(order.created_at)

    @admin.display(description=gettext_lazy("Message"))
    def message(self, order: Order) -> SafeString:
        return of_order(order).with_more()

    @admin.display(description=gettext_lazy("Message"))
    def message_and_retry(self, order: Order) -> SafeString:
        return self.with_retry(order, self.message(order))

    def with_retry(self, order: Order, badge: SafeString) -> SafeString:
        """Return the badge, and a button where there is something to retry."""
        if any(notification.is_given_up for notification in order.notifications.all()):
            return format_html("{} {}", badge, self.retry_button(order.pk))
        return badge

    def get_list_display(self, request: HttpRequest) -> Any:
        may_retry = self.has_change_permission(request)
        message = "message_and_retry" if may_retry else "message"
        return ["number", "customer_link", message, "status", "created"]
