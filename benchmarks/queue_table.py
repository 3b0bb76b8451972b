"""Fills and reads the notifications table of a benchmark, without the product's code.

python -m benchmarks.queue_table fill COUNT [DELIVERED]
python -m benchmarks.queue_table span
"""

import json
import sys

import django

ATTEMPTS, NOTIFICATIONS = (
    "notifications_deliveryattempt",
    "notifications_ordernotification",
)
# What a foreign client would write: the database has defaults for all the rest.
FILL = f"""
INSERT INTO {NOTIFICATIONS} (order_number, tg_user_id, processed)
WITH RECURSIVE numbers(i) AS (
    SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < %s
)
SELECT CAST(i AS text), i, %s FROM numbers
"""


def fill(pending: int, delivered: int = 0) -> None:
    """Leave exactly so many notifications, each to a chat of its own."""
    from django.db import connection

    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(f"TRUNCATE {ATTEMPTS}, {NOTIFICATIONS} RESTART IDENTITY")
        else:
            for table in (ATTEMPTS, NOTIFICATIONS):
                cursor.execute(f"DELETE FROM {table}")
        for count, processed in ((delivered, True), (pending, False)):
            if count:
                cursor.execute(FILL, [count, processed])
        if connection.vendor == "postgresql":
            # What autovacuum does to a table that lives.
            cursor.execute(f"VACUUM ANALYZE {ATTEMPTS}, {NOTIFICATIONS}")


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
        case ["fill", *counts]:
            fill(*map(int, counts))
        case ["span"]:
            sys.stdout.write(json.dumps(span()))
        case _:
            sys.exit(__doc__)
