"""Fills and reads the notifications table of a benchmark, without the product's code.

python -m benchmarks.queue_table fill COUNT
python -m benchmarks.queue_table span
"""

import json
import sys

import django

BATCH = 10_000


def fill(count: int) -> None:
    """Leave exactly `count` pending notifications, each to a chat of its own."""
    from django.db import connection

    from notifications.models import OrderNotification

    tables = ["notifications_deliveryattempt", "notifications_ordernotification"]
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(f"TRUNCATE {', '.join(tables)} RESTART IDENTITY")
        else:
            for table in tables:
                cursor.execute(f"DELETE FROM {table}")
    for start in range(0, count, BATCH):
        OrderNotification.objects.bulk_create(
            OrderNotification(order_number=str(number), tg_user_id=number + 1)
            for number in range(start, min(count, start + BATCH))
        )
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"VACUUM ANALYZE {', '.join(tables)}")


def span() -> dict[str, float]:
    """Return how many were delivered, and the seconds from the first to the last."""
    from django.db.models import Count, Max, Min

    from notifications.models import DeliveryAttempt

    delivered = DeliveryAttempt.objects.filter(outcome="delivered").aggregate(
        count=Count("pk"), first=Min("started_at"), last=Max("finished_at")
    )
    seconds = (delivered["last"] - delivered["first"]).total_seconds()
    return {"count": delivered["count"], "seconds": seconds}


if __name__ == "__main__":
    django.setup()
    match sys.argv[1:]:
        case ["fill", count]:
            fill(int(count))
        case ["span"]:
            sys.stdout.write(json.dumps(span()))
        case _:
            sys.exit(__doc__)
