"""Statuses and texts at the desk: written, checked and shown as an example."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from notifications.models import OrderStatus
from tests.support.orders import new_order
from tests.support.shop import superuser

pytestmark = pytest.mark.django_db


@pytest.fixture
def manager() -> Client:
    client = Client()
    client.force_login(superuser())
    return client


def address(code: str = "paid") -> str:
    return reverse("admin:notifications_orderstatus_change", args=[code])


def form(**changes: Any) -> dict[str, Any]:
    return {
        "name_ru": "Оплачен",
        "name_en": "Paid",
        "position": "2",
        "is_active": "on",
        "notifies": "on",
        "text_ru": "",
        "text_en": "",
    } | changes


def post(manager: Client, fields: dict[str, Any], url: str = "") -> str:
    return manager.post(url or address(), fields, follow=True).content.decode()


def test_a_text_is_written_and_shown_as_an_example(manager: Client) -> None:
    post(manager, form(text_ru="{customer_name}, заказ {order_number}: {status}"))

    assert OrderStatus.objects.get(pk="paid").text_ru.startswith("{customer_name}")
    html = manager.get(address()).content.decode()
    assert "Анна Смирнова, заказ 1042: Оплачен" in html
    assert "34 из 4096" in html


def test_the_example_of_no_text_is_the_default(manager: Client) -> None:
    html = manager.get(address("new")).content.decode()

    assert html.count("Сформирован заказ номер 1042") == 2


def test_an_example_of_what_is_typed_saves_nothing(manager: Client) -> None:
    html = post(manager, form(text_ru="Спасибо, {customer_name}!", _example="1"))

    assert "Спасибо, Анна Смирнова!" in html
    assert "Спасибо, {customer_name}!" in html
    assert "errornote" not in html
    assert OrderStatus.objects.get(pk="paid").text_ru == ""


@pytest.mark.parametrize("button", [{}, {"_example": "1"}])
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{number}", "Переменной {number} нет"),
        ("{order_number", "открыта, но не закрыта"),
        ("я" * 4097, "Telegram принимает не больше 4096"),
    ],
)
def test_a_wrong_text_is_explained(
    manager: Client, text: str, words: str, button: dict[str, str]
) -> None:
    html = post(manager, form(text_en=text) | button)

    assert words in html
    assert OrderStatus.objects.get(pk="paid").text_en == ""


def test_a_text_brings_no_script(manager: Client) -> None:
    html = post(manager, form(text_ru="<script>alert(1)</script>", _example="1"))

    assert "<script>alert(1)" not in html


def test_a_status_of_the_shops_own_is_made(manager: Client) -> None:
    url = reverse("admin:notifications_orderstatus_add")
    post(manager, form(code="ready", name_ru="Готов к выдаче", name_en=""), url)

    order = new_order("42", status_id="ready")
    assert order.notifications.get().message == "Заказ номер 42: Готов к выдаче"


def test_a_code_is_never_changed(manager: Client) -> None:
    post(manager, form(code="other"))

    assert not OrderStatus.objects.filter(pk="other").exists()


def test_the_first_status_is_always_offered_and_stays(manager: Client) -> None:
    fields = form(name_ru="Новый", name_en="New")
    del fields["is_active"]

    html = post(manager, fields, address("new"))

    assert "предлагается всегда" in html
    assert OrderStatus.objects.get(pk="new").is_active
    delete = reverse("admin:notifications_orderstatus_delete", args=["new"])
    assert manager.post(delete, {"post": "yes"}).status_code == 403


def test_a_status_that_orders_have_is_not_deleted(manager: Client) -> None:
    new_order(status_id="paid")
    delete = reverse("admin:notifications_orderstatus_delete", args=["paid"])

    manager.post(delete, {"post": "yes"})

    assert OrderStatus.objects.filter(pk="paid").exists()


def test_the_list_shows_what_customers_read(manager: Client) -> None:
    OrderStatus.objects.filter(pk="packed").update(notifies=False)
    html = manager.get(
        reverse("admin:notifications_orderstatus_changelist")
    ).content.decode()

    assert "Заказ номер 1042: Оплачен" in html
    assert "Заказ номер 1042: Собран" not in html
