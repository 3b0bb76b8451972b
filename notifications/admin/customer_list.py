"""The list of customers: who they are, and whether messages reach them."""

from django.contrib import admin
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy

from notifications.models import Customer, Order

from .connection import connection_line
from .desk import DeskAdmin
from .filters import ConnectionFilter
from .searching import customers_matching


class CustomerList(DeskAdmin[Customer]):
    """Found by name, phone or @username, and by the state of their connection."""

    add_words = gettext_lazy("New customer")
    list_display = ["name", "phone", "connection", "orders_made"]
    list_filter = [ConnectionFilter]
    search_fields = ["name"]
    search_help_text = gettext_lazy("Name, phone or @username")
    ordering = ["name", "pk"]
    sortable_by = ["name"]

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

    @admin.display(description=gettext_lazy("Telegram"))
    def connection(self, customer: Customer) -> SafeString:
        return connection_line(customer)

    @admin.display(description=gettext_lazy("Orders"))
    def orders_made(self, customer: Customer) -> SafeString | int:
        made: int = vars(customer)["orders_made"]
        if not made:
            return 0
        return format_html('<a href="{}">{}</a>', orders_address(customer), made)


def orders_address(customer: Customer) -> str:
    """Return where all orders of the customer are listed."""
    orders = reverse("admin:notifications_order_changelist")
    return f"{orders}?customer__id__exact={customer.pk}"
