"""An order changes: what its customer is told, and what is no longer told."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from notifications.customers import TelegramChat, press_start, unsubscribe
from notifications.models import (
    Customer,
    MessageChange,
    Order,
    OrderNotification,
    OrderStatus,
    StaleOrder,
)
from notifications.orders import change_status
from notifications.task_queues import OrderNotificationQueue
from tests.support.orders import (
    CHAT,
    connected,
    deliver,
    new_order,
    states,
    take,
)
from tests.support.settling import failure, settle, success

pytestmark = pytest.mark.django_db(transaction=True)


def change(order: Order, **fields: Any) -> MessageChange:
    """Save an order as somebody does who has just read it."""
    fresh = Order.objects.get(pk=order.pk)
    for name, value in fields.items():
        setattr(fresh, name, value)
    fresh.save()
    return fresh.message_change


def texts() -> list[str]:
    return [message.message for message in OrderNotification.objects.order_by("pk")]


def start(customer: Customer, chat_id: int = CHAT) -> int:
    chat = TelegramChat(id=chat_id, first_name="Анна")
    before = OrderNotification.objects.count()
    press_start(chat, customer.invite_code)
    return OrderNotification.objects.count() - before


# --- status ---------------------------------------------------------------------------


def test_a_new_order_has_the_first_status_and_tells_that_it_was_placed() -> None:
    order = new_order("42")

    assert order.status_id == "new"
    assert order.message_change is MessageChange.MADE
    assert texts() == ["Сформирован заказ номер 42"]


def test_each_new_status_is_told_once() -> None:
    order = new_order("42")
    deliver()

    assert change(order, status_id="paid") is MessageChange.MADE
    assert deliver() == ["Заказ номер 42: Оплачен"]
    assert change(order, status_id="shipped") is MessageChange.MADE
    assert deliver() == ["Заказ номер 42: Отправлен"]


def test_the_same_status_again_tells_nothing() -> None:
    order = new_order()
    change(order, status_id="paid")

    assert change(order, status_id="paid") is MessageChange.NONE
    assert change_status(order.pk, "paid") is MessageChange.NONE
    assert states(order) == [("new", "superseded"), ("paid", "waiting")]


def test_what_still_waits_is_replaced_before_it_is_sent() -> None:
    order = new_order("42")

    assert change(order, status_id="paid") is MessageChange.REPLACED
    assert change(order, status_id="shipped") is MessageChange.REPLACED

    assert deliver() == ["Заказ номер 42: Отправлен"]
    assert states(order) == [
        ("new", "superseded"),
        ("paid", "superseded"),
        ("shipped", "delivered"),
    ]


def test_what_was_given_up_is_replaced_and_never_retried() -> None:
    order = new_order()
    OrderNotification.objects.update(failed_attempts_number=3)

    change(order, status_id="paid")

    assert OrderNotification.objects.retry() == 0
    assert states(order) == [("new", "superseded"), ("paid", "waiting")]


def test_messages_of_a_chat_keep_their_order() -> None:
    customer = connected()
    first = new_order("1", customer=customer)
    second = new_order("2", customer=customer)
    change(first, status_id="paid")
    change(second, status_id="paid")

    assert deliver() + deliver() + deliver() == [
        "Заказ номер 1: Оплачен",
        "Заказ номер 2: Оплачен",
    ]


def test_a_message_that_is_being_sent_comes_before_the_new_one() -> None:
    order = new_order("42")
    (attempt,) = take()

    assert change(order, status_id="paid") is MessageChange.MADE
    assert take() == []
    settle(OrderNotificationQueue(), success(attempt))

    assert deliver() == ["Заказ номер 42: Оплачен"]
    assert states(order) == [("new", "delivered"), ("paid", "delivered")]


def test_a_message_that_was_being_sent_and_failed_is_not_repeated() -> None:
    order = new_order("42")
    (attempt,) = take()
    change(order, status_id="paid")

    settle(OrderNotificationQueue(), failure(attempt))
    OrderNotification.objects.update(next_attempt_at=timezone.now())

    assert deliver() == ["Заказ номер 42: Оплачен"]
    assert states(order) == [("new", "superseded"), ("paid", "delivered")]
    first = OrderNotification.objects.earliest("pk")
    assert first.attempts.get().outcome == "refused"


def test_a_status_that_notifies_nobody_drops_what_still_waits() -> None:
    """An order that was cancelled without a word must not tell "paid" afterwards."""
    OrderStatus.objects.filter(pk="cancelled").update(notifies=False)
    order = new_order()
    change(order, status_id="paid")

    assert change(order, status_id="cancelled") is MessageChange.DROPPED
    assert deliver() == []
    assert change(order, status_id="new") is MessageChange.MADE


def test_an_order_that_begins_with_another_status_tells_that() -> None:
    new_order("42", status_id="paid")

    assert texts() == ["Заказ номер 42: Оплачен"]


def test_a_status_may_come_without_a_sound() -> None:
    OrderStatus.objects.filter(pk="packed").update(silent=True)
    order = new_order()
    change(order, status_id="packed")

    silent = OrderNotification.objects.order_by("pk").values_list("silent", flat=True)
    assert list(silent) == [False, True]


def test_a_text_that_was_changed_later_does_not_change_what_waits() -> None:
    order = new_order("42", status_id="paid")

    OrderStatus.objects.filter(pk="paid").update(text_ru="Спасибо!")

    assert texts() == ["Заказ номер 42: Оплачен"]
    change(order, status_id="shipped")
    change(order, status_id="paid")
    assert texts()[-1] == "Спасибо!"


def test_bulk_create_tells_the_status_of_each() -> None:
    OrderStatus.objects.filter(pk="packed").update(notifies=False)
    customer = connected()
    differing: list[dict[str, Any]] = [
        {"status_id": "paid"},
        {"status_id": "packed"},
        {"notify": False},
        {},
    ]
    Order.objects.bulk_create(
        Order(number=str(number), customer=customer, **fields)
        for number, fields in enumerate(differing)
    )

    assert texts() == ["Заказ номер 0: Оплачен", "Сформирован заказ номер 3"]


@pytest.mark.parametrize("fields", [{"status": "paid"}, {"number": "8"}])
def test_an_update_past_the_messages_is_refused(fields: dict[str, str]) -> None:
    new_order()

    with pytest.raises(ValueError, match="Save each order"):
        Order.objects.update(**fields)


def test_a_status_change_and_its_message_are_saved_together_or_not_at_all() -> None:
    order = new_order()
    with transaction.atomic():
        change(order, status_id="paid")
        transaction.set_rollback(True)

    order.refresh_from_db()
    assert (order.status_id, order.version) == ("new", 0)
    assert states(order) == [("new", "waiting")]


# --- whom nobody can reach ------------------------------------------------------------


def test_on_start_only_the_present_status_is_told() -> None:
    customer = Customer.objects.create(name="Анна")
    order = new_order("42", customer=customer)
    assert order.message_change is MessageChange.LATER
    assert change(order, status_id="paid") is MessageChange.LATER
    change(order, status_id="shipped")

    assert start(customer) == 1

    assert texts() == ["Заказ номер 42: Отправлен"]


def test_on_start_nothing_is_told_of_a_status_that_notifies_nobody() -> None:
    OrderStatus.objects.filter(pk="packed").update(notifies=False)
    customer = Customer.objects.create(name="Анна")
    change(new_order(customer=customer), status_id="packed")

    assert start(customer) == 0


def test_a_status_of_meanwhile_is_told_when_somebody_comes_back() -> None:
    customer = connected()
    told = new_order("1", customer=customer)
    deliver()
    unsubscribe(CHAT)
    assert change(told, status_id="paid") is MessageChange.LATER
    assert deliver() == []

    assert start(customer) == 1
    assert deliver() == ["Заказ номер 1: Оплачен"]


def test_what_waited_through_a_stop_is_replaced_by_the_present_status() -> None:
    customer = connected()
    order = new_order("1", customer=customer)
    unsubscribe(CHAT)
    change(order, status_id="paid")
    assert states(order) == [("new", "cancelled")]

    start(customer)

    assert deliver() == ["Заказ номер 1: Оплачен"]


def test_who_comes_back_is_not_told_again_what_they_know() -> None:
    customer = connected()
    order = new_order("1", customer=customer)
    deliver()
    unsubscribe(CHAT)
    change(order, status_id="paid")
    change(order, status_id="new")

    assert start(customer) == 0


def test_messages_from_before_there_were_statuses_told_of_a_new_order() -> None:
    customer = connected()
    order = new_order("1", customer=customer)
    deliver()
    OrderNotification.objects.update(status=None, text="")
    unsubscribe(CHAT)

    assert start(customer) == 0
    unsubscribe(CHAT)
    change(order, status_id="paid")
    assert start(customer) == 1


def test_old_orders_are_not_told_of_on_start() -> None:
    customer = Customer.objects.create(name="Анна")
    order = new_order(customer=customer)
    Order.objects.update(created_at=timezone.now() - timedelta(days=8))
    change(order, status_id="paid")

    assert start(customer) == 0


# --- "notify the customer" ------------------------------------------------------------


def test_an_order_that_notifies_nobody_makes_no_message() -> None:
    order = new_order(notify=False)
    assert order.message_change is MessageChange.NONE
    assert change(order, status_id="paid") is MessageChange.NONE

    assert states(order) == []


def test_nobody_is_told_on_start_of_an_order_that_notifies_nobody() -> None:
    customer = Customer.objects.create(name="Анна")
    new_order(customer=customer, notify=False)

    assert start(customer) == 0


def test_no_longer_to_notify_cancels_what_waits() -> None:
    order = new_order()

    assert change(order, notify=False) is MessageChange.DROPPED
    assert deliver() == []
    assert states(order) == [("new", "cancelled")]


def test_no_longer_to_notify_is_too_late_for_what_is_being_sent() -> None:
    order = new_order()
    (attempt,) = take()

    assert change(order, notify=False) is MessageChange.TOO_LATE
    settle(OrderNotificationQueue(), failure(attempt))

    OrderNotification.objects.update(next_attempt_at=timezone.now())
    assert deliver() == []


def test_to_notify_after_all_tells_what_was_not_told() -> None:
    order = new_order("42", notify=False)

    assert change(order, notify=True) is MessageChange.MADE
    assert deliver() == ["Сформирован заказ номер 42"]
    assert change(order, notify=False) is MessageChange.NONE
    assert change(order, notify=True) is MessageChange.NONE


# --- number and customer --------------------------------------------------------------


def test_another_number_corrects_what_waits_in_its_place() -> None:
    order = new_order("42")
    waiting = order.notifications.get()

    assert change(order, number="43") is MessageChange.CORRECTED

    waiting.refresh_from_db()
    assert (waiting.order_number, waiting.message) == (
        "43",
        "Сформирован заказ номер 43",
    )


def test_another_number_corrects_what_was_given_up_too() -> None:
    order = new_order("42")
    OrderNotification.objects.update(failed_attempts_number=3)

    assert change(order, number="43") is MessageChange.CORRECTED
    assert OrderNotification.objects.get().is_given_up
    assert texts() == ["Сформирован заказ номер 43"]


@pytest.mark.parametrize("fields", [{"number": "43"}, {"customer": True}])
def test_it_is_too_late_to_correct_what_is_being_sent(fields: dict[str, Any]) -> None:
    order = new_order("42")
    take()

    assert change(order, **_other(fields)) is MessageChange.TOO_LATE
    assert texts() == ["Сформирован заказ номер 42"]
    assert OrderNotification.objects.get().tg_user_id == CHAT


@pytest.mark.parametrize("fields", [{"number": "43"}, {"customer": True}])
def test_it_is_too_late_to_correct_what_was_delivered(fields: dict[str, Any]) -> None:
    order = new_order("42")
    deliver()

    assert change(order, **_other(fields)) is MessageChange.TOO_LATE
    assert texts() == ["Сформирован заказ номер 42"]


def _other(fields: dict[str, Any]) -> dict[str, Any]:
    return {"customer": connected(1002)} if "customer" in fields else fields


def test_another_customer_gets_the_message_instead() -> None:
    order = new_order("42")

    assert change(order, customer=connected(1002)) is MessageChange.REPLACED

    assert [attempt.item.tg_user_id for attempt in take()] == [1002]


def test_another_customer_whom_nobody_can_reach_gets_it_on_start() -> None:
    order = new_order("42")
    unknown = Customer.objects.create(name="Пётр")

    assert change(order, customer=unknown) is MessageChange.LATER
    assert deliver() == []
    assert start(unknown, 1002) == 1
    assert deliver() == ["Сформирован заказ номер 42"]


def test_a_customer_who_can_be_reached_gets_what_another_could_not() -> None:
    order = new_order("42", customer=Customer.objects.create(name="Пётр"))

    assert change(order, customer=connected()) is MessageChange.MADE
    assert deliver() == ["Сформирован заказ номер 42"]


def test_all_at_once_makes_one_message() -> None:
    order = new_order("42")

    change(order, number="43", status_id="paid", customer=connected(1002))

    assert states(order) == [("new", "superseded"), ("paid", "waiting")]
    assert texts()[-1] == "Заказ номер 43: Оплачен"


# --- deletion -------------------------------------------------------------------------


def test_deleting_an_order_cancels_its_message() -> None:
    new_order().delete()

    assert deliver() == []


def test_how_a_message_of_a_deleted_order_ended_harms_nobody() -> None:
    order = new_order()
    (attempt,) = take()

    order.delete()
    settle(OrderNotificationQueue(), success(attempt))

    assert not OrderNotification.objects.exists()


# --- two managers ---------------------------------------------------------------------


def test_nobody_overwrites_what_they_have_not_seen() -> None:
    order = new_order()
    mine, theirs = (Order.objects.get(pk=order.pk) for _ in range(2))
    theirs.status_id = "cancelled"
    theirs.save()

    mine.number = "8"
    with pytest.raises(StaleOrder):
        mine.save()

    order.refresh_from_db()
    assert (order.number, order.status_id, order.version) == ("7", "cancelled", 1)


def test_to_save_what_is_there_already_is_no_conflict() -> None:
    order = new_order()
    stale = Order.objects.get(pk=order.pk)
    change(order, status_id="paid")

    stale.status_id = "paid"
    stale.save()

    order.refresh_from_db()
    assert order.version == 1


def test_an_order_that_was_deleted_is_not_saved_again() -> None:
    order = new_order()
    Order.objects.get().delete()

    with pytest.raises(StaleOrder):
        order.save()

    assert not Order.objects.exists()


def test_a_save_that_failed_can_be_put_right() -> None:
    customer = connected()
    new_order("1", customer=customer)
    order = new_order("2", customer=customer)
    order.number = "1"
    with pytest.raises(IntegrityError), transaction.atomic():
        order.save()

    order.number = "3"
    order.save()

    assert (order.number, order.version) == ("3", 1)


def test_only_the_named_fields_are_saved_and_told_of() -> None:
    order = new_order("42")
    order.number, order.status_id = "43", "paid"

    order.save(update_fields=["number"])

    stored = Order.objects.get()
    assert (stored.number, stored.status_id, stored.version) == ("43", "new", 1)
    assert states(order) == [("new", "waiting")]


def test_a_status_is_changed_by_whoever_saw_the_latest_version() -> None:
    order = new_order()
    change_status(order.pk, "paid", version=0)

    with pytest.raises(StaleOrder):
        change_status(order.pk, "cancelled", version=0)
    with pytest.raises(StaleOrder):
        change_status(0, "paid")
