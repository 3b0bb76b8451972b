"""The page of an order: what its customer was told, how that went, and what changes."""

from typing import Any

from django.contrib import admin, messages
from django.db import IntegrityError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from notifications.models import Order, StaleOrder

from .delivery import of_order
from .invite import invite_of
from .order_form import ChangedOrderForm, tell_change
from .order_list import OrderList
from .order_messages import messages_of
from .send_again import SendAgain
from .typed import ModelForm


class OrderPage(SendAgain, OrderList):
    """An order that was made already."""

    form = ChangedOrderForm

    # --- fields -----------------------------------------------------------------------

    @admin.display(description=gettext_lazy("State"))
    def state(self, order: Order) -> SafeString:
        return of_order(order, has_invite=True).with_more()

    @admin.display(description=gettext_lazy("State"))
    def state_and_retry(self, order: Order) -> SafeString:
        return self.with_retry(order, self.state(order))

    @admin.display(description=gettext_lazy("To the customer"))
    def told(self, order: Order) -> SafeString:
        return messages_of(order, send_again="")

    @admin.display(description=gettext_lazy("To the customer"))
    def told_and_send_again(self, order: Order) -> SafeString:
        return messages_of(order, send_again=self.send_again_url(order))

    @admin.display(description=gettext_lazy("Invite"))
    def invite(self, order: Order) -> SafeString:
        return invite_of(order.customer).as_html()

    # --- which of them ----------------------------------------------------------------

    def get_fieldsets(self, request: HttpRequest, obj: Order | None = None) -> Any:
        if obj is None:
            return super().get_fieldsets(request, obj)
        if self.has_change_permission(request, obj):
            facts = [
                "state_and_retry",
                "number",
                "customer",
                "status",
                "notify",
                "created",
                "seen_version",
            ]
            told = "told_and_send_again"
        else:
            facts = ["state", "number", "customer_link", "status", "notify", "created"]
            told = "told"
        if not obj.customer.is_reachable:
            facts.insert(1, "invite")
        return [(None, {"fields": facts}), (_("Messages"), {"fields": [told]})]

    def get_readonly_fields(
        self, request: HttpRequest, obj: Order | None = None
    ) -> list[str]:
        if obj is None:
            return []
        message = ["state", "state_and_retry", "told", "told_and_send_again", "invite"]
        return ["customer_link", "created", *message]

    def get_form(
        self,
        request: HttpRequest,
        obj: Order | None = None,
        change: bool = False,
        **kwargs: Any,
    ) -> type[ModelForm[Order]]:
        form = super().get_form(request, obj, change, **kwargs)
        if status := form.base_fields.get("status"):
            # Statuses have a page of their own: no buttons beside it that change them.
            status.widget = status.widget.widget
        return form

    # --- saving -----------------------------------------------------------------------

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        try:
            return super().change_view(request, object_id, form_url, extra_context)
        except (IntegrityError, StaleOrder):
            # The number was taken, or the order changed, between the form's check and
            # the update: check again, and say so.
            try:
                return super().change_view(request, object_id, form_url, extra_context)
            except StaleOrder:
                words = _("Nothing was saved: somebody else is changing this order.")
                self.message_user(request, words, messages.ERROR)
                page = reverse("admin:notifications_order_change", args=[object_id])
                return HttpResponseRedirect(page)

    def response_change(self, request: HttpRequest, obj: Order) -> HttpResponse:
        response = super().response_change(request, obj)
        tell_change(request, obj)
        return response
