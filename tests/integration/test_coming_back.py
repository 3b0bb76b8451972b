"""Start and unblocking against refusals that are on their way at the same moment."""

import threading
from datetime import datetime, timedelta
from itertools import product

import pytest
from django.db import connection
from django.utils import timezone

from bot.conversation.handlers.moments import moment_of
from django_workers.outcomes import Attempt
from notifications.customers import (
    TelegramChat,
    mark_blocked,
    mark_unblocked,
    press_start,
)
from notifications.models import Customer, OrderNotification
from notifications.task_queues import OrderNotificationQueue
from notifications.verdicts import BLOCKED, ENDED_BY_START
from tests.support.sending import notify
from tests.support.settling import claim_all, failure, seconds_until, settle
from tests.support.workers import make_worker

pytestmark = pytest.mark.django_db(transaction=True)

CHAT = TelegramChat(id=7_100_000_001, first_name="Анна")
QUEUE = OrderNotificationQueue()


def claim(**fields: object) -> Attempt:
    """Return an attempt that has just begun."""
    notification = notify(CHAT.id)
    OrderNotification.objects.filter(pk=notification.pk).update(**fields)
    (attempt,) = claim_all(QUEUE, make_worker(QUEUE))
    assert isinstance(attempt, Attempt)
    return attempt


def row_of(attempt: Attempt) -> OrderNotification:
    return OrderNotification.objects.get(pk=attempt.pk)


def this_second() -> datetime:
    return timezone.now().replace(microsecond=0)


@pytest.mark.parametrize("code", sorted(ENDED_BY_START))
def test_a_third_refusal_that_start_has_overtaken_is_not_final(code):
    attempt = claim(failed_attempts_number=2)

    press_start(CHAT, at=timezone.now())
    settle(QUEUE, failure(attempt, code))

    row = row_of(attempt)
    assert row.failed_attempts_number == 2
    assert not row.is_given_up
    assert Customer.objects.get().blocked_at is None
    assert not row.attempts.get().counted


@pytest.mark.parametrize("code", sorted(ENDED_BY_START))
def test_start_after_the_third_refusal_gives_a_fresh_count_once(code):
    press_start(CHAT, at=timezone.now() - timedelta(hours=1))
    attempt = claim(failed_attempts_number=2)
    settle(QUEUE, failure(attempt, code))
    assert row_of(attempt).is_given_up

    press_start(CHAT)
    assert row_of(attempt).failed_attempts_number == 0

    (again,) = claim_all(QUEUE, make_worker(QUEUE))
    press_start(CHAT)  # once more, while it is being sent
    assert claim_all(QUEUE, make_worker(QUEUE)) == []
    settle(QUEUE, failure(again, "bad_request"))
    press_start(CHAT)
    assert row_of(attempt).failed_attempts_number == 1


def test_a_start_and_a_last_refusal_at_once_never_leave_it_given_up():
    press_start(CHAT, at=timezone.now() - timedelta(hours=1))
    attempts = []
    for _ in range(10):
        attempt = claim(failed_attempts_number=2)
        attempts.append(attempt)
        barrier = threading.Barrier(2)

        def start(barrier: threading.Barrier = barrier) -> None:
            barrier.wait()
            press_start(CHAT)
            connection.close()

        thread = threading.Thread(target=start)
        thread.start()
        barrier.wait()
        settle(QUEUE, failure(attempt, BLOCKED))
        thread.join()
        assert not row_of(attempt).is_given_up
        OrderNotification.objects.update(processed=True)


def test_an_overtaken_refusal_is_no_reason_to_ask_without_a_pause(settings):
    settings.NOTIFICATIONS_RETRY_DELAYS = [30.0]
    attempt = claim()
    press_start(CHAT)

    settle(QUEUE, failure(attempt, BLOCKED))

    assert 25 < seconds_until(row_of(attempt).next_attempt_at) <= 30


def test_an_unblocking_wins_over_a_refusal_that_was_written_down_late():
    press_start(CHAT, at=timezone.now() - timedelta(hours=1))
    attempt = claim(failed_attempts_number=2)
    unblocked_at = timezone.now()
    settle(QUEUE, failure(attempt, BLOCKED))
    assert Customer.objects.get().blocked_at is not None

    assert mark_unblocked(CHAT.id, unblocked_at)

    assert Customer.objects.get().blocked_at is None
    assert row_of(attempt).failed_attempts_number == 0


# --- Telegram's dates are in whole seconds --------------------------------------------


@pytest.mark.parametrize("blocks_last", [True, False])
@pytest.mark.parametrize("late", [False, True])
def test_a_block_and_an_unblocking_within_a_second_end_right(blocks_last, late):
    second = this_second() - timedelta(seconds=10 if late else 0)
    press_start(CHAT, at=second - timedelta(hours=1))
    mark_blocked(CHAT.id, second - timedelta(minutes=1))
    acts = [mark_unblocked, mark_blocked] * 2
    for act in acts if blocks_last else [*acts, mark_unblocked]:
        assert act(CHAT.id, moment_of(second))

    assert (Customer.objects.get().blocked_at is not None) == blocks_last


@pytest.mark.parametrize("late", [False, True])
def test_start_and_a_block_within_a_second_end_blocked(late):
    second = this_second() - timedelta(seconds=10 if late else 0)
    press_start(CHAT, at=moment_of(second))
    assert mark_blocked(CHAT.id, moment_of(second))

    assert Customer.objects.get().blocked_at is not None


@pytest.mark.parametrize(("ahead", "act"), [*product([0, 1, 30], ["start", "unblock"])])
def test_a_refusal_after_start_counts_however_telegram_s_clock_goes(ahead, act):
    """Else it would be asked again and again until that moment had come."""
    press_start(CHAT, at=timezone.now() - timedelta(hours=1))
    at = moment_of(this_second() + timedelta(seconds=ahead))
    if act == "start":
        press_start(CHAT, at=at)
    else:
        mark_unblocked(CHAT.id, at)

    attempt = claim()
    settle(QUEUE, failure(attempt, BLOCKED))

    assert row_of(attempt).failed_attempts_number == 1
    assert Customer.objects.get().blocked_at is not None
