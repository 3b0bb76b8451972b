"""Another status for many orders at once: an action of the list for each."""

from collections import Counter
from functools import partial
from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from notifications.models import MessageChange, Order, OrderStatus, StaleOrder
from notifications.orders import change_status

from .order_list import OrderList

PREFIX = "status_"
# Each is a transaction of its own; more would keep the manager waiting.
MOST_AT_ONCE = 500


class StatusActions(OrderList):
    """Offers every active status."""

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        actions = super().get_actions(request)
        if not self.has_change_permission(request):
            return actions
        for status in OrderStatus.objects.filter(is_active=True):
            name = f"{PREFIX}{status.code}"
            words = _("Status: {status}").format(status=status)
            actions[name] = (partial(_change, status), name, words)
        return actions


def _change(
    status: OrderStatus,
    admin: OrderList,
    request: HttpRequest,
    queryset: QuerySet[Order],
) -> None:
    keys = list(
        queryset.order_by("pk").values_list("pk", flat=True)[: MOST_AT_ONCE + 1]
    )
    if len(keys) > MOST_AT_ONCE:
        words = _("Nothing was changed: choose {limit} orders at most.")
        admin.message_user(request, words.format(limit=MOST_AT_ONCE), messages.ERROR)
        return
    changes, changed = _change_each(keys, status)
    words = _("Status: {status}").format(status=status)
    for order in Order.objects.filter(pk__in=changed):
        admin.log_change(request, order, words)
    admin.message_user(request, _sentence(len(changed), changes), messages.SUCCESS)


def _change_each(
    keys: list[int], status: OrderStatus
) -> tuple[Counter[MessageChange], list[int]]:
    changes: Counter[MessageChange] = Counter()
    others = Order.objects.filter(pk__in=keys).exclude(status=status)
    changed = []
    for key in others.order_by("pk").values_list("pk", flat=True):
        try:
            changes[change_status(key, status.code)] += 1
        except StaleOrder:
            # Somebody has just deleted it.
            continue
        changed.append(key)
    return changes, changed


def _sentence(changed: int, changes: Counter[MessageChange]) -> str:
    told = changes[MessageChange.MADE] + changes[MessageChange.REPLACED]
    parts = [
        ngettext(
            "{count} order has a new status.",
            "{count} orders have a new status.",
            changed,
        ).format(count=changed)
    ]
    if told:
        parts.append(_("Messages on their way: {count}.").format(count=told))
    if later := changes[MessageChange.LATER]:
        parts.append(
            _("Not connected, told when they press Start: {count}.").format(count=later)
        )
    return " ".join(parts)
