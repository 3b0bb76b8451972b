"""What Start, Stop, block and unblock change in the shop's books."""

import threading
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from notifications.customers import (
    Greeting,
    TelegramChat,
    mark_blocked,
    mark_unblocked,
    press_start,
    unsubscribe,
)
from notifications.models import Customer, Order, OrderNotification

CHAT = 7_100_000_001
OTHER_CHAT = 7_100_000_002

pytestmark = pytest.mark.django_db


def chat(
    chat_id: int = CHAT, *, first_name: str = "Анна", **facts: str
) -> TelegramChat:
    return TelegramChat(id=chat_id, first_name=first_name, **facts)


def invited(name: str = "Анна Смирнова") -> Customer:
    return Customer.objects.create(name=name)


def order(customer: Customer, number: str = "1", **age: Any) -> Order:
    made = Order.objects.create(number=number, customer=customer)
    if age:
        created_at = timezone.now() - timedelta(**age)
        Order.objects.filter(pk=made.pk).update(created_at=created_at)
    return made


def given_up(error_code: str, chat_id: int = CHAT, **fields: Any) -> OrderNotification:
    return OrderNotification.objects.create(
        order_number="9",
        tg_user_id=chat_id,
        failed_attempts_number=3,
        last_error_code=error_code,
        **fields,
    )


def ago(**delta: float) -> datetime:
    return timezone.now() - timedelta(**delta)


def test_start_registers_an_unknown_chat() -> None:
    started = press_start(
        chat(last_name="Петрова", username="anna", language_code="ru"), ""
    )

    customer = Customer.objects.get()
    assert started.greeting is Greeting.NEW
    assert started.customer == customer
    assert (customer.name, customer.tg_username, customer.language) == (
        "Анна Петрова",
        "anna",
        "ru",
    )
    assert customer.tg_user_id == CHAT
    assert customer.registered_by_bot
    assert customer.is_reachable


@pytest.mark.parametrize(
    ("facts", "name"),
    [
        ({"first_name": "🌸🐈‍⬛"}, "🌸🐈‍⬛"),
        ({"first_name": "", "username": "cat"}, "cat"),
        ({"first_name": ""}, f"Telegram {CHAT}"),
        ({"first_name": "\u200b\u2060", "last_name": " "}, f"Telegram {CHAT}"),
        ({"first_name": "А\x00н\x07на\n", "last_name": "\u202eП\ud800"}, "Анна П"),
        ({"first_name": "я" * 300}, "я" * 200),
        ({"first_name": "محمد", "last_name": "李"}, "محمد 李"),
    ],
)
def test_any_name_makes_a_name_that_can_be_kept(
    facts: dict[str, str], name: str
) -> None:
    press_start(TelegramChat(id=CHAT, **facts), "")

    assert Customer.objects.get().name == name


def test_a_second_start_is_harmless_and_refreshes_what_may_change() -> None:
    press_start(chat(username="old", language_code="ru"), "")
    Customer.objects.update(name="Анна из чата", phone="+7 916")

    started = press_start(chat(username="new"), "")

    customer = Customer.objects.get()
    assert started.greeting is Greeting.AGAIN
    assert (customer.name, customer.phone) == ("Анна из чата", "+7 916")
    assert (customer.tg_username, customer.language) == ("new", "ru")
    assert set(customer.words.values_list("word", flat=True)) >= {"new", "чата"}


def test_a_code_links_the_invited_customer_and_keeps_the_name_of_the_manager() -> None:
    customer = invited("Смирнова, ул. Ленина")

    started = press_start(chat(username="anna"), customer.invite_code)

    linked = Customer.objects.get()
    assert started.greeting is Greeting.LINKED
    assert (linked.pk, linked.name) == (customer.pk, "Смирнова, ул. Ленина")
    assert (linked.tg_user_id, linked.tg_username) == (CHAT, "anna")
    assert linked.started_at is not None
    assert not linked.registered_by_bot


def test_the_same_code_again_is_harmless() -> None:
    customer = invited()
    press_start(chat(), customer.invite_code)

    started = press_start(chat(), customer.invite_code)

    assert started.greeting is Greeting.AGAIN
    assert Customer.objects.count() == 1


def test_orders_made_before_start_get_their_notifications_in_order() -> None:
    customer = invited()
    order(customer, "8", days=30)
    for number in ("1", "2", "3"):
        order(customer, number)
    assert not OrderNotification.objects.exists()

    press_start(chat(), customer.invite_code)

    rows = OrderNotification.objects.order_by("pk")
    assert [row.order_number for row in rows] == ["1", "2", "3"]
    assert {row.tg_user_id for row in rows} == {CHAT}


def test_a_chat_that_came_by_itself_moves_over_with_its_orders() -> None:
    press_start(chat(), "")
    own_card = Customer.objects.get()
    Customer.objects.update(phone="+7 916")
    order(own_card, "1")
    card = invited("Анна Смирнова")
    order(card, "2")

    started = press_start(chat(), card.invite_code)

    customer = Customer.objects.get()
    assert started.greeting is Greeting.LINKED
    assert (customer.pk, customer.name, customer.phone) == (
        card.pk,
        "Анна Смирнова",
        "+7 916",
    )
    assert set(Order.objects.values_list("customer", flat=True)) == {card.pk}
    rows = OrderNotification.objects.order_by("pk")
    assert [(row.order_number, row.tg_user_id) for row in rows] == [
        ("1", CHAT),
        ("2", CHAT),
    ]


@pytest.mark.parametrize(
    "code", ["nonsense", "x" * 200, "\x00", "' OR 1=1 --", "код", "two words", "\ud800"]
)
def test_an_unknown_code_registers_the_chat_and_says_so(code: str) -> None:
    started = press_start(chat(), code)

    assert started.greeting is Greeting.CODE_UNKNOWN
    assert Customer.objects.get().tg_user_id == CHAT


def test_a_code_of_another_chat_is_refused_and_changes_nothing() -> None:
    customer = invited()
    press_start(chat(), customer.invite_code)

    started = press_start(chat(OTHER_CHAT), customer.invite_code)

    assert started.greeting is Greeting.CODE_TAKEN
    assert started.customer is None
    assert Customer.objects.get().tg_user_id == CHAT


def test_a_linked_chat_cannot_take_a_second_card() -> None:
    first, second = invited("Анна"), invited("Анна вторая")
    press_start(chat(), first.invite_code)
    order(second, "2")

    started = press_start(chat(), second.invite_code)

    second.refresh_from_db()
    assert started.greeting is Greeting.ALREADY_LINKED_ELSEWHERE
    assert second.tg_user_id is None
    assert not OrderNotification.objects.exists()


def test_after_stop_orders_wait_until_start() -> None:
    press_start(chat(), "")
    assert unsubscribe(CHAT)
    customer = Customer.objects.get()
    assert not customer.is_reachable
    order(customer, "1")
    assert not OrderNotification.objects.exists()

    press_start(chat(), "")

    customer.refresh_from_db()
    assert customer.is_reachable
    assert OrderNotification.objects.get().order_number == "1"


def test_stop_of_an_unknown_chat_registers_nobody() -> None:
    assert not unsubscribe(CHAT)
    assert not Customer.objects.exists()


@pytest.mark.parametrize(
    "error_code", ["blocked_by_user", "not_started", "chat_not_found"]
)
def test_start_makes_what_was_given_up_for_its_lack_due_again(error_code: str) -> None:
    row = given_up(error_code)

    press_start(chat(), "")

    row.refresh_from_db()
    assert row.failed_attempts_number == 0
    assert row.next_attempt_at <= timezone.now()


def test_start_leaves_alone_what_it_does_not_cure() -> None:
    delivered = given_up("blocked_by_user", processed=True)
    other_reason = given_up("text_refused")
    other_chat = given_up("blocked_by_user", OTHER_CHAT)
    long_ago = given_up("blocked_by_user", created_at=ago(days=30))

    press_start(chat(), "")

    for row in (delivered, other_reason, other_chat, long_ago):
        row.refresh_from_db()
        assert row.failed_attempts_number == 3


def test_block_and_unblock_are_noted_with_their_times() -> None:
    press_start(chat(), "", ago(hours=3))
    row = given_up("blocked_by_user")
    blocked_at, unblocked_at = ago(hours=2), ago(hours=1)

    assert mark_blocked(CHAT, blocked_at)
    assert Customer.objects.get().blocked_at == blocked_at

    assert mark_unblocked(CHAT, unblocked_at)
    customer = Customer.objects.get()
    row.refresh_from_db()
    assert customer.blocked_at is None
    assert customer.started_at == unblocked_at
    assert row.failed_attempts_number == 0


def test_old_news_of_a_block_changes_nothing() -> None:
    press_start(chat(), "", ago(hours=1))

    assert not mark_blocked(CHAT, ago(hours=2))
    assert Customer.objects.get().blocked_at is None

    mark_blocked(CHAT, ago(minutes=10))
    assert not mark_unblocked(CHAT, ago(minutes=20))
    assert Customer.objects.get().blocked_at is not None


def test_news_of_an_unknown_chat_registers_nobody() -> None:
    assert not mark_blocked(CHAT, timezone.now())
    assert not mark_unblocked(CHAT, timezone.now())
    assert not Customer.objects.exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("with_code", [False, True])
def test_two_starts_at_once_make_one_customer(with_code: bool) -> None:
    code = invited().invite_code if with_code else ""
    barrier = threading.Barrier(4)
    greetings: list[str] = []

    def start() -> None:
        barrier.wait()
        try:
            greetings.append(press_start(chat(), code).greeting)
        except Exception as error:
            greetings.append(repr(error))
        finally:
            connection.close()

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    first = Greeting.LINKED if with_code else Greeting.NEW
    assert sorted(greetings) == sorted([first, *[Greeting.AGAIN] * 3])
    assert Customer.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_an_order_placed_during_start_is_told_exactly_once() -> None:
    customer = invited()
    barrier = threading.Barrier(2)

    def place() -> None:
        barrier.wait()
        try:
            order(customer, "1")
        finally:
            connection.close()

    thread = threading.Thread(target=place)
    thread.start()
    barrier.wait()
    press_start(chat(), customer.invite_code)
    thread.join()

    assert OrderNotification.objects.count() == 1
