"""The page of an order: what its customer was told, and how that went."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from notifications.messages import text_about
from notifications.models import Order

from .invite import invite_of
from .order_list import OrderList
from .timeline import timeline


class OrderPage(OrderList):
    """An order that was made already."""

    # --- fields -----------------------------------------------------------------------

    @admin.display(description=gettext_lazy("State"))
    def state(self, order: Order) -> SafeString:
        return self.message(order)

    @admin.display(description=gettext_lazy("State"))
    def state_and_retry(self, order: Order) -> SafeString:
        return self.message_and_retry(order)

    @admin.display(description=gettext_lazy("Text"))
    def text(self, order: Order) -> SafeString:
        latest = next(iter(order.notifications.all()), None)
        told = (
            latest.message
            if latest
            else text_about(order.number, order.status, order.customer)
        )
        return format_html('<span class="message-text">{}</span>', told)

    @admin.display(description=gettext_lazy("What happened"))
    def history(self, order: Order) -> SafeString | str:
        for notification in order.notifications.all():
            return timeline(notification)
        return _("Nothing yet: there is no message.")

    @admin.display(description=gettext_lazy("Invite"))
    def invite(self, order: Order) -> SafeString:
        return invite_of(order.customer).as_html()

    # --- which of them ----------------------------------------------------------------

    def get_fieldsets(self, request: HttpRequest, obj: Order | None = None) -> Any:
        if obj is None:
            return super().get_fieldsets(request, obj)
        may_retry = self.has_change_permission(request, obj)
        state = "state_and_retry" if may_retry else "state"
        message = [state, "text", "history"]
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
        shown = ["customer_link", "created", "text", "history", "invite"]
        return ["number", "customer", *shown, "state", "state_and_retry"]
