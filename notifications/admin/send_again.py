"""«Send again»: a message that was delivered goes out once more, after a question."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _

from notifications.models import Order
from notifications.orders import CannotRepeat, send_again

from .delivery import of_notification
from .moments import when
from .order_list import OrderList
from .order_messages import latest_told


class SendAgain(OrderList):
    """A question, and its answer by POST."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.send_again_view)
        address = path(
            "<int:pk>/send-again/", view, name="notifications_order_send_again"
        )
        return [address, *super().get_urls()]

    def send_again_url(self, order: Order) -> str:
        """Return where is asked whether to send the order's latest message again."""
        return reverse("admin:notifications_order_send_again", args=[order.pk])

    def send_again_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask with the exact text; send it when the answer is yes."""
        order = self.get_object(request, str(pk))
        if order is None:
            raise Http404
        if not self.has_change_permission(request, order):
            raise PermissionDenied
        if request.method == "POST":
            return self._send(request, order)
        latest = latest_told(list(order.notifications.all()))
        if latest is None or not latest.processed:
            self._refuse(request, CannotRepeat.Reason.NOT_DELIVERED)
            return HttpResponseRedirect(self._page_of(order))
        context: dict[str, Any] = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Send the message again"),
            "order": order,
            "message": latest,
            "repeated": when(latest.created_at, seconds=True),
            "state": of_notification(latest).label(),
            "back": self._page_of(order),
        }
        return TemplateResponse(request, "admin/notifications/send_again.html", context)

    def _send(self, request: HttpRequest, order: Order) -> HttpResponse:
        given = request.POST.get("message", "")
        # The very message that was asked about: a second click asks for no other.
        known = {str(one.pk): one.pk for one in order.notifications.all()}
        try:
            if given not in known:
                raise CannotRepeat(CannotRepeat.Reason.OVERTAKEN)
            send_again(known[given])
        except CannotRepeat as refused:
            self._refuse(request, refused.reason)
        else:
            self.log_change(request, order, _("Sent again."))
            words = _("The message is on its way to the customer again.")
            self.message_user(request, words, messages.SUCCESS)
        return HttpResponseRedirect(self._page_of(order))

    def _refuse(self, request: HttpRequest, reason: CannotRepeat.Reason) -> None:
        words = {
            CannotRepeat.Reason.NOT_DELIVERED: _(
                "Only a message that was delivered can be sent again."
            ),
            CannotRepeat.Reason.OVERTAKEN: _(
                "It was not sent again: there is a newer message already."
            ),
            CannotRepeat.Reason.UNREACHABLE: _(
                "It was not sent again: the bot cannot write to this customer now."
            ),
        }[reason]
        self.message_user(request, words, messages.WARNING)

    def _page_of(self, order: Order) -> str:
        return reverse("admin:notifications_order_change", args=[order.pk])
