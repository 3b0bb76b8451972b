"""A new order: what is said before it is saved, and what two saves of it make."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection, connections
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from notifications.models import (
    BotStatus,
    Customer,
    Order,
    OrderNotification,
    OrderStatus,
)
from tests.support.shop import add_order, connected, given_up, order, page, superuser

pytestmark = pytest.mark.django_db

ADD = reverse("admin:notifications_order_add")
OUTLOOK = reverse("admin:notifications_order_outlook")
FOUND = reverse("admin:notifications_order_retry_found")


@pytest.fixture
def manager(client: Client) -> Client:
    client.force_login(superuser())
    return client


def made() -> tuple[int, int]:
    return Order.objects.count(), OrderNotification.objects.count()


# --- before it is saved ---------------------------------------------------------------


def test_the_exact_message_is_shown_before_it_is_sent(manager: Client) -> None:
    customer = connected()

    html = page(manager, OUTLOOK, customer=str(customer.pk), number="105")

    assert "Сформирован заказ номер 105" in html
    assert "Подключён" in html
    assert "warning" not in html
    add_order(manager, "105", customer)
    assert "Сформирован заказ номер 105" in html


def test_who_is_not_connected_is_named_with_their_invite(manager: Client) -> None:
    BotStatus.record(at=timezone.now(), username="my_shop_bot")
    customer = Customer.objects.create(name="Пётр")

    html = page(manager, OUTLOOK, customer=str(customer.pk), number="105")

    assert "Клиент не подключён: сообщение уйдёт, как только он нажмёт Start." in html
    assert f"https://t.me/my_shop_bot?start={customer.invite_code}" in html
    assert f"/start {customer.invite_code}" in html


@pytest.mark.parametrize(
    ("moment", "words"),
    [
        ("unsubscribed_at", "Клиент отписался"),
        ("blocked_at", "Клиент заблокировал бота"),
    ],
)
def test_who_went_away_is_named_with_their_invite(
    manager: Client, moment: str, words: str
) -> None:
    customer = connected()
    Customer.objects.update(**{moment: timezone.now()})

    html = page(manager, OUTLOOK, customer=str(customer.pk), number="105")

    assert words in html
    assert f"/start {customer.invite_code}" in html


@pytest.mark.parametrize("customer", ["", "0", "999", "x", "-1", "٣", "9" * 40])
@pytest.mark.parametrize("number", ["", "<b>", "9" * 5000, "\0", "{x}"])
def test_whatever_is_filled_in_has_an_outlook(
    manager: Client, customer: str, number: str
) -> None:
    html = page(manager, OUTLOOK, customer=customer, number=number)

    assert "warning" not in html
    assert "<b>" not in html
    assert len(html) < 1000


def test_the_form_says_it_without_scripts(manager: Client) -> None:
    customer = Customer.objects.create(name="Пётр")

    html = page(manager, ADD, customer=str(customer.pk))

    assert 'aria-live="polite"' in html
    assert f"/start {customer.invite_code}" in html
    assert "Сформирован заказ номер 1<" in html


def test_a_form_with_a_mistake_says_it_again(manager: Client) -> None:
    customer = Customer.objects.create(name="Пётр")

    assert f"/start {customer.invite_code}" in add_order(manager, "1 2", customer)


def test_only_who_may_add_orders_asks(client: Client) -> None:
    user = User.objects.create_user("observer", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    client.force_login(user)
    customer = Customer.objects.create(name="Пётр")

    assert client.get(OUTLOOK, {"customer": customer.pk}).status_code == 403
    assert client.post(ADD, {"number": "1"}).status_code == 403


def test_asking_changes_nothing_and_is_no_post(manager: Client) -> None:
    assert manager.post(OUTLOOK).status_code == 405
    assert made() == (0, 0)


# --- without a message ----------------------------------------------------------------


def test_an_order_may_be_made_without_a_word_to_its_customer(manager: Client) -> None:
    customer = connected()

    html = page(manager, OUTLOOK, customer=str(customer.pk), number="1", quietly="true")
    assert "Клиенту об этом заказе не сообщат: так выбрано." in html
    assert "Сформирован" not in html
    response = manager.post(
        ADD, {"number": "1", "customer": customer.pk, "quietly": "on"}, follow=True
    )

    assert (
        "Клиенту об этом заказе не сообщат: так выбрано." in response.content.decode()
    )
    assert made() == (1, 0)
    assert not Order.objects.get().notify


def test_where_new_orders_are_not_told_of_the_form_says_so(manager: Client) -> None:
    OrderStatus.objects.update(notifies=False)
    customer = Customer.objects.create(name="Пётр")

    words = "О новых заказах клиентам не сообщают: так настроен их статус."
    assert words in page(manager, OUTLOOK, customer=str(customer.pk), number="1")
    assert words in add_order(manager, "1", customer)


def test_the_box_stays_ticked_when_the_form_has_a_mistake(manager: Client) -> None:
    customer = connected()

    response = manager.post(
        ADD, {"number": "1 2", "customer": customer.pk, "quietly": "on"}
    )

    html = response.content.decode()
    assert 'id="id_quietly" checked' in html
    assert "Клиенту об этом заказе не сообщат" in html


@pytest.mark.parametrize("customer", ["x", "", "0", "9" * 30, "1,2"])
def test_an_address_that_names_no_customer_opens_the_form(
    manager: Client, customer: str
) -> None:
    answer = manager.get(ADD, {"customer": customer})

    assert answer.status_code == 200
    assert 'value="1"' in answer.content.decode()
    refused = manager.post(ADD, {"number": "7", "customer": customer})
    assert 'class="errorlist"' in refused.content.decode()
    assert made() == (0, 0)


def test_nothing_is_deleted_from_beside_a_choice(manager: Client) -> None:
    made = order("1", connected())

    for address in (ADD, reverse("admin:notifications_order_change", args=[made.pk])):
        assert "delete_id_" not in page(manager, address)


# --- what it costs --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "query", "most"),
    [
        (ADD, "?customer={pk}", 20),
        (OUTLOOK, "?customer={pk}&number=9", 6),
        (FOUND, "?state=failed", 12),
    ],
)
def test_the_queries_of_a_page_do_not_grow_with_the_orders(
    manager: Client, address: str, query: str, most: int
) -> None:
    customer = connected()
    address += query.format(pk=customer.pk)

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            manager.get(address)
        return len(captured)

    order("100", customer, **given_up())
    queries()  # what the first page of all asks once and for all
    few = queries()
    for number in range(101, 120):
        order(str(number), customer, **given_up())

    assert queries() == few
    assert few <= most


# --- saved twice ----------------------------------------------------------------------


def test_the_same_form_sent_again_makes_nothing_and_shows_no_mistake(
    manager: Client,
) -> None:
    customer = connected()
    add_order(manager, "105", customer)

    html = add_order(manager, "105", customer)

    assert "Заказ 105 уже сохранён: второй раз он не создан." in html
    assert "errornote" not in html
    assert made() == (1, 1)


@pytest.mark.parametrize(
    ("button", "leads_to"),
    [("_save", "/order/"), ("_addanother", "/order/add/"), ("_continue", "/change/")],
)
def test_the_form_sent_again_leads_where_its_button_says(
    manager: Client, button: str, leads_to: str
) -> None:
    customer = connected()
    form = {"number": "105", "customer": customer.pk, button: "1"}
    manager.post(ADD, form)

    response = manager.post(ADD, form)

    assert response.url.endswith(leads_to)  # type: ignore[attr-defined]  # a redirect has one
    assert made() == (1, 1)


def test_an_old_order_of_the_same_customer_is_no_repetition(manager: Client) -> None:
    customer = connected()
    order("105", customer)
    Order.objects.update(created_at=timezone.now() - timedelta(days=30))

    assert "Заказ 105 уже есть." in add_order(manager, "105", customer)
    assert made() == (1, 1)


def test_a_number_of_another_customer_is_taken(manager: Client) -> None:
    order("105", connected())

    html = add_order(manager, "105", connected("Пётр", 1002))

    assert "Заказ 105 уже есть. Следующий свободный номер — 106." in html
    assert made() == (1, 1)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("customers", "words"),
    [(1, "Заказ 105 уже сохранён"), (2, "Заказ 105 уже есть.")],
    ids=["two clicks", "two managers"],
)
def test_two_submits_at_the_same_moment_make_one_order(
    customers: int, words: str
) -> None:
    people = [connected("Анна", 1001), connected("Пётр", 1002)]
    user = superuser()
    both_ready = threading.Barrier(2)

    def submit(customer: Customer) -> str:
        try:
            browser = Client()
            browser.force_login(user)
            both_ready.wait()
            return add_order(browser, "105", customer)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        submits = [pool.submit(submit, people[nth % customers]) for nth in range(2)]
        pages = [page.result() for page in submits]

    assert made() == (1, 1)
    assert sum(words in html for html in pages) == 1
