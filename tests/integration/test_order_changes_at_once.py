"""Orders change while workers send and others change them: nothing is told twice."""

import contextlib
import random
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from django_workers.claiming import Claimer
from notifications.customers import TelegramChat, press_start, unsubscribe
from notifications.models import Customer, Order, OrderNotification, StaleOrder
from notifications.orders import change_status
from notifications.task_queues import OrderNotificationQueue
from tests.support.orders import CHAT, connected, new_order, states
from tests.support.settling import settle, success
from tests.support.workers import in_thread, make_worker

pytestmark = pytest.mark.django_db(transaction=True)

CODES = ["new", "paid", "packed", "shipped", "delivered", "cancelled"]


def at_once(*functions: Callable[[], Any]) -> None:
    """Run functions in threads that begin together; raise what one of them raised."""
    barrier = threading.Barrier(len(functions))
    raised: list[BaseException] = []

    def run(function: Callable[[], Any]) -> None:
        barrier.wait()
        try:
            function()
        except BaseException as error:
            raised.append(error)

    threads = [in_thread(partial(run, function)) for function in functions]
    for thread in threads:
        thread.join()
    if raised:
        raise raised[0]


@pytest.mark.parametrize("_round", range(5))
def test_two_new_statuses_at_once_tell_the_later_one(_round: int) -> None:
    order = new_order()

    at_once(
        lambda: change_status(order.pk, "paid"),
        lambda: change_status(order.pk, "shipped"),
    )

    order.refresh_from_db()
    told = states(order)
    assert order.version == 2
    assert told[0] == ("new", "superseded")
    assert sorted(told[1:]) == sorted(
        [(order.status_id, "waiting"), *[(told[1][0], "superseded")]]
    )


@pytest.mark.parametrize("_round", range(5))
def test_of_two_managers_with_one_form_the_slower_is_told(_round: int) -> None:
    order = new_order()
    outcomes: list[str] = []

    def choose(status: str) -> None:
        try:
            change_status(order.pk, status, version=0)
        except StaleOrder:
            outcomes.append("told")
        else:
            outcomes.append("saved")

    at_once(lambda: choose("paid"), lambda: choose("cancelled"))

    assert sorted(outcomes) == ["saved", "told"]
    assert len(states(order)) == 2


@pytest.mark.parametrize("_round", range(5))
def test_the_same_status_twice_at_once_is_told_once(_round: int) -> None:
    order = new_order()

    at_once(*[lambda: change_status(order.pk, "paid")] * 2)

    assert states(order) == [("new", "superseded"), ("paid", "waiting")]


@pytest.mark.parametrize("_round", range(5))
def test_a_status_that_changes_while_a_worker_takes_the_message(_round: int) -> None:
    """Either the old message was taken, and the new one waits, or it was replaced."""
    order = new_order()
    queue = OrderNotificationQueue()
    worker = make_worker(queue)
    taken: list[Any] = []

    def claim() -> None:
        taken.extend(Claimer(queue).claim(worker.pk, 9, 0).attempts)

    at_once(claim, lambda: change_status(order.pk, "paid"))
    settle(queue, *map(success, taken))

    old, new = states(order)
    was_sent = "new" in [attempt.item.status_id for attempt in taken]
    assert old == ("new", "delivered" if was_sent else "superseded")
    is_sent = "paid" in [attempt.item.status_id for attempt in taken]
    assert new == ("paid", "delivered" if is_sent else "waiting")
    assert len(taken) <= 1


@pytest.mark.parametrize("_round", range(5))
def test_what_a_worker_sends_is_what_the_page_shows(_round: int) -> None:
    order = new_order("1")
    queue = OrderNotificationQueue()
    worker = make_worker(queue)
    taken: list[Any] = []

    def claim() -> None:
        taken.extend(Claimer(queue).claim(worker.pk, 9, 0).attempts)

    def correct() -> None:
        mine = Order.objects.get(pk=order.pk)
        mine.number = "2"
        mine.save()

    at_once(claim, correct)

    for attempt in taken:
        stored = OrderNotification.objects.get(pk=attempt.pk)
        assert attempt.item.message == stored.message


@pytest.mark.parametrize("_round", range(3))
def test_whoever_starts_while_the_status_changes_is_told_of_it(_round: int) -> None:
    customer = connected()
    order = new_order(customer=customer)
    unsubscribe(CHAT)

    at_once(
        lambda: press_start(TelegramChat(id=CHAT)),
        lambda: change_status(order.pk, "paid"),
    )

    assert [state for state in states(order) if state[1] == "waiting"] == [
        ("paid", "waiting")
    ]


def test_a_busy_hour_leaves_every_customer_with_the_last_word() -> None:
    """Managers and workers at random; what was delivered last is true."""
    customers = [connected(CHAT + number) for number in range(3)]
    for number in range(6):
        new_order(str(number), customer=customers[number % 3])
    queue = OrderNotificationQueue()
    finished = threading.Event()
    threads = [
        in_thread(partial(_work, queue, make_worker(queue).pk, finished))
        for _ in range(2)
    ]
    try:
        at_once(*[partial(_manage, random.Random(n), customers) for n in range(3)])
    finally:
        finished.set()
        for thread in threads:
            thread.join()

    assert not OrderNotification.objects.open().exists()
    for order in Order.objects.filter(notify=True):
        told = OrderNotification.objects.told().filter(order=order)
        assert told.latest("pk").status_id == order.status_id


def _manage(chance: random.Random, customers: list[Customer]) -> None:
    for _ in range(25):
        order = Order.objects.get(number=str(chance.randrange(6)))
        order.status_id = chance.choice(CODES)
        order.notify = chance.random() > 0.1
        if chance.random() < 0.2:
            order.customer = chance.choice(customers)
        with contextlib.suppress(StaleOrder):
            order.save()


def _work(
    queue: OrderNotificationQueue, worker_id: int, finished: threading.Event
) -> None:
    while not finished.is_set() or OrderNotification.objects.unfinished().exists():
        attempts = Claimer(queue).claim(worker_id, 3, 0).attempts
        settle(queue, *map(success, attempts))
