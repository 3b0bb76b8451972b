"""«Повторить»: for one row, for the chosen, and for everything that was found."""

import re

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from notifications.admin import retry_found
from notifications.models import Customer, Order, OrderNotification, Parked
from tests.support.shop import (
    connected,
    given_up,
    list_of,
    order,
    order_page,
    orders_in_every_state,
    page,
    superuser,
)

pytestmark = pytest.mark.django_db

ORDERS = "notifications_order"
MODELS = [ORDERS, "notifications_ordernotification"]
FOUND = reverse("admin:notifications_order_retry_found")


@pytest.fixture
def manager(client: Client) -> Client:
    client.force_login(superuser())
    return client


@pytest.fixture
def observer(client: Client) -> Client:
    """Return somebody who may look at everything and change nothing."""
    user = User.objects.create_user("observer", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    client.force_login(user)
    return client


def failed_orders(count: int, customer: Customer | None = None) -> None:
    customer = customer or connected()
    Order.objects.bulk_create(
        Order(number=f"F{number}", customer=customer) for number in range(count)
    )
    OrderNotification.objects.filter(order_number__startswith="F").update(**given_up())


def given_up_count() -> int:
    return OrderNotification.objects.given_up().count()


# --- who may --------------------------------------------------------------------------


@pytest.mark.parametrize("name", MODELS)
def test_who_may_only_look_sees_no_button_and_no_action(
    observer: Client, name: str
) -> None:
    made = order("6", connected(), **given_up())
    pk = made.pk if name == ORDERS else made.notifications.get().pk

    for html in (
        list_of(observer, name),
        page(observer, reverse(f"admin:{name}_change", args=[pk])),
    ):
        assert "Не доставлено" in html
        assert "retry" not in html
        assert "Повторить" not in re.sub(r"(?s)class=\"more\">.*?</span>", "", html)


@pytest.mark.parametrize("name", MODELS)
def test_who_may_only_look_cannot_retry_what_was_found(
    observer: Client, name: str
) -> None:
    order("6", connected(), **given_up())
    address = reverse(f"admin:{name}_retry_found")

    assert observer.get(address).status_code == 403
    assert observer.post(address).status_code == 403
    assert given_up_count() == 1


# --- one ------------------------------------------------------------------------------


def test_a_second_click_says_that_the_message_is_waiting_already(
    manager: Client,
) -> None:
    made = order("6", connected(), **given_up())
    address = reverse("admin:notifications_order_retry", args=[made.pk])
    manager.post(address)

    html = manager.post(address, follow=True).content.decode()

    assert "Сообщение уже ждёт отправки." in html
    assert "0 сообщений" not in html
    assert made.notifications.count() == 1


# --- everything that was found --------------------------------------------------------


def test_the_list_leads_to_a_question_that_counts_what_its_filter_found(
    manager: Client,
) -> None:
    orders_in_every_state()

    html = list_of(manager, ORDERS, state="blocked", q="анна", p="1")
    link = re.search(rf'href="({FOUND}[^"]*)"', html)

    assert link is not None
    address = link[1].replace("&amp;", "&")
    assert "Среди найденного не доставлено 1 сообщение." in page(manager, address)
    assert given_up_count() == 2
    manager.post(address)
    assert given_up_count() == 1


def test_without_a_filter_the_question_is_about_all(manager: Client) -> None:
    orders_in_every_state()

    assert "Всего не доставлены 2 сообщения." in page(manager, FOUND)


def test_nothing_found_means_nothing_to_confirm(manager: Client) -> None:
    order("6", connected(), **given_up())

    html = page(manager, FOUND, q="никого")

    assert "Среди найденного нет сообщений, которые можно повторить." in html
    assert 'type="submit" class="default"' not in html


def test_what_may_have_arrived_is_named_before_it_is_sent_again(
    manager: Client,
) -> None:
    order("1", connected(), parked=Parked.UNCERTAIN)

    assert "О 1 из них неизвестно, дошло ли оно" in page(manager, FOUND)


def test_more_than_a_list_counts_is_retried_to_the_last(manager: Client) -> None:
    failed_orders(3_050)
    assert "не доставлено 3" in page(manager, FOUND, state="failed")

    response = manager.post(f"{FOUND}?state=failed")
    while response.status_code == 200:
        html = response.content.decode()
        left = re.search(r"осталось (\d+)", html)
        sent = dict(re.findall(r'name="(below|retried)" value="(\d+)"', html))
        assert left is not None
        assert int(left[1]) == given_up_count() == 3_050 - int(sent["retried"])
        response = manager.post(f"{FOUND}?state=failed", sent)

    assert given_up_count() == 0
    assert response.url == "/admin/notifications/order/?state=failed"  # type: ignore[attr-defined]  # a redirect has one
    html = page(manager, response.url)  # type: ignore[attr-defined]  # as above
    assert "3050 сообщений будут отправлены снова." in html


def test_what_fails_again_meanwhile_is_not_retried_again(manager: Client) -> None:
    customer = connected()
    first, second = order("1", customer, **given_up()), order("2", customer)
    newest = second.notifications.get().pk
    OrderNotification.objects.update(**given_up())

    manager.post(FOUND, {"below": newest, "retried": 1})

    assert first.notifications.get().failed_attempts_number == 0
    assert second.notifications.get().failed_attempts_number == 3


def test_the_confirmation_sent_twice_repeats_nothing(manager: Client) -> None:
    failed_orders(3)
    manager.post(FOUND)
    OrderNotification.objects.update(processed=True)

    html = manager.post(FOUND, follow=True).content.decode()

    assert "Сообщений, которые можно повторить, нет." in html
    assert OrderNotification.objects.filter(processed=True).count() == 3


def test_a_look_at_the_question_changes_nothing(manager: Client) -> None:
    failed_orders(2)

    page(manager, FOUND)

    assert given_up_count() == 2


@pytest.mark.parametrize("query", ["?nonsense=1", "?created_at__gte=soon"])
def test_an_address_that_means_nothing_leads_back_to_the_list(
    manager: Client, query: str
) -> None:
    failed_orders(1)

    response = manager.post(FOUND + query)

    assert response.status_code == 302
    assert given_up_count() == 1


@pytest.mark.parametrize("cursor", ["", "x", "-1", "9" * 30, "٣"])
def test_a_broken_part_retries_no_more_than_was_found(
    manager: Client, cursor: str
) -> None:
    failed_orders(2)

    assert manager.post(FOUND, {"below": cursor, "retried": cursor}).status_code == 302


def test_selecting_across_pages_asks_first(manager: Client) -> None:
    failed_orders(60)
    some = Order.objects.all()[:50]
    address = reverse("admin:notifications_order_changelist") + "?state=failed"

    response = manager.post(
        address,
        {
            "action": "retry_chosen",
            "select_across": "1",
            "_selected_action": [made.pk for made in some],
        },
    )

    assert response.url == f"{FOUND}?state=failed"  # type: ignore[attr-defined]  # a redirect has one
    assert given_up_count() == 60
    html = list_of(manager, ORDERS)
    assert "Выбрать всё найденное" in html
    assert "Выбрать все 60" not in html


def test_the_queries_of_a_part_hardly_grow_with_its_rows(manager: Client) -> None:
    customer = connected()

    def queries(count: int) -> int:
        failed_orders(count, customer)
        with CaptureQueriesContext(connection) as captured:
            manager.post(FOUND)
        Order.objects.all().delete()
        return len(captured)

    # The notes in the admin's log are inserted some hundred at a time.
    assert queries(retry_found.BATCH) < queries(2) + 10


def test_a_retried_message_is_noted_in_the_log_of_its_page(manager: Client) -> None:
    made = order("6", connected(), **given_up())
    manager.post(FOUND)

    history = reverse(
        "admin:notifications_ordernotification_history",
        args=[made.notifications.get().pk],
    )

    assert "повторена" in page(manager, history)
    assert "Не доставлено" not in page(manager, order_page(made))
