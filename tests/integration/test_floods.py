"""Telegram asks to wait (429): nobody is ever asked again before their time."""

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.db.models import Sum
from django.utils import timezone

from bot.local_telegram import Entry
from django_workers import PauseQueue, PostponeTask
from django_workers.models import Queue
from notifications.models import Customer, DeliveryAttempt, Order, OrderNotification
from notifications.orders import change_status
from notifications.task_queues import OrderNotificationQueue
from tests.support.sending import (
    finish,
    finish_all,
    make_due,
    notify,
    notify_all,
    point_to,
    sending,
    sent_to,
)
from tests.support.settling import claim_all, ended, seconds_until, settle
from tests.support.telegram import ANNA, IVAN, RunningTelegram
from tests.support.waiting import wait_until
from tests.support.workers import make_worker

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def telegram(settings) -> Iterator[RunningTelegram]:
    with RunningTelegram(seed=429) as telegram:
        for user in (ANNA, IVAN):
            telegram.press_start(user)
        point_to(telegram, settings)
        settings.NOTIFICATIONS_FLOOD_JITTER = 0.05
        yield telegram


def assert_nobody_was_asked_early(entries: list[Entry]) -> None:
    waits: dict[int | None, float] = {}
    for entry in entries:
        assert entry.started >= waits.get(entry.chat_id, 0.0), entry
        if entry.code == 429:
            (seconds,) = re.findall(r"retry after (\d+)", entry.description)
            waits[entry.chat_id] = entry.finished + int(seconds)


def counted_attempts() -> int:
    total = OrderNotification.objects.aggregate(Sum("failed_attempts_number"))
    return int(total["failed_attempts_number__sum"])


def test_two_workers_wait_as_told_also_when_they_are_replaced_meanwhile(
    telegram, settings
):
    settings.NOTIFICATIONS_FLOOD_WINDOW = 0.05
    chats = telegram.add_started_users(40)
    for seconds in (1, 2):
        telegram.add_fault("flood", share=0.1, retry_after=seconds, holds_chat=True)
    waiting = notify_all(chats * 2)

    with sending(), sending():
        wait_until(
            lambda: sum(e.code == 429 for e in telegram.ledger()) >= 6, what="floods"
        )
    # Both have ended; what they were told to wait for is known to the next ones.
    with sending(), sending():
        finish_all()

    entries = telegram.ledger()
    assert_nobody_was_asked_early(entries)
    assert sum(entry.code == 200 for entry in entries) == len(waiting)
    assert counted_attempts() == 0
    assert not DeliveryAttempt.objects.filter(counted=True).exists()


def test_a_queue_that_waits_for_telegram_still_waits_after_a_restart(telegram):
    rule = telegram.add_fault("flood", times=2, retry_after=2)
    flooded = [notify(ANNA), notify(IVAN)]
    with sending():
        wait_until(
            lambda: Queue.objects.filter(pause_reason="flood").exists(),
            what="the pause",
        )
    telegram.remove_fault(rule)
    others = notify_all(telegram.add_started_users(5))
    with sending():
        finish(*flooded, *others)

    entries = telegram.ledger()
    assert_nobody_was_asked_early(entries)
    last_flood = max(entry.finished for entry in entries if entry.code == 429)
    asked_later = [entry for entry in entries if entry.started > last_flood]
    assert min(entry.started for entry in asked_later) - last_flood >= 2


def test_a_flood_told_while_the_queue_paused_for_another_is_kept_too(telegram):
    """Its request was in flight when the shorter pause began."""
    queue = OrderNotificationQueue()
    worker = make_worker(queue)
    for chat in (ANNA, IVAN, ANNA + 99):
        notify(chat)
    first, second, third = claim_all(queue, worker)
    settle(queue, ended(first, PostponeTask(10, "flood")))
    settle(queue, ended(second, PauseQueue(10, "flood")))

    settle(queue, ended(third, PauseQueue(60, "flood")))

    third.item.refresh_from_db()
    assert seconds_until(third.item.next_attempt_at) > 50
    second.item.refresh_from_db()
    assert seconds_until(second.item.next_attempt_at) > 0
    assert seconds_until(Queue.objects.get().paused_until) <= 10


def test_one_chat_s_wait_keeps_only_that_chat(telegram):
    telegram.add_fault("flood", chat_id=ANNA, times=1, retry_after=60)
    first, second, *others = notify_all([ANNA, ANNA, IVAN, IVAN])
    with sending():
        wait_until(first.attempts.exists, what="the wait")
        finish(*others)
        assert len(sent_to(telegram, ANNA)) == 1
        make_due(first)
        finish(first, second)

    codes_and_numbers = [(e.code, e.text.split()[-1]) for e in sent_to(telegram, ANNA)]
    assert codes_and_numbers == [
        (429, first.order_number),
        (200, first.order_number),
        (200, second.order_number),
    ]


def flooded_order(telegram: RunningTelegram) -> Order:
    telegram.add_fault("flood", chat_id=ANNA, times=1, retry_after=60)
    customer = Customer.objects.create(
        name="Анна", tg_user_id=ANNA, started_at=timezone.now()
    )
    return Order.objects.create(number="42", customer=customer)


def test_a_message_that_replaces_a_waiting_one_waits_in_its_place(telegram):
    with sending():
        order = flooded_order(telegram)
        wait_until(DeliveryAttempt.objects.exists, what="the wait")
        change_status(order.pk, "paid")
        (replacement,) = OrderNotification.objects.unfinished()
        assert seconds_until(replacement.next_attempt_at) > 50
        finish(notify(IVAN))
        assert len(sent_to(telegram, ANNA)) == 1
        make_due(replacement)
        finish(replacement)

    assert [entry.code for entry in sent_to(telegram, ANNA)] == [429, 200]


def test_a_message_that_replaces_one_in_flight_waits_as_that_was_told(telegram):
    queue = OrderNotificationQueue()
    order = flooded_order(telegram)
    (attempt,) = claim_all(queue, make_worker(queue))
    change_status(order.pk, "paid")

    settle(queue, ended(attempt, PostponeTask(30, "flood")))

    (replacement,) = OrderNotification.objects.unfinished()
    assert seconds_until(replacement.next_attempt_at) > 29


def test_a_message_to_another_chat_does_not_wait_for_the_first(telegram):
    order = flooded_order(telegram)
    OrderNotification.objects.update(
        last_error_code="flood", next_attempt_at=timezone.now() + timedelta(hours=1)
    )
    order.customer = Customer.objects.create(
        name="Иван", tg_user_id=IVAN, started_at=timezone.now()
    )
    order.save()
    with sending():
        wait_until(lambda: sent_to(telegram, IVAN), what="the message")


def test_a_flood_that_is_made_to_count_is_waited_for_all_the_same(telegram, settings):
    settings.NOTIFICATIONS_COUNT_EVERY_FAILURE = True
    telegram.add_fault("flood", chat_id=ANNA, times=1, retry_after=1)
    flooded = notify(ANNA)
    with sending():
        finish(flooded)

    assert_nobody_was_asked_early(telegram.ledger())
    assert flooded.attempts.filter(counted=True).count() == 1
