"""The query that the worker keeps prepared finds what the queue says is claimable."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from notifications.models import OrderNotification, Parked
from notifications.task_queues import OrderNotificationQueue
from tests.support.shop import connected

pytestmark = pytest.mark.django_db


@pytest.fixture
def rows():
    now = timezone.now()
    connected("Silent", 3, unsubscribed_at=now)
    states: list[dict[str, Any]] = [
        {"tg_user_id": 1},
        {"tg_user_id": 1},
        {"tg_user_id": 2, "next_attempt_at": now + timedelta(hours=1)},
        {"tg_user_id": 3},
        {"tg_user_id": 4, "processed": True},
        {"tg_user_id": 4, "next_attempt_at": now - timedelta(hours=1)},
        {"tg_user_id": 5, "failed_attempts_number": 3},
        {"tg_user_id": 5, "parked": Parked.UNCERTAIN},
        {"tg_user_id": 5, "text": "Собран", "silent": True},
        {"tg_user_id": 6},
    ]
    return [
        OrderNotification.objects.create(order_number=str(number), **state)
        for number, state in enumerate(states)
    ]


@pytest.mark.parametrize("busy", [[], [0], [5, 8], [0, 5, 8, 9]])
@pytest.mark.parametrize("most", [1, 2, 100])
def test_what_is_prepared_is_what_the_queue_says(rows, busy, most):
    queue = OrderNotificationQueue()
    keys = [rows[number].pk for number in busy]

    prepared = queue.read_claimable(keys, most)

    said = queue.select_claimable(queue.read_startable(), keys)
    assert prepared == list(said[:most])
    assert said.count() == 4 - len(busy)


@pytest.mark.parametrize(("waiting", "delivered"), [(2_000, 2_000), (2_000, 6_000)])
def test_what_is_due_first_is_read_first_however_much_waits(waiting, delivered):
    """Whoever sorts, or looks for the first of each chat, must not read all for it."""
    OrderNotification.objects.bulk_create(
        OrderNotification(
            order_number="1", tg_user_id=chat, processed=number < delivered
        )
        for number, chat in enumerate([*range(delivered), *range(waiting)])
    )
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE notifications_ordernotification")
    queue = OrderNotificationQueue()

    plan = queue.select_claimable(queue.read_startable(), [1, 2, 3])[:64].explain()

    assert "notification_claim_order" in plan
    assert "sort" not in plan.lower()
    assert "temp b-tree" not in plan.lower()


def test_all_that_sending_needs_is_read_at_once(rows, django_assert_num_queries):
    queue = OrderNotificationQueue()
    with django_assert_num_queries(1):
        found = queue.read_claimable([], 100)
        assert [row.message for row in found if row.silent] == ["Собран"]
        assert all(row.order_number and row.tg_user_id for row in found)
        assert {row.last_error_code for row in found} == {""}
