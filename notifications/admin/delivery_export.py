"""The table of deliveries, in the words of a manager."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from django.db.models import Count
from django.utils.translation import gettext_lazy

from notifications.exporting import moment
from notifications.models import Customer, DeliveryAttempt, OrderNotification

from .delivery import of_notification, what_happened
from .export import ExportAdmin


class DeliveryExport(ExportAdmin[OrderNotification]):
    """Each message, to whom it went, and how that went."""

    exported_columns = (
        gettext_lazy("Order number"),
        gettext_lazy("Customer"),
        gettext_lazy("Phone"),
        gettext_lazy("Telegram user ID"),
        gettext_lazy("State"),
        gettext_lazy("Created"),
        gettext_lazy("Delivered"),
        gettext_lazy("Attempts"),
        gettext_lazy("Last error"),
        gettext_lazy("What Telegram said"),
    )

    def exported_rows(
        self, rows: Sequence[OrderNotification]
    ) -> Iterable[Iterable[Any]]:
        customers = _customers_of(rows)
        attempts = _attempts_at(rows)
        for row in rows:
            customer = customers.get(row.pk)
            yield (
                row.order_number,
                customer.name if customer else "",
                customer.phone if customer else "",
                row.tg_user_id,
                of_notification(row, with_time=False).words,
                moment(row.created_at),
                moment(row.processed_at),
                # Old attempts may have been pruned.
                max(attempts[row.pk], row.failed_attempts_number + row.processed),
                what_happened(row.last_error_code, row.last_error),
                row.last_error,
            )


def _customers_of(rows: Sequence[OrderNotification]) -> dict[int, Customer]:
    """Return who each message is for: of one without an order, whose chat it is."""
    known = Customer.objects.in_bulk(
        {row.order.customer_id for row in rows if row.order is not None}
    )
    chats = {row.tg_user_id for row in rows if row.order is None}
    of_chats = Customer.objects.in_bulk(chats, field_name="tg_user_id")

    def pairs() -> Iterator[tuple[int, Customer | None]]:
        for row in rows:
            if row.order is None:
                yield row.pk, of_chats.get(row.tg_user_id)
            else:
                yield row.pk, known.get(row.order.customer_id)

    return {pk: customer for pk, customer in pairs() if customer is not None}


def _attempts_at(rows: Sequence[OrderNotification]) -> Counter[int]:
    attempts = DeliveryAttempt.objects.filter(notification__in=[r.pk for r in rows])
    counted = attempts.order_by().values_list("notification").annotate(Count("pk"))
    return Counter(dict(counted))
