"""Statuses and their texts: which text a customer gets, and which may be written."""

import json
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from django.db.models import ProtectedError
from django.utils.translation import override

from notifications.models import Customer, Order, OrderNotification, OrderStatus
from notifications.task_queues import OrderNotificationQueue
from tests.support.orders import connected, new_order
from tests.support.raw_server import Peer, RawServer, answer
from tests.support.workers import drain

pytestmark = pytest.mark.django_db


def told(customer: Customer, status: str = "paid") -> str:
    new_order("42", customer=customer, status_id=status)
    return OrderNotification.objects.get().message


def write(status: str = "paid", **texts: Any) -> None:
    OrderStatus.objects.filter(pk=status).update(**texts)


def problems(**fields: str) -> dict[str, list[str]]:
    status = OrderStatus(**{"code": "x", "name_ru": "Икс"} | fields)
    try:
        status.full_clean()
    except ValidationError as error:
        return error.message_dict
    return {}


# --- which text -----------------------------------------------------------------------


@pytest.mark.parametrize("language", ["", "ru", "en", "de"])
def test_the_default_texts_are_in_the_language_of_the_shop(language: str) -> None:
    assert told(connected(language=language), "new") == "Сформирован заказ номер 42"


def test_the_default_texts_of_an_english_shop_are_english(settings) -> None:
    settings.LANGUAGE_CODE = "en"

    assert told(connected(language="ru")) == "Order number 42: Paid"


@pytest.mark.parametrize("language", ["en", "en-GB"])
def test_a_text_in_the_customers_language_comes_first(language: str) -> None:
    write(text_ru="Спасибо!", text_en="{customer_name}, {order_number} is {status}")

    assert told(connected(language=language)) == "Анна, 42 is Paid"


@pytest.mark.parametrize("language", ["", "en", "de-AT"])
def test_else_comes_the_text_in_the_language_of_the_shop(language: str) -> None:
    write(text_ru="{customer_name}, {order_number}: {status}")

    assert told(connected(language=language)) == "Анна, 42: Оплачен"


def test_a_text_in_another_language_helps_nobody() -> None:
    write(text_en="Thank you!")

    assert told(connected(language="ru")) == "Заказ номер 42: Оплачен"


def test_a_text_of_a_new_order_may_be_written_too() -> None:
    write("new", text_ru="Приняли заказ {order_number}")

    assert told(connected(), "new") == "Приняли заказ 42"


def test_what_the_tutorial_inserts_says_that_an_order_was_placed() -> None:
    write("new", text_ru="Приняли заказ {order_number}")
    bare = OrderNotification.objects.create(order_number="42", tg_user_id=1)

    assert bare.message == "Сформирован заказ номер 42"


@pytest.mark.django_db(transaction=True)
def test_telegram_gets_the_very_text_and_is_asked_for_no_sound(settings) -> None:
    write(text_ru="{customer_name}:\n🌸 <b>{status}</b> ", silent=True)
    new_order(customer=connected(), status_id="paid")
    requests: list[dict[str, Any]] = []

    async def script(peer: Peer) -> None:
        requests.append(json.loads(await peer.read_request()))
        await peer.send(answer())

    settings.TG_BOT_TOKEN = "123:abc"
    with RawServer(script) as server:
        settings.TG_API_URL = server.url
        drain(OrderNotificationQueue())

    (request,) = requests
    assert request["text"] == OrderNotification.objects.get().message
    assert request["text"] == "Анна:\n🌸 <b>Оплачен</b> "
    assert request["disable_notification"] is True


# --- what may be written --------------------------------------------------------------


def test_the_statuses_of_a_new_shop_are_right() -> None:
    statuses = list(OrderStatus.objects.all())
    for status in statuses:
        status.full_clean()

    codes = ["new", "paid", "packed", "shipped", "delivered", "cancelled"]
    assert [status.code for status in statuses] == codes
    assert all(status.notifies and not status.silent for status in statuses)


@pytest.mark.parametrize("field", ["text_ru", "text_en"])
@pytest.mark.parametrize("text", ["{number}", "{order_number", "\u2063", "я" * 4097])
def test_a_wrong_text_is_refused_where_it_stands(field: str, text: str) -> None:
    assert list(problems(**{field: text})) == [field]


def test_a_text_must_fit_with_the_longest_number_and_name() -> None:
    assert (
        problems(text_ru="я" * (4096 - 16 - 400) + "{order_number}{customer_name}")
        == {}
    )
    assert problems(text_ru="я" * (4097 - 16 - 400) + "{order_number}{customer_name}")


def test_a_text_is_kept_without_what_a_form_adds() -> None:
    status = OrderStatus(code="x", name_ru="Икс", text_ru=" \r\nодин\r\n\r\nдва\r\n")
    status.full_clean()

    assert status.text_ru == "один\n\nдва"


def test_a_status_needs_a_name_in_one_language() -> None:
    assert problems(name_ru="", name_en="X") == {}
    assert problems(name_ru="")
    with pytest.raises(IntegrityError), transaction.atomic():
        OrderStatus.objects.create(code="x")


@pytest.mark.parametrize("code", ["", "Paid", "оплачен", "a b", "a\n", "x" * 33])
def test_a_code_is_for_programs(code: str) -> None:
    assert "code" in problems(code=code)


def test_a_name_that_is_missing_is_that_of_another_language() -> None:
    status = OrderStatus(code="x", name_ru="Икс")

    assert status.name_in("en") == status.name_in("de") == "Икс"
    with override("en"):
        assert str(OrderStatus.objects.get(pk="paid")) == "Paid"


# --- the status of new orders ---------------------------------------------------------


def test_the_status_of_new_orders_stays() -> None:
    status = OrderStatus.objects.get(pk="new")

    with pytest.raises(ProtectedError):
        status.delete()
    with pytest.raises(IntegrityError), transaction.atomic():
        OrderStatus.objects.filter(pk="new").update(is_active=False)


def test_a_status_that_an_order_has_stays() -> None:
    new_order(status_id="paid")

    with pytest.raises(ProtectedError):
        OrderStatus.objects.get(pk="paid").delete()
    OrderStatus.objects.get(pk="packed").delete()


def test_an_order_of_another_client_has_the_status_of_new_orders() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO notifications_order (number, customer_id) VALUES (%s, %s)",
            ["42", connected().pk],
        )

    order = Order.objects.get()
    assert (order.status_id, order.notify, order.version) == ("new", True, 0)


@pytest.mark.django_db(transaction=True)
def test_orders_can_be_made_after_the_database_was_emptied() -> None:
    call_command("flush", interactive=False, verbosity=0)

    assert OrderStatus.objects.count() == 6
    new_order()


@pytest.mark.django_db(transaction=True)
def test_statuses_that_a_shop_changed_are_not_made_again() -> None:
    OrderStatus.objects.exclude(pk="new").delete()

    call_command("migrate", verbosity=0)

    assert OrderStatus.objects.count() == 1
