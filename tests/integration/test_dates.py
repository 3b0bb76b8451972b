"""Lists are narrowed to days of the shop's clock."""

from datetime import datetime, time, timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from notifications.models import Order, OrderNotification
from tests.support.shop import connected, given_up, list_of, order, orders_listed, page
from tests.support.shop import superuser as make_superuser

pytestmark = pytest.mark.django_db

LIST = reverse("admin:notifications_order_changelist")
MESSAGES = reverse("admin:notifications_ordernotification_changelist")


@pytest.fixture
def manager(client: Client) -> Client:
    client.force_login(make_superuser())
    return client


def midnight(days_ago: int) -> datetime:
    day = timezone.localdate() - timedelta(days=days_ago)
    return timezone.make_aware(datetime.combine(day, time.min))


@pytest.fixture(autouse=True)
def _orders() -> None:
    """Make an order at the very beginning and at the very end of some days."""
    customer = connected()
    for days_ago in (0, 1, 6, 7, 400):
        for name, moment in (
            ("a", midnight(days_ago)),
            ("z", midnight(days_ago - 1) - timedelta(seconds=1)),
        ):
            made = order(f"{days_ago}{name}", customer)
            Order.objects.filter(pk=made.pk).update(created_at=moment)
            OrderNotification.objects.filter(order=made).update(created_at=moment)


def day(days_ago: int) -> str:
    return (timezone.localdate() - timedelta(days=days_ago)).isoformat()


@pytest.mark.parametrize(
    ("asked", "days"),
    [
        ({"day": "today"}, [0]),
        ({"day": "yesterday"}, [1]),
        ({"day": "week"}, [6, 1, 0]),
        ({"since": 7, "until": 1}, [7, 6, 1]),
        ({"since": 1}, [1, 0]),
        ({"until": 7}, [400, 7]),
        ({"since": 1, "until": 6}, []),
        ({"since": "", "until": ""}, [400, 7, 6, 1, 0]),
    ],
)
def test_both_ends_of_a_day_belong_to_it(
    manager: Client, asked: dict[str, str | int], days: list[int]
) -> None:
    # Not when tests are collected: that may have been yesterday.
    query = {
        name: day(value) if isinstance(value, int) else value
        for name, value in asked.items()
    }
    expected = {f"{days_ago}{end}" for days_ago in days for end in "az"}

    assert set(orders_listed(manager, **query)) == expected
    if query.get("since") or query.get("day"):
        html = list_of(manager, "notifications_ordernotification", **query)
        assert html.count('class="field-order_number"') == len(expected)


@pytest.mark.parametrize("name", ["since", "until", "day"])
@pytest.mark.parametrize(
    "value", ["soon", "2024-02-30", "0001-01-01", "9999-12-31", "10000-01-01", "<b>"]
)
def test_a_date_that_is_none_is_not_taken_for_no_limit(
    manager: Client, name: str, value: str
) -> None:
    response = manager.get(LIST, {name: value})

    assert response.status_code == 302
    assert response.url.endswith("?e=1")  # type: ignore[attr-defined]  # a redirect has one
    Order.objects.get(number="0a").notifications.update(**given_up())
    retry = reverse("admin:notifications_order_retry_found")
    manager.post(f"{retry}?{name}={value}")
    assert OrderNotification.objects.given_up().exists()


def test_the_form_of_a_range_keeps_what_else_was_chosen(manager: Client) -> None:
    query = {"state": "waiting", "q": "анна <b>", "since": day(7)}

    html = page(manager, LIST, **query).split('class="date-range"')[1]
    form = html.split("</form>")[0]

    assert '<input type="hidden" name="state" value="waiting">' in form
    assert '<input type="hidden" name="q" value="анна &lt;b&gt;">' in form
    assert f'name="since" value="{day(7)}"' in form
    assert 'type="hidden" name="since"' not in form


def test_the_choice_of_a_day_is_marked(manager: Client) -> None:
    html = page(manager, LIST, day="yesterday")

    selected = html.split('<li class="selected">')
    assert any("Вчера" in choice.split("</li>")[0] for choice in selected)
