"""«Send again»: a fresh message with the text of a delivered one, once."""

import threading

import pytest

from notifications.customers import unsubscribe
from notifications.models import Customer, Order, OrderNotification, OrderStatus
from notifications.orders import CannotRepeat, change_status, send_again
from tests.support.orders import CHAT, connected, deliver, new_order, states, take
from tests.support.workers import in_thread

pytestmark = pytest.mark.django_db(transaction=True)

Reason = CannotRepeat.Reason


def delivered(number: str = "42") -> OrderNotification:
    order = new_order(number)
    deliver()
    return order.notifications.get()


def refusal(notification: OrderNotification) -> Reason:
    with pytest.raises(CannotRepeat) as caught:
        send_again(notification.pk)
    return caught.value.reason


def test_the_same_text_is_sent_again() -> None:
    OrderStatus.objects.update(silent=True)
    first = delivered()
    OrderStatus.objects.update(text_ru="другой", silent=False)

    again = send_again(first.pk)

    assert deliver() == [first.message]
    again.refresh_from_db()
    assert again.is_repeat
    assert not first.is_repeat
    assert (again.status_id, again.silent) == ("new", True)


def test_it_goes_to_where_the_customer_is_now() -> None:
    first = delivered()
    Order.objects.update(customer=connected(1002))

    send_again(first.pk)

    assert [attempt.item.tg_user_id for attempt in take()] == [1002]


def test_a_second_click_sends_nothing_more() -> None:
    first = delivered()
    send_again(first.pk)

    assert refusal(first) is Reason.OVERTAKEN
    deliver()
    assert refusal(first) is Reason.OVERTAKEN
    assert OrderNotification.objects.count() == 2


def test_two_clicks_at_once_send_it_once() -> None:
    first = delivered()
    barrier = threading.Barrier(2)
    outcomes: list[object] = []

    def click() -> None:
        barrier.wait()
        try:
            outcomes.append(send_again(first.pk))
        except CannotRepeat as refused:
            outcomes.append(refused.reason)

    for thread in [in_thread(click) for _ in range(2)]:
        thread.join()

    assert Reason.OVERTAKEN in outcomes
    assert states(Order.objects.get()) == [("new", "delivered"), ("new", "waiting")]


def test_what_was_sent_again_may_be_sent_again() -> None:
    again = send_again(delivered().pk)
    deliver()

    send_again(again.pk)

    assert deliver() == [again.message]


def test_what_was_not_delivered_is_not_sent_again() -> None:
    new_order()

    assert refusal(OrderNotification.objects.get()) is Reason.NOT_DELIVERED


def test_what_a_newer_message_has_overtaken_is_not_sent_again() -> None:
    first = delivered()
    assert first.order is not None
    change_status(first.order.pk, "paid")

    assert refusal(first) is Reason.OVERTAKEN


def test_what_was_dropped_since_does_not_keep_it_from_being_sent_again() -> None:
    first = delivered()
    assert first.order is not None
    change_status(first.order.pk, "paid")
    OrderStatus.objects.filter(pk="packed").update(notifies=False)
    change_status(first.order.pk, "packed")

    send_again(first.pk)

    assert deliver() == [first.message]


def test_nothing_is_sent_again_to_whom_nobody_can_reach() -> None:
    first = delivered()
    unsubscribe(CHAT)

    assert refusal(first) is Reason.UNREACHABLE
    Order.objects.update(customer=Customer.objects.create(name="Пётр"))
    assert refusal(first) is Reason.UNREACHABLE


def test_a_message_without_an_order_is_not_sent_again() -> None:
    bare = OrderNotification.objects.create(
        order_number="1", tg_user_id=CHAT, processed=True
    )

    assert refusal(bare) is Reason.OVERTAKEN


def test_a_status_that_changes_meanwhile_replaces_what_is_sent_again() -> None:
    first = delivered()
    send_again(first.pk)
    change_status(Order.objects.get().pk, "paid")

    assert deliver() == ["Заказ номер 42: Оплачен"]
