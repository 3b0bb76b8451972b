"""What the models promise, whoever writes to them and however."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from notifications.models import (
    BotStatus,
    Customer,
    DeliveryAttempt,
    Order,
    OrderNotification,
)

pytestmark = pytest.mark.django_db


def connected(tg_user_id: int = 1001, **fields: Any) -> Customer:
    return Customer.objects.create(
        name="Анна", tg_user_id=tg_user_id, started_at=timezone.now(), **fields
    )


def numbers_told() -> list[tuple[str, int]]:
    return list(
        OrderNotification.objects.order_by("pk").values_list(
            "order_number", "tg_user_id"
        )
    )


def test_saving_a_new_order_makes_one_notification() -> None:
    order = Order.objects.create(number="7", customer=connected())

    assert numbers_told() == [("7", 1001)]
    assert order.notifications.get().is_given_up is False


def test_saving_an_order_again_makes_no_other_notification() -> None:
    order = Order.objects.create(number="7", customer=connected())
    order.save()

    assert numbers_told() == [("7", 1001)]


def test_bulk_create_makes_the_notifications_of_all_orders() -> None:
    reachable, unknown = connected(), Customer.objects.create(name="Пётр")
    silent = connected(1002, unsubscribed_at=timezone.now())
    orders = [
        Order(number="1", customer=reachable),
        Order(number="2", customer=unknown),
        Order(number="3", customer=silent),
        Order(number="4", customer=reachable),
    ]

    Order.objects.bulk_create(orders)

    assert numbers_told() == [("1", 1001), ("4", 1001)]


@pytest.mark.parametrize("option", ["ignore_conflicts", "update_conflicts"])
def test_bulk_create_refuses_to_guess_which_orders_are_new(option: str) -> None:
    with pytest.raises(ValueError, match="unknown which are new"):
        Order.objects.bulk_create([], **{option: True})


def test_an_order_of_somebody_who_never_pressed_start_makes_no_notification() -> None:
    Order.objects.create(number="7", customer=Customer.objects.create(name="Пётр"))

    assert numbers_told() == []


def test_an_order_and_its_notification_are_saved_together_or_not_at_all() -> None:
    customer = connected()
    _forbid_notifications_about("boom")

    with pytest.raises(IntegrityError), transaction.atomic():
        Order.objects.create(number="boom", customer=customer)

    assert not Order.objects.exists()


def _forbid_notifications_about(number: str) -> None:
    """Let the database refuse the second of the two inserts."""
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE UNIQUE INDEX only_once ON notifications_ordernotification"
            " (order_number)"
        )
    OrderNotification.objects.create(order_number=number, tg_user_id=1001)


def test_two_orders_cannot_have_one_number() -> None:
    Order.objects.create(number="7", customer=connected())

    with pytest.raises(IntegrityError), transaction.atomic():
        Order.objects.create(number="7", customer=Customer.objects.get())


def test_an_order_cannot_have_two_notifications_that_may_still_be_sent() -> None:
    order = Order.objects.create(number="7", customer=connected())

    with pytest.raises(IntegrityError), transaction.atomic():
        OrderNotification.about(order, order.customer).save()


def test_an_order_needs_a_number() -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Order.objects.create(number="", customer=connected())


def test_a_chat_belongs_to_one_customer() -> None:
    connected()

    with pytest.raises(IntegrityError), transaction.atomic():
        connected()


def test_a_customer_has_a_chat_if_and_only_if_they_pressed_start() -> None:
    for fields in ({"tg_user_id": 5}, {"started_at": timezone.now()}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Customer.objects.create(name="Анна", **fields)


def test_there_is_one_bot_status() -> None:
    BotStatus.record(at=timezone.now(), username="shop_bot")
    BotStatus.record(at=timezone.now(), username="other_bot")

    assert BotStatus.objects.get().username == "other_bot"
    with pytest.raises(IntegrityError), transaction.atomic():
        BotStatus.objects.create(pk=2)


def test_a_notification_is_about_nobody_without_a_chat() -> None:
    customer = Customer.objects.create(name="Пётр")
    order = Order.objects.create(number="7", customer=customer)

    with pytest.raises(ValueError, match="has not pressed Start"):
        OrderNotification.about(order, customer)


def test_a_row_with_the_four_columns_alone_gets_sound_defaults() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO notifications_ordernotification (order_number, tg_user_id,"
            " processed, failed_attempts_number) VALUES (%s, %s, %s, %s)",
            ["42", 1001, False, 0],
        )

    notification = OrderNotification.objects.get()
    age = timezone.now() - notification.created_at
    assert abs(age.total_seconds()) < 60
    wait = notification.next_attempt_at - notification.created_at
    assert abs(wait.total_seconds()) < 1
    assert (notification.processed_at, notification.order) == (None, None)
    assert (notification.last_error_code, notification.last_error) == ("", "")


def test_a_row_with_number_and_chat_alone_waits_to_be_sent() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO notifications_ordernotification (order_number, tg_user_id)"
            " VALUES ('42', 1001)"
        )

    assert OrderNotification.objects.unfinished().count() == 1


def test_the_tutorials_own_code_makes_a_notification() -> None:
    OrderNotification(order_number="42", tg_user_id=1001, processed=False).save()

    assert OrderNotification.objects.unfinished().count() == 1


def test_retry_gives_a_fresh_count_to_what_was_given_up_and_to_nothing_else() -> None:
    def notification(**fields: Any) -> OrderNotification:
        return OrderNotification.objects.create(
            order_number="1", tg_user_id=1, **fields
        )

    later = timezone.now() + timedelta(hours=1)
    given_up = notification(failed_attempts_number=3, next_attempt_at=later)
    waiting = notification(failed_attempts_number=2, next_attempt_at=later)
    delivered = notification(failed_attempts_number=3, processed=True)

    assert OrderNotification.objects.retry() == 1

    given_up.refresh_from_db()
    waiting.refresh_from_db()
    delivered.refresh_from_db()
    assert given_up.failed_attempts_number == 0
    assert given_up.next_attempt_at <= timezone.now()
    assert (waiting.failed_attempts_number, waiting.next_attempt_at) == (2, later)
    assert delivered.failed_attempts_number == 3


def words_of(customer: Customer) -> set[str]:
    return set(customer.words.values_list("word", flat=True))


def test_the_words_of_a_search_follow_the_customer() -> None:
    customer = Customer.objects.create(
        name="ИВАНОВ", phone="+7 (912) 345-67-89", tg_username="IvanOFF"
    )
    phone = {"79123456789", "9123456789", "~98765432197"}
    assert words_of(customer) == {"иванов", "ivanoff", *phone}

    customer.name = "Петров Пётр"
    customer.save(update_fields=["name"])
    assert words_of(customer) == {"петров", "петр", "ivanoff", *phone}

    (other,) = Customer.objects.bulk_create([Customer(name="Анна-Мария 🌸")])
    assert words_of(other) == {"анна", "мария", "🌸"}


def test_an_attempt_is_named_after_its_time_in_the_shop() -> None:
    noon = datetime(2026, 11, 21, 12, tzinfo=UTC)
    attempt = DeliveryAttempt(started_at=noon, outcome="delivered")

    with timezone.override("Europe/Moscow"):
        assert str(attempt) == "15:00:00 Доставлено"
