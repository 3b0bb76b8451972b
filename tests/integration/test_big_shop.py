"""The shop of many orders, on which pages are measured, is one that could be real."""

from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from benchmarks.big_shop import fill
from notifications.models import (
    Customer,
    DeliveryAttempt,
    Order,
    OrderNotification,
    Parked,
)

pytestmark = pytest.mark.django_db
ORDERS = 2000


def test_a_big_shop_has_orders_in_many_states_and_goes_on(client: Client) -> None:
    said: list[str] = []
    fill(ORDERS, said.append)

    assert Order.objects.count() == ORDERS
    assert OrderNotification.objects.unfinished().exists()
    assert OrderNotification.objects.given_up().count() > ORDERS / 300
    assert OrderNotification.objects.filter(processed=True).count() > ORDERS / 2
    assert DeliveryAttempt.objects.count() > OrderNotification.objects.count() / 2
    lately = timezone.now() - timedelta(hours=24)
    assert OrderNotification.objects.filter(processed_at__gte=lately).exists()
    assert set(OrderNotification.objects.values_list("parked", flat=True)) == {
        "",
        *Parked.values,
    }
    failed = OrderNotification.objects.filter(failed_attempts_number=3)
    assert failed.values("last_error_code").distinct().count() > 2
    assert Order.objects.values("status").distinct().order_by().count() > 5
    assert LogEntry.objects.count() == ORDERS
    reachable = Customer.objects.exclude(tg_user_id=None).filter(unsubscribed_at=None)
    customer = reachable.first()
    assert customer is not None
    made = Order.objects.create(number="new", customer=customer)
    assert made.notifications.count() == 1
    assert client.login(username="manager", password="manager")
    orders = reverse("admin:notifications_order_changelist")
    assert client.get(orders, {"q": "иванов"}).status_code == 200
    assert len(said) == 6


def test_a_shop_with_orders_is_left_alone() -> None:
    Customer.objects.create(name="Анна")

    with pytest.raises(ValueError, match="already"):
        fill(10, print)

    assert not Order.objects.exists()
