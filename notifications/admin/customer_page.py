"""The page of a customer, which sees by itself that they have pressed Start."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.options import IS_POPUP_VAR
from django.core.exceptions import PermissionDenied
from django.forms.widgets import Media, Script
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET

from notifications.models import Connection, Customer

from .connection import connection_panel
from .customer_history import messages_of, orders_of
from .customer_list import CustomerList
from .invite import invite_of

# What the page shows anew when the state of the connection has changed.
_PARTS = {
    "connection": connection_panel,
    "orders": orders_of,
    "messages": messages_of,
}


class CustomerPage(CustomerList):
    """Name and phone to change; below them what the bot knows and has sent."""

    # --- fields -----------------------------------------------------------------------

    @admin.display(description=gettext_lazy("State"))
    def state(self, customer: Customer) -> SafeString:
        waits = customer.connection is not Connection.CONNECTED
        watch = reverse("admin:notifications_customer_connection", args=[customer.pk])
        return format_html(
            '<div data-part="connection" aria-live="polite"{}>{}</div>',
            format_html(
                ' data-watch="{}" data-known="{}"', watch, customer.connection.value
            )
            if waits
            else "",
            connection_panel(customer),
        )

    @admin.display(description=gettext_lazy("Orders"))
    def orders(self, customer: Customer) -> SafeString:
        return format_html('<div data-part="orders">{}</div>', orders_of(customer))

    @admin.display(description=gettext_lazy("Messages"))
    def sent_messages(self, customer: Customer) -> SafeString:
        return format_html('<div data-part="messages">{}</div>', messages_of(customer))

    def get_fieldsets(self, request: HttpRequest, obj: Customer | None = None) -> Any:
        person = (None, {"fields": ["name", "phone"]})
        if obj is None:
            return [person]
        return [
            person,
            (_("Telegram"), {"fields": ["state"]}),
            (_("Orders and messages"), {"fields": ["orders", "sent_messages"]}),
        ]

    def get_readonly_fields(
        self, request: HttpRequest, obj: Customer | None = None
    ) -> list[str]:
        return ["state", "orders", "sent_messages"]

    @property
    def media(self) -> Media:
        script = Script("notifications/connection.js", defer=True)
        return super().media + Media(js=[script])  # type: ignore[list-item]  # stubs of 5.1

    # --- what the page asks for while it waits ----------------------------------------

    def get_urls(self) -> list[URLPattern]:
        view = require_GET(self.admin_site.admin_view(self.connection_view))
        name = "notifications_customer_connection"
        return [path("<int:pk>/connection/", view, name=name), *super().get_urls()]

    def connection_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Answer 204 while the state is the known one, else the parts of the page."""
        customer = self.model.objects.filter(pk=pk).first()
        if not self.has_view_permission(request, customer):
            raise PermissionDenied
        if customer is None:
            raise Http404
        if request.GET.get("known") == customer.connection:
            return HttpResponse(status=204)
        parts = {name: render(customer) for name, render in _PARTS.items()}
        return JsonResponse({"state": customer.connection, "parts": parts})

    # --- a new customer ---------------------------------------------------------------

    def response_add(
        self, request: HttpRequest, obj: Customer, post_url_continue: str | None = None
    ) -> HttpResponse:
        if IS_POPUP_VAR in request.POST:
            # The order's form goes on; saving it will tell what the customer needs.
            return super().response_add(request, obj, post_url_continue)
        response = super().response_add(request, obj, post_url_continue)
        words = _("Give the customer their invite:")
        invite = format_html("{} {}", words, invite_of(obj).as_html())
        self.message_user(request, invite, messages.INFO)
        return response
