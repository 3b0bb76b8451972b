"""A shop that has orders already gets what is new."""

from collections.abc import Iterator

import pytest
from django.core.management import call_command
from django.db import connection

from notifications.models import Order, OrderNotification, OrderStatus

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def _before_statuses() -> Iterator[None]:
    call_command("migrate", "notifications", "0005", verbosity=0)
    yield
    call_command("migrate", verbosity=0)


@pytest.mark.usefixtures("_before_statuses")
def test_orders_of_before_have_the_first_status_and_were_told_of_it() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO notifications_customer (id, name, invite_code, tg_user_id,"
            " started_at) VALUES (5, 'Анна', 'x', 1001, '2026-01-01')"
        )
        cursor.execute(
            "INSERT INTO notifications_order (id, number, customer_id)"
            " VALUES (7, '42', 5)"
        )
        cursor.execute(
            "INSERT INTO notifications_ordernotification"
            " (order_id, order_number, tg_user_id) VALUES (7, '42', 1001)"
        )

    call_command("migrate", verbosity=0)

    order, notification = Order.objects.get(), OrderNotification.objects.get()
    assert (order.status_id, order.notify, order.version) == ("new", True, 0)
    assert notification.message == "Сформирован заказ номер 42"
    assert (notification.silent, notification.is_repeat) == (False, False)
    assert OrderStatus.objects.count() == 6
    connection.check_constraints()

    order.status_id = "paid"
    order.save()

    notification.refresh_from_db()
    assert notification.parked == "superseded"
