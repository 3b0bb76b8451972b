"""A parked notification is finished, and only what is uncertain comes back."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from notifications.models import Customer, Order, OrderNotification, Parked
from notifications.task_queues import OrderNotificationQueue
from tests.support.settling import claim_all, failure, settle, success
from tests.support.workers import make_worker

pytestmark = pytest.mark.django_db

DROPPED = [Parked.SUPERSEDED, Parked.CANCELLED]


def notification(number: str = "1", **fields: Any) -> OrderNotification:
    return OrderNotification.objects.create(
        order_number=number, tg_user_id=1001, **fields
    )


def claimed_numbers() -> list[str]:
    queue = OrderNotificationQueue()
    attempts = claim_all(queue, make_worker(queue))
    return [attempt.item.order_number for attempt in attempts]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("parked", Parked.values)
def test_a_parked_notification_is_not_sent_and_its_chat_goes_on(parked: str) -> None:
    notification("1", parked=parked)
    notification("2")

    assert claimed_numbers() == ["2"]


@pytest.mark.parametrize("parked", Parked.values)
def test_a_parked_notification_is_no_longer_unfinished(parked: str) -> None:
    notification(parked=parked)

    assert not OrderNotification.objects.unfinished().exists()


def test_retry_sends_what_is_uncertain_with_a_fresh_count() -> None:
    later = timezone.now() + timedelta(hours=1)
    held = notification(
        parked=Parked.UNCERTAIN, failed_attempts_number=2, next_attempt_at=later
    )
    assert held.is_given_up

    assert OrderNotification.objects.retry() == 1

    held.refresh_from_db()
    assert (held.parked, held.failed_attempts_number) == ("", 0)
    assert held.next_attempt_at <= timezone.now()


@pytest.mark.parametrize("parked", DROPPED)
@pytest.mark.parametrize("failed", [0, 3])
def test_retry_never_sends_what_was_dropped(parked: str, failed: int) -> None:
    dropped = notification(parked=parked, failed_attempts_number=failed)

    assert OrderNotification.objects.retry() == 0
    assert dropped.is_dropped
    assert not dropped.is_given_up


def test_nothing_but_the_known_words_can_be_written() -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        notification(parked="somehow")


@pytest.mark.parametrize("first", ["", Parked.UNCERTAIN])
def test_an_order_has_one_notification_that_may_still_be_sent(first: str) -> None:
    order = _order_with(parked=first)

    with pytest.raises(IntegrityError), transaction.atomic():
        notification(order=order)


@pytest.mark.parametrize(
    "finished", [{"parked": word} for word in DROPPED] + [{"processed": True}]
)
def test_an_order_may_have_many_finished_notifications(finished: Any) -> None:
    order = _order_with(**finished)

    notification(order=order, **finished)
    notification(order=order)


def _order_with(**fields: Any) -> Order:
    order = Order.objects.create(
        number="7", customer=Customer.objects.create(name="Анна")
    )
    notification(order=order, **fields)
    return order


@pytest.mark.django_db(transaction=True)
def test_dropped_while_it_was_sent_it_is_delivered_when_telegram_says_so() -> None:
    queue = OrderNotificationQueue()
    sent = notification()
    (attempt,) = claim_all(queue, make_worker(queue))
    OrderNotification.objects.update(parked=Parked.SUPERSEDED)

    settle(queue, success(attempt))

    sent.refresh_from_db()
    assert (sent.processed, sent.parked) == (True, "")


@pytest.mark.django_db(transaction=True)
def test_dropped_while_it_was_sent_it_is_not_repeated_after_a_failure() -> None:
    queue = OrderNotificationQueue()
    sent = notification()
    (attempt,) = claim_all(queue, make_worker(queue))
    OrderNotification.objects.update(parked=Parked.SUPERSEDED)

    settle(queue, failure(attempt))

    sent.refresh_from_db()
    assert sent.attempts.get().outcome == "refused"
    OrderNotification.objects.update(next_attempt_at=timezone.now())
    assert claimed_numbers() == []
