"""What few rows are in is found by an index, and each list makes its search once."""

import re
from collections.abc import Iterator
from datetime import timedelta
from itertools import product
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from notifications.admin import order_search, searching
from notifications.admin.desk import LISTED_ROWS
from notifications.models import Customer, Order, OrderNotification
from tests.support import shop

pytestmark = pytest.mark.django_db

ORDERS = "admin:notifications_order_changelist"
CUSTOMERS = "admin:notifications_customer_changelist"
RETRY_ORDERS = "admin:notifications_order_retry_found"
RETRY_MESSAGES = "admin:notifications_ordernotification_retry_found"
# All of them hold hardly more than what waits.
WAITING = {
    "notification_claim_order",
    "notification_chat_order",
    "one_open_notification_per_order",
}
GIVEN_UP = {"notification_given_up"}
OF_ORDER = {"notification_of_order"}


@pytest.fixture
def manager(client: Client) -> Client:
    client.force_login(shop.superuser())
    shop.orders_in_every_state()
    if connection.vendor == "postgresql":
        # So few rows are read whole in any case, unless that is made to look dear.
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
    return client


@pytest.fixture
def busy_shop() -> None:
    """Most messages were delivered, some wait, few were given up; all this is known."""
    customer = shop.connected("Вера", 4000)
    Order.objects.bulk_create(
        Order(number=str(number), customer=customer) for number in range(1000, 2500)
    )
    delivered = OrderNotification.objects.filter(order_number__lt="2300")
    delivered.filter(tg_user_id=4000).update(
        processed=True, processed_at=timezone.now()
    )
    with connection.cursor() as cursor:
        for table in ("order", "ordernotification", "customer"):
            cursor.execute(f"ANALYZE notifications_{table}")


@pytest.mark.parametrize(
    ("page", "query", "indexes"),
    [
        (ORDERS, {"state": "waiting"}, WAITING),
        (ORDERS, {"state": "waiting", "status__code__exact": "new"}, WAITING),
        (ORDERS, {"state": "waiting", "q": "а"}, WAITING),
        (ORDERS, {"state": "failed"}, GIVEN_UP),
        (ORDERS, {"state": "blocked", "day": "today"}, GIVEN_UP),
        (ORDERS, {"state": "delivered"}, OF_ORDER),
        (RETRY_ORDERS, {}, GIVEN_UP),
        (RETRY_ORDERS, {"state": "delivered"}, GIVEN_UP),
        (RETRY_MESSAGES, {"state": "delivered"}, GIVEN_UP),
    ],
)
@pytest.mark.usefixtures("busy_shop")
def test_messages_are_found_by_the_index_of_their_state(
    manager: Client, page: str, query: dict[str, str], indexes: set[str]
) -> None:
    with CaptureQueriesContext(connection) as captured:
        manager.get(reverse(page), query)

    # What is to be retried is counted; lists are cut off.
    mark = f"LIMIT {LISTED_ROWS + 1}" if page == ORDERS else "COUNT("
    found = [each["sql"] for each in captured if mark in each["sql"]]
    assert found
    for search in found:
        assert any(index in plan_of(search) for index in indexes), plan_of(search)


@pytest.mark.parametrize("query", [{"q": "а"}, {"q": "а", "all": ""}])
def test_a_list_of_one_page_is_searched_once(
    manager: Client, query: dict[str, Any]
) -> None:
    with CaptureQueriesContext(connection) as captured:
        manager.get(reverse(ORDERS), query)

    assert len(searches(captured)) == 1


@pytest.mark.parametrize(
    "query",
    [
        {"q": "а"},
        {"q": "1"},
        {"q": "nobody"},
        {"q": "алла 1"},
        {"q": "а 2"},
        {"q": "..."},
        {"q": "а", "state": "unsubscribed"},
        {"q": "1", "state": "not_connected"},
        {"q": "п", "state": "not_connected"},
        {"state": "not_connected"},
        {"state": "unsubscribed"},
    ],
    ids=str,
)
def test_what_is_found_does_not_depend_on_how_many_fit(
    manager: Client, monkeypatch: pytest.MonkeyPatch, query: dict[str, str]
) -> None:
    def found() -> list[int]:
        page = manager.get(reverse(ORDERS), query)
        return [order.pk for order in page.context["cl"].result_list]

    for number in range(3):
        now = timezone.now()
        silent = shop.connected(f"Алла {number}", 2000 + number, unsubscribed_at=now)
        shop.order(f"2{number}", silent)
        shop.order(f"1{number}1", Customer.objects.create(name=f"Павел {number}"))
        shop.order(f"3{number}", shop.connected(f"Ада {number}", 3000 + number))
    as_few = found()
    for customers, orders in product((0, 1, 100), repeat=2):
        monkeypatch.setattr(order_search, "MOST_CUSTOMERS", customers)
        monkeypatch.setattr(searching, "MOST_LISTED", customers)
        monkeypatch.setattr(order_search, "MOST_ORDERS", orders)
        monkeypatch.setattr(order_search, "MOST_ORDERS_OF_MANY", orders)
        assert found() == as_few


@pytest.mark.parametrize("page", [ORDERS, CUSTOMERS])
def test_a_word_that_nearly_all_have_is_looked_up_for_each_row(
    manager: Client, monkeypatch: pytest.MonkeyPatch, page: str
) -> None:
    monkeypatch.setattr(order_search, "MOST_CUSTOMERS", 0)
    monkeypatch.setattr(searching, "MOST_LISTED", 0)
    with CaptureQueriesContext(connection) as captured:
        manager.get(reverse(page), {"q": "а"})

    (search,) = searches(captured)
    assert re.search(r"EXISTS\(SELECT .*customerword", search), search
    assert not re.search(r" IN \(SELECT .*customerword", search), search


@pytest.mark.skipif(
    connection.vendor == "sqlite", reason="counts what fits before it looks for it"
)
@pytest.mark.parametrize(
    ("term", "listed", "is_sorted_when_found"),
    [("1", 100, True), ("1", 0, False), ("п", 100, False)],
)
def test_numbers_of_long_ago_are_not_looked_for_from_the_newest_order_on(
    manager: Client,
    monkeypatch: pytest.MonkeyPatch,
    term: str,
    listed: int,
    is_sorted_when_found: bool,
) -> None:
    monkeypatch.setattr(searching, "MOST_LISTED", listed)
    shop.order("1001", Customer.objects.create(name="Павел 1"))

    with CaptureQueriesContext(connection) as captured:
        manager.get(reverse(ORDERS), {"q": term, "state": "not_connected"})

    (search,) = searches(captured)
    assert ("id + 0" in plan_of(search)) is is_sorted_when_found, plan_of(search)


def test_the_orders_of_a_day_are_found_by_their_index(manager: Client) -> None:
    nobody = Customer.objects.create(name="Павел")
    Order.objects.bulk_create(
        Order(number=f"{number}", customer=nobody) for number in range(1000, 3000)
    )
    days_ago = timezone.now() - timedelta(days=9)
    Order.objects.filter(customer=nobody).update(created_at=days_ago)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE notifications_order")

    with CaptureQueriesContext(connection) as captured:
        manager.get(reverse(ORDERS), {"day": "today"})

    (search,) = searches(captured)
    plan = plan_of(search)
    assert plan.count("order_by_day") >= 2, plan


@pytest.mark.skipif(
    connection.vendor == "sqlite", reason="tells nobody how many rows it read"
)
@pytest.mark.django_db(transaction=True)
def test_what_to_retry_is_counted_row_by_row_when_statistics_tell_of_empty_tables(
    client: Client,
) -> None:
    def fill() -> None:
        Order.objects.bulk_create(
            Order(number=str(number), customer=customer) for number in range(1000)
        )

    client.force_login(shop.superuser())
    customer = shop.connected()
    fill()
    OrderNotification.objects.all().delete()
    Order.objects.all().delete()
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    fill()
    OrderNotification.objects.update(**shop.given_up())

    with CaptureQueriesContext(connection) as captured:
        client.get(reverse(RETRY_ORDERS), {"state": "failed"})

    counts = [each["sql"] for each in captured if "COUNT(" in each["sql"]]
    assert counts
    for count in counts:
        assert max(rows_read(count)) < 10_000, plan_of(count)


def searches(captured: CaptureQueriesContext) -> list[str]:
    """Return the queries for the keys of the rows that a list shows."""
    return [
        each["sql"]
        for each in captured
        if f"LIMIT {LISTED_ROWS + 1}" in each["sql"] and "COUNT(" not in each["sql"]
    ]


def plan_of(sql: str) -> str:
    explain = "EXPLAIN QUERY PLAN" if connection.vendor == "sqlite" else "EXPLAIN"
    with connection.cursor() as cursor:
        cursor.execute(f"{explain} {sql}")
        return "\n".join(str(row[-1]) for row in cursor.fetchall())


def rows_read(sql: str) -> Iterator[float]:
    """Run it on PostgreSQL; yield how many rows each step of its plan gave in all."""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}")
        ((plan,),) = cursor.fetchone()
    steps = [plan["Plan"]]
    while steps:
        step = steps.pop()
        yield step["Actual Rows"] * step["Actual Loops"]
        steps += step.get("Plans", ())
