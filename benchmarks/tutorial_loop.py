"""The loop that the tutorial's readers know: one row, one new HTTP client, one save.

python -m benchmarks.tutorial_loop URL TOKEN COUNT
"""

import json
import sys
import time

import django


def drain(url: str, token: str, count: int) -> float:
    """Return the seconds that `count` notifications took, one after the other."""
    import httpx
    from django.db import transaction

    from notifications.models import OrderNotification

    pending = OrderNotification.objects.filter(processed=False).exclude(
        failed_attempts_number__gte=3
    )
    started = time.perf_counter()
    for _ in range(count):
        with transaction.atomic():
            item = pending.select_for_update(skip_locked=True).first()
            if item is None:
                raise RuntimeError("There are fewer notifications than were asked for.")
            payload: dict[str, str | int] = {
                "chat_id": item.tg_user_id,
                "text": f"Сформирован заказ номер {item.order_number}",
            }
            response = httpx.post(f"{url}/bot{token}/sendMessage", params=payload)
            response.raise_for_status()
            item.processed = True
            item.save()
    return time.perf_counter() - started


if __name__ == "__main__":
    django.setup()
    url, token, count = sys.argv[1:]
    seconds = drain(url, token, int(count))
    sys.stdout.write(json.dumps({"count": int(count), "seconds": seconds}))
