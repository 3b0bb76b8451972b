"""Old attempts go, a few at a time; what a person still needs stays."""

import re
from datetime import datetime, timedelta
from io import StringIO
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from notifications.models import DeliveryAttempt, OrderNotification
from notifications.pruning import prune_attempts
from tests.support.sending import finish_all, notify_all, point_to, sending
from tests.support.telegram import RunningTelegram
from tests.support.workers import other_client

pytestmark = pytest.mark.django_db(transaction=True)

Outcome = DeliveryAttempt.Outcome
LONG_AGO = timezone.now() - timedelta(days=100)
LATELY = timezone.now() - timedelta(days=80)


def attempt(
    notification: OrderNotification, at: datetime, outcome: str = Outcome.DELIVERED
) -> DeliveryAttempt:
    return DeliveryAttempt(
        notification=notification,
        key=uuid4(),
        started_at=at,
        finished_at=at,
        outcome=outcome,
    )


def make(count: int, at: datetime, *, processed: bool = True) -> None:
    """Make notifications with a refusal and what came after it."""
    made = OrderNotification.objects.bulk_create(
        OrderNotification(order_number="1", tg_user_id=i, processed=processed)
        for i in range(1, count + 1)
    )
    last = Outcome.DELIVERED if processed else Outcome.REFUSED
    DeliveryAttempt.objects.bulk_create(
        attempt(notification, at, outcome)
        for notification in made
        for outcome in (Outcome.REFUSED, last)
    )


def prune(*arguments: str, **options: Any) -> str:
    output = StringIO()
    call_command("prune_deliveries", *arguments, stdout=output, **options)
    return output.getvalue()


def test_old_attempts_go_and_young_ones_stay():
    make(30, LONG_AGO)
    make(20, LATELY)

    told = prune("--older-than", "90d")

    assert "deleted: 60." in told
    assert DeliveryAttempt.objects.count() == 40
    assert not DeliveryAttempt.objects.filter(finished_at=LONG_AGO).exists()
    assert OrderNotification.objects.count() == 50


def test_plain_days_are_understood():
    make(1, LONG_AGO)

    assert "deleted: 2." in prune("--older-than", "90")


def test_the_latest_attempt_of_what_was_not_delivered_stays():
    make(5, LONG_AGO, processed=False)
    latest = list(
        DeliveryAttempt.objects.order_by("-pk").values_list("pk", flat=True)[::2]
    )

    prune("--older-than", "90d")
    prune("--older-than", "90d")

    kept = DeliveryAttempt.objects.order_by("-pk").values_list("pk", flat=True)
    assert list(kept) == latest


def test_a_dry_run_deletes_nothing_and_tells_what_would_be():
    make(30, LONG_AGO)
    make(5, LONG_AGO, processed=False)

    told = prune("--older-than", "90d", "--dry-run")

    assert "would be deleted: 65." in told
    assert DeliveryAttempt.objects.count() == 70


def test_many_go_in_batches_with_progress_in_between():
    make(6_000, LONG_AGO)
    make(100, LATELY)

    told = prune("--older-than", "90d", "--batch-size", "500")

    steps = [int(n) for n in re.findall(r"looked at, (\d+) deleted", told)]
    assert steps == list(range(500, 12_001, 500))
    assert DeliveryAttempt.objects.count() == 200


def test_nothing_is_locked_between_two_batches():
    make(40, LONG_AGO)
    writes = 0
    for _ in prune_attempts(LATELY, batch_size=10):
        with other_client() as client:
            client.execute("UPDATE notifications_deliveryattempt SET description = 'x'")
        writes += 1

    assert writes == 8
    assert not DeliveryAttempt.objects.exists()


def test_sending_goes_on_while_old_attempts_are_pruned(settings):
    make(4_000, LONG_AGO)
    with RunningTelegram() as telegram:
        point_to(telegram, settings)
        waiting = notify_all(telegram.add_started_users(50))
        with sending():
            prune("--older-than", "90d", "--batch-size", "200")
            finish_all()

    assert DeliveryAttempt.objects.count() == len(waiting)
    assert {a.outcome for a in DeliveryAttempt.objects.all()} == {Outcome.DELIVERED}


@pytest.mark.parametrize(
    "age", ["0", "0d", "-5", "ninety", "90 days", "1e9", "", "٩٠", "99999"]
)
def test_an_age_that_is_none_is_told_so(age):
    with pytest.raises(CommandError, match="write a number of days from 1 to 36500"):
        prune(f"--older-than={age}")


def test_without_an_age_nothing_is_done():
    make(1, LONG_AGO)
    with pytest.raises(CommandError, match="--older-than"):
        prune()
    assert DeliveryAttempt.objects.count() == 2


@pytest.mark.parametrize("size", ["0", "-1", "many", "10001"])
def test_a_batch_that_is_none_is_told_so(size):
    with pytest.raises(CommandError, match="is no number from 1 to 10000"):
        prune("--older-than=90d", f"--batch-size={size}")
