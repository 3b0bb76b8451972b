"""Notifications on their way: a real worker, a real database, the local Telegram."""

import json
from collections.abc import Iterator

import pytest
from django.urls import reverse

from django_workers.models import Queue
from notifications.customers import TelegramChat, press_start, unsubscribe
from notifications.models import Customer, DeliveryAttempt, OrderNotification
from notifications.task_queues import OrderNotificationQueue
from tests.support.raw_server import Peer, RawServer, answer
from tests.support.sending import (
    finish,
    is_done,
    make_due,
    notify,
    outcomes,
    point_to,
    sending,
    sent_to,
)
from tests.support.settling import claim_all, failure, seconds_until, settle, success
from tests.support.telegram import ANNA, IVAN, MARIA, RunningTelegram
from tests.support.waiting import wait_until
from tests.support.workers import (
    has_no_claims,
    make_worker,
    wait_for_rest,
    working,
)

pytestmark = pytest.mark.django_db(transaction=True)

Outcome = DeliveryAttempt.Outcome


@pytest.fixture
def telegram(settings) -> Iterator[RunningTelegram]:
    with RunningTelegram() as telegram:
        for user in (ANNA, IVAN):
            telegram.press_start(user)
        point_to(telegram, settings)
        yield telegram


def test_a_delivered_notification_keeps_telegram_s_receipt(telegram):
    with sending():
        notification = notify(ANNA, "А-1")
        finish(notification)

    (entry,) = sent_to(telegram, ANNA)
    attempt = notification.attempts.get()
    assert notification.processed
    assert notification.processed_at is not None
    assert notification.failed_attempts_number == 0
    assert entry.text == "Сформирован заказ номер А-1"
    assert (attempt.outcome, attempt.message_id) == ("delivered", entry.message_id)
    assert attempt.started_at <= attempt.finished_at


def test_a_message_that_telegram_deleted_at_once_says_so(telegram, admin_client):
    words = "sent message was immediately deleted and can't be returned"
    telegram.add_fault("server_error", times=1, code=500, description=words)
    with sending():
        notification = notify(ANNA)
        finish(notification)
    page = reverse(
        "admin:notifications_ordernotification_change", args=[notification.pk]
    )

    shown = admin_client.get(page).content.decode()

    assert notification.processed
    assert len(sent_to(telegram, ANNA)) == 1
    assert notification.attempts.get().error_code == "sent_then_deleted"
    assert "сразу удалил его; клиент мог его не увидеть." in shown
    assert "immediately deleted" in shown


def test_three_refusals_are_final_and_name_the_reason(telegram):
    with sending():
        notification = notify(MARIA)
        finish(notification)
        # Another one passes by, and the refused one is left alone.
        finish(notify(ANNA))

    assert len(sent_to(telegram, MARIA)) == 3
    assert notification.failed_attempts_number == 3
    assert notification.last_error_code == "not_started"
    assert outcomes(notification) == [(Outcome.REFUSED, True)] * 3


def test_a_person_s_retry_gives_three_more_attempts(telegram):
    with sending():
        notification = notify(MARIA)
        finish(notification)
        telegram.press_start(MARIA)
        assert OrderNotification.objects.retry() == 1
        finish(notification)

    assert notification.processed
    assert notification.last_error_code == ""
    assert len(outcomes(notification)) == 4


def test_a_block_is_noted_on_the_customer(telegram, django_user_model):
    customer = Customer.objects.create(
        name="Анна", tg_user_id=ANNA, started_at="2026-01-01T00:00Z"
    )
    telegram.block(ANNA)
    with sending():
        finish(notify(ANNA))

    customer.refresh_from_db()
    assert customer.blocked_at is not None


def test_a_chat_s_messages_keep_their_order(telegram):
    waiting = [notify(ANNA) for _ in range(20)]
    with sending():
        finish(*waiting)

    texts = [entry.text for entry in sent_to(telegram, ANNA)]
    assert texts == [f"Сформирован заказ номер {n.order_number}" for n in waiting]


def test_a_refused_message_holds_back_the_later_ones_until_it_is_final(telegram):
    telegram.add_fault("refuse", chat_id=ANNA, times=2, code=400, description="Bad")
    waiting = [notify(ANNA), notify(ANNA)]
    with sending():
        finish(*waiting)

    texts = [entry.text.split()[-1] for entry in sent_to(telegram, ANNA)]
    first, second = (n.order_number for n in waiting)
    assert texts == [first, first, first, second]


def test_a_flood_makes_one_chat_wait_as_told_and_costs_no_attempt(telegram):
    telegram.add_fault("flood", chat_id=ANNA, times=1, retry_after=60)
    flooded = notify(ANNA)
    with sending():
        wait_until(flooded.attempts.exists, what="the flood")
        finish(notify(IVAN))
        assert not is_done(flooded)
        assert 50 < seconds_until(flooded.next_attempt_at) <= 60.5
        make_due(flooded)
        finish(flooded)

    assert [entry.code for entry in sent_to(telegram, ANNA)] == [429, 200]
    assert outcomes(flooded) == [(Outcome.POSTPONED, False), (Outcome.DELIVERED, False)]
    assert flooded.failed_attempts_number == 0


def test_floods_of_two_chats_pause_the_queue(telegram):
    telegram.add_fault("flood", times=2, retry_after=1)
    waiting = [notify(ANNA), notify(IVAN)]
    with sending():
        wait_until(
            lambda: Queue.objects.filter(pause_reason="flood").exists(),
            what="the pause",
        )
        finish(*waiting)

    assert all(n.processed and n.failed_attempts_number == 0 for n in waiting)


def test_an_outage_costs_no_attempts_and_loses_nothing(telegram):
    telegram.go_down()
    waiting = [notify(chat) for chat in (ANNA, IVAN) * 10]
    with sending():
        wait_until(
            lambda: Queue.objects.filter(pause_reason="unreachable").exists(),
            what="the pause",
        )
        telegram.come_back()
        finish(*waiting)

    assert all(n.processed and n.failed_attempts_number == 0 for n in waiting)
    for chat in (ANNA, IVAN):
        mine = [n.order_number for n in waiting if n.tg_user_id == chat]
        assert [e.text.split()[-1] for e in sent_to(telegram, chat)] == mine


def test_a_rejected_token_costs_no_attempts_and_is_noticed_when_it_works_again(
    telegram,
):
    telegram.set_faults(revoked=True)
    waiting = [notify(chat) for chat in (ANNA, IVAN) * 3]
    with sending():
        wait_until(
            lambda: Queue.objects.filter(pause_reason="token_rejected").exists(),
            what="the pause",
        )
        telegram.set_faults(revoked=False)
        finish(*waiting)

    assert all(n.processed and n.failed_attempts_number == 0 for n in waiting)


def test_server_errors_cost_few_attempts_and_then_one_message_asks_at_a_time(telegram):
    fault = telegram.add_fault("server_error", code=502)
    chats = telegram.add_started_users(20)
    waiting = [notify(chat) for chat in chats]
    with sending():
        wait_until(
            lambda: Queue.objects.filter(pause_reason="server_error").exists(),
            what="the pause",
        )
        wait_until(has_no_claims, what="the end of those that were in flight")
        before, sent = Queue.objects.get().pause_epoch, len(telegram.ledger())
        wait_until(
            lambda: Queue.objects.get().pause_epoch >= before + 3, what="more pauses"
        )
        # In this order: meanwhile it goes on.
        asked = len(telegram.ledger()) - sent
        pauses = Queue.objects.get().pause_epoch - before
        telegram.remove_fault(fault)
        finish(*waiting)

    assert all(n.processed for n in waiting)
    assert sum(n.failed_attempts_number for n in waiting) <= 3
    assert asked <= pauses + 1


def test_what_may_have_arrived_is_said_so_also_when_it_does_not_count(
    telegram, settings
):
    settings.NOTIFICATIONS_OUTAGE_AFTER = 1
    telegram.add_fault("cut_after", times=3)
    waiting = notify(ANNA)
    with sending():
        finish(waiting)

    assert outcomes(waiting) == [
        (Outcome.UNCERTAIN, True),
        (Outcome.UNCERTAIN, False),
        (Outcome.UNCERTAIN, False),
        (Outcome.DELIVERED, False),
    ]


def test_every_failure_counts_when_that_is_asked_for(telegram, settings):
    settings.NOTIFICATIONS_COUNT_EVERY_FAILURE = True
    telegram.go_down()
    with sending():
        notification = notify(ANNA)
        finish(notification)

    assert notification.is_given_up
    assert notification.last_error_code == "unreachable"


def test_an_answer_that_was_lost_is_shown_as_uncertain_and_repeated(telegram):
    telegram.add_fault("cut_after", chat_id=ANNA, times=1)
    with sending():
        notification = notify(ANNA)
        finish(notification)

    assert telegram.texts(ANNA)[-2:] == [sent_to(telegram, ANNA)[0].text] * 2
    assert outcomes(notification) == [
        (Outcome.UNCERTAIN, True),
        (Outcome.DELIVERED, False),
    ]


def test_a_group_that_became_a_supergroup_gets_its_message_at_once(telegram):
    group = telegram.add_group("Отдел продаж", added_by=ANNA)
    supergroup = telegram.upgrade_group(group)
    with sending():
        notification = notify(group)
        finish(notification)

    assert notification.processed
    assert notification.tg_user_id == supergroup
    assert notification.failed_attempts_number == 0


def test_groups_that_name_each_other_are_asked_no_more_than_three_times(
    telegram, settings
):
    """Each is said to have become the other: nobody may run in circles for ever."""

    async def send_on(peer: Peer) -> None:
        while True:
            chat_id = json.loads(await peer.read_request())["chat_id"]
            body = {
                "ok": False,
                "error_code": 400,
                "description": "group chat was upgraded to a supergroup chat",
                "parameters": {"migrate_to_chat_id": -3 - chat_id},
            }
            page = json.dumps(body).encode()
            await peer.send(answer(page, status="400 Bad Request"))

    with RawServer(send_on) as server:
        settings.TG_API_URL = server.url
        with sending():
            notification = notify(-1)
            finish(notification)

    assert notification.is_given_up
    assert notification.last_error_code == "group_upgraded"
    assert notification.attempts.filter(counted=True).count() == 3


def test_a_customer_who_said_stop_gets_nothing_until_they_start_again(telegram):
    customer = Customer.objects.create(
        name="Анна",
        tg_user_id=ANNA,
        started_at="2026-01-01T00:00Z",
        unsubscribed_at="2026-01-02T00:00Z",
    )
    silenced = notify(ANNA)
    with sending():
        finish(notify(IVAN))
        assert sent_to(telegram, ANNA) == []
        Customer.objects.filter(pk=customer.pk).update(unsubscribed_at=None)
        finish(silenced)

    assert silenced.processed


def test_an_order_deleted_while_its_message_is_sent_leaves_nothing_behind(telegram):
    telegram.set_faults(slow_seconds=0.3)
    with sending():
        notification = notify(ANNA)
        telegram.wait_for_requests(1)
        notification.delete()
        telegram.set_faults(slow_seconds=0)
        finish(notify(IVAN))

    assert not DeliveryAttempt.objects.filter(notification_id=notification.pk).exists()


def test_a_retry_is_noticed_at_once_though_nothing_is_inserted(telegram):
    with working(OrderNotificationQueue(), poll_seconds=60) as worker:
        notification = notify(MARIA)
        finish(notification)
        telegram.press_start(MARIA)
        wait_for_rest(worker)
        OrderNotification.objects.retry()
        finish(notification)

    assert notification.processed


def test_what_stop_held_back_is_sent_at_once_after_start(telegram):
    chat = TelegramChat(id=ANNA, first_name="Анна")
    press_start(chat)
    unsubscribe(ANNA)
    held_back = notify(ANNA)
    with working(OrderNotificationQueue(), poll_seconds=60) as worker:
        finish(notify(IVAN))
        wait_for_rest(worker)
        press_start(chat)
        finish(held_back)

    assert held_back.processed


def test_an_answer_that_drips_for_ever_is_given_up_and_counted(telegram, settings):
    telegram.add_fault("hang_before", chat_id=ANNA, times=1)
    queue = OrderNotificationQueue()
    queue.handler_timeout = 0.2
    with working(queue):
        notification = notify(ANNA)
        finish(notification)

    assert notification.processed
    assert outcomes(notification)[0] == (Outcome.UNCERTAIN, True)


def test_a_record_that_is_written_again_after_a_lost_answer_is_there_once(caplog):
    """The COMMIT was applied, and its answer was lost: the worker settles again."""
    queue = OrderNotificationQueue()
    delivered, refused = notify(ANNA), notify(MARIA)
    first, second = claim_all(queue, make_worker(queue))
    outcomes_of_both = (success(first), failure(second))

    settle(queue, *outcomes_of_both)
    settle(queue, *outcomes_of_both)

    assert outcomes(delivered) == [(Outcome.DELIVERED, False)]
    assert outcomes(refused) == [(Outcome.REFUSED, True)]
    refused.refresh_from_db()
    assert refused.failed_attempts_number == 1
    assert has_no_claims()
    assert "cannot be recorded" not in caplog.text


@pytest.mark.parametrize(("uncertain", "ahead"), [("retry", 32), ("hold", 0)])
def test_none_is_claimed_ahead_where_a_crash_would_leave_it_for_a_person_to_decide(
    settings, uncertain, ahead
):
    settings.NOTIFICATIONS_UNCERTAIN = uncertain

    assert OrderNotificationQueue().claims_ahead(16) == ahead
