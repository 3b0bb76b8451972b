"""Filters of the messages that the dashboard leads to: when and why."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.admin.views.main import ALL_VAR, PAGE_VAR
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise as StrOrPromise

from notifications.models import OrderNotification

from .delivery import what_happened
from .desk import LISTED_ROWS
from .export import is_export
from .filters import StateFilter


class DeliveredFilter(StateFilter):
    """By when the message was delivered."""

    title = gettext_lazy("Delivered")
    parameter_name = "delivered"
    states = {
        "today": gettext_lazy("Today"),
        "week": gettext_lazy("Within 7 days"),
        "month": gettext_lazy("Within 30 days"),
    }

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        is_alone = request.GET.keys() <= {self.parameter_name, PAGE_VAR, ALL_VAR}
        is_list = is_alone and not is_export(request)
        self._at_most = LISTED_ROWS + 1 if is_list else None
        return super().queryset(request, queryset)

    def narrow(
        self, queryset: QuerySet[OrderNotification], state: str
    ) -> QuerySet[OrderNotification]:
        midnight = timezone.localtime().replace(
            hour=0, minute=0, second=0, microsecond=0
        )
        days = {"today": 0, "week": 6, "month": 29}[state]
        delivered = OrderNotification.objects.filter(
            processed_at__gte=midnight - timedelta(days=days)
        )
        # Found by their time, as many as a list can show if nothing else narrows it: to
        # look through the newest messages for the few of today takes a look at all.
        latest = delivered.order_by("-processed_at").values("pk")
        return queryset.filter(pk__in=latest[: self._at_most])


class ReasonFilter(admin.SimpleListFilter):
    """By why the message was not delivered; shown when the dashboard led here."""

    title = gettext_lazy("Reason")
    parameter_name = "reason"

    def lookups(
        self, request: HttpRequest, model_admin: Any
    ) -> "list[tuple[str, StrOrPromise]]":
        # There are too many reasons to offer all of them.
        code = request.GET.get(self.parameter_name, "")[:64]
        return [(code, what_happened(code, "") or _("Unknown"))] if code else []

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[OrderNotification]
    ) -> QuerySet[OrderNotification]:
        code = self.value()
        return queryset.filter(last_error_code=code) if code else queryset
