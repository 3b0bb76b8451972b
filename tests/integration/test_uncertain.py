"""A message that may have arrived: sent again, or held for a person to decide."""

from collections.abc import Iterator

import pytest
from django.urls import reverse

from django_workers import WorkerLost
from django_workers.models import Worker
from django_workers.reaping import reap
from notifications.models import DeliveryAttempt, OrderNotification, Parked
from notifications.task_queues import OrderNotificationQueue
from tests.support.sending import (
    finish,
    notify,
    notify_all,
    outcomes,
    point_to,
    sending,
    sent_to,
)
from tests.support.settling import claim_all, failure, settle
from tests.support.telegram import ANNA, IVAN, RunningTelegram
from tests.support.workers import make_worker

pytestmark = pytest.mark.django_db(transaction=True)

Outcome = DeliveryAttempt.Outcome
LOST_ANSWERS = ["cut_after", "hang_after", "server_error"]


@pytest.fixture
def telegram(settings) -> Iterator[RunningTelegram]:
    with RunningTelegram() as telegram:
        for user in (ANNA, IVAN):
            telegram.press_start(user)
        point_to(telegram, settings)
        # Longer than an answer takes on a busy machine.
        settings.NOTIFICATIONS_READ_TIMEOUT = 2.0
        settings.NOTIFICATIONS_UNCERTAIN = "hold"
        yield telegram


@pytest.mark.parametrize("fault", LOST_ANSWERS)
def test_it_is_held_and_the_chat_goes_on(telegram, fault):
    telegram.add_fault(fault, chat_id=ANNA, times=1)
    uncertain, later = notify_all([ANNA, ANNA])
    with sending():
        finish(uncertain, later)

    assert uncertain.parked == Parked.UNCERTAIN
    assert outcomes(uncertain) == [(Outcome.UNCERTAIN, True)]
    assert later.processed
    # The message was not sent a second time.
    assert len(sent_to(telegram, ANNA)) == 2


def test_a_person_s_retry_sends_it_with_a_fresh_count(telegram):
    telegram.add_fault("cut_after", chat_id=ANNA, times=1)
    with sending():
        uncertain = notify(ANNA)
        finish(uncertain)
        assert OrderNotification.objects.retry() == 1
        finish(uncertain)

    assert uncertain.processed
    assert (uncertain.parked, uncertain.failed_attempts_number) == ("", 0)


def test_the_manager_reads_that_it_may_have_arrived_and_what_to_do(
    telegram, admin_client, settings
):
    settings.LANGUAGE_CODE = "ru"
    telegram.add_fault("server_error", chat_id=ANNA, times=1, code=502)
    with sending():
        uncertain = notify(ANNA)
        finish(uncertain)
    address = reverse(
        "admin:notifications_ordernotification_change", args=[uncertain.pk]
    )

    page = admin_client.get(address).content.decode()

    assert "Возможно, уже дошло" in page
    assert "Прежде чем нажать «Повторить», спросите его" in page
    assert "<summary>" in page
    assert "Bad Gateway" in page
    assert reverse("admin:notifications_ordernotification_retry", args=[uncertain.pk])
    assert "Повторить" in page


def test_a_clear_refusal_is_not_held(telegram):
    telegram.add_fault("refuse", chat_id=ANNA, times=1, code=400, description="Bad")
    with sending():
        refused = notify(ANNA)
        finish(refused)

    assert refused.processed
    assert len(sent_to(telegram, ANNA)) == 2


def test_in_a_long_outage_each_is_held_that_was_sent_and_no_other(telegram, settings):
    settings.NOTIFICATIONS_OUTAGE_AFTER = 1
    # getMe answers all the while.
    fault = telegram.add_fault("cut_after")
    chats = telegram.add_started_users(12)
    waiting = notify_all(chats)
    with sending(concurrency=4):
        finish(*waiting[:6])
        telegram.remove_fault(fault)
        finish(*waiting)

    for notification in waiting:
        held = notification.parked == Parked.UNCERTAIN
        assert held != notification.processed
        assert len(sent_to(telegram, notification.tg_user_id)) == 1


@pytest.mark.parametrize("count", [1, 3])
def test_what_a_lost_worker_was_sending_is_held(telegram, count):
    queue = OrderNotificationQueue()
    dead = make_worker(queue)
    lost = notify_all([ANNA, IVAN, ANNA + 9][:count])
    waiting = notify(ANNA)
    claim_all(queue, dead)

    reap(queue, dead.pk, dead.heartbeat)
    with sending():
        finish(waiting)

    for notification in lost:
        notification.refresh_from_db()
        assert notification.parked == Parked.UNCERTAIN
        assert notification.last_error_code == WorkerLost.reason_code
        # Of several nobody knows which one killed it: that does not count.
        assert notification.failed_attempts_number == (count == 1)
    assert not Worker.objects.filter(pk=dead.pk).exists()


@pytest.mark.parametrize("code", ["timeout", "interrupted"])
def test_what_was_cut_off_is_held(settings, code):
    settings.NOTIFICATIONS_UNCERTAIN = "hold"
    queue = OrderNotificationQueue()
    notification = notify(ANNA)
    (attempt,) = claim_all(queue, make_worker(queue))

    settle(queue, failure(attempt, code))

    notification.refresh_from_db()
    assert notification.parked == Parked.UNCERTAIN


def test_what_was_replaced_while_it_was_sent_stays_replaced(settings):
    settings.NOTIFICATIONS_UNCERTAIN = "hold"
    queue = OrderNotificationQueue()
    notification = notify(ANNA)
    (attempt,) = claim_all(queue, make_worker(queue))
    OrderNotification.objects.update(parked=Parked.SUPERSEDED)

    settle(queue, failure(attempt, "read_timeout"))

    notification.refresh_from_db()
    assert notification.parked == Parked.SUPERSEDED


def test_by_default_it_is_sent_again(telegram, settings):
    settings.NOTIFICATIONS_UNCERTAIN = "retry"
    telegram.add_fault("cut_after", chat_id=ANNA, times=1)
    with sending():
        uncertain = notify(ANNA)
        finish(uncertain)

    assert uncertain.processed
    assert len(sent_to(telegram, ANNA)) == 2
