"""A whole queue waits: told by a task, ended by a probe, or stopped by hand."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import transaction
from django.utils import timezone

from django_workers import PauseQueue
from django_workers.claiming import Claimer
from django_workers.models import Claim, Queue
from django_workers.pausing import (
    give_up_probe,
    resume_by_hand,
    settle_probe,
    stop_by_hand,
)
from django_workers.reaping import reap
from tests.shop.models import Parcel
from tests.support.settling import claim_all, ended, seconds_until, settle
from tests.support.workers import has_no_claims, make_worker

pytestmark = pytest.mark.django_db(transaction=True)

NAME = "shop.Parcel"


def look(queue, worker):
    return Claimer(queue).claim(worker.pk, 99, 0)


def row():
    return Queue.objects.get(pk=NAME)


def seconds_left():
    return seconds_until(row().paused_until)


def let_pause_end():
    Queue.objects.update(paused_until=timezone.now() - timedelta(seconds=1))


def test_a_pause_stops_all_workers_of_the_queue(queue, worker, attempts):
    settle(queue, ended(attempts[0], PauseQueue(60, "outage", "no route to host")))

    for each in (worker, make_worker(queue)):
        claimed = look(queue, each)
        assert not claimed.attempts
        assert 55 < claimed.wait_seconds <= 60
        assert not claimed.is_empty
    assert (row().pause_reason, row().pause_description) == (
        "outage",
        "no route to host",
    )


def test_the_task_goes_back_uncounted(queue, attempts):
    settle(queue, ended(attempts[0], PauseQueue(60)))

    assert Parcel.objects.get(pk=attempts[0].pk).failures == 0
    assert Claim.objects.count() == 2


def test_of_several_pauses_the_latest_end_counts(queue, attempts):
    settle(
        queue,
        ended(attempts[0], PauseQueue(10, "short")),
        ended(attempts[1], PauseQueue(100, "long")),
        ended(attempts[2], PauseQueue(20, "shorter")),
    )

    assert 95 < seconds_left() <= 100
    assert row().pause_reason == "long"


def test_tasks_that_began_before_a_pause_change_nothing(queue, attempts):
    settle(queue, ended(attempts[0], PauseQueue(10, "first")))

    settle(queue, ended(attempts[1], PauseQueue(100, "second")))

    assert seconds_left() <= 10
    assert row().pause_reason == "first"
    assert row().pause_epoch == 1


def test_tasks_that_began_before_a_pause_change_nothing_after_it_either(
    queue, worker, attempts
):
    settle(queue, ended(attempts[0], PauseQueue(10)))
    let_pause_end()
    epoch = look(queue, worker).probe_epoch
    settle_probe(NAME, "default", epoch, None)

    settle(queue, ended(attempts[1], PauseQueue(100)))

    assert row().paused_until is None


def test_tasks_that_began_after_a_pause_pause_again(queue, worker, attempts):
    settle(queue, ended(attempts[0], PauseQueue(10)))
    let_pause_end()
    settle_probe(NAME, "default", look(queue, worker).probe_epoch, None)

    (again,) = claim_all(queue, worker)
    settle(queue, ended(again, PauseQueue(100)))

    assert seconds_left() > 90


@pytest.mark.parametrize("reason", ["", "x" * 65, "a\0b\ud800"])
def test_a_reason_is_anything(queue, worker, attempts, reason):
    settle(queue, ended(attempts[0], PauseQueue(10, reason, reason)))
    assert seconds_left() > 5
    let_pause_end()

    assert look(queue, worker).probe_epoch == 1


def test_a_pause_without_end_is_a_very_long_one(queue, attempts):
    settle(queue, ended(attempts[0], PauseQueue(float("inf"))))

    assert seconds_left() > 300 * 24 * 3600


# --- probes ---------------------------------------------------------------------------


@pytest.fixture
def pause_is_over(queue, attempts):
    settle(queue, ended(attempts[0], PauseQueue(10, "outage")))
    let_pause_end()


def test_one_worker_alone_probes(queue, worker, pause_is_over):
    assert look(queue, worker).probe_epoch == 1

    for each in (worker, make_worker(queue)):
        claimed = look(queue, each)
        assert claimed.probe_epoch is None
        assert not claimed.attempts


def test_a_probe_that_passes_lets_the_queue_go_on(queue, worker, pause_is_over, caplog):
    caplog.set_level("INFO", "django_workers")
    settle_probe(NAME, "default", look(queue, worker).probe_epoch, None)

    assert len(look(queue, worker).attempts) == 1
    assert row().pause_reason == ""
    assert "goes on" in caplog.text


def test_a_probe_that_fails_prolongs_the_pause(queue, worker, pause_is_over):
    epoch = look(queue, worker).probe_epoch
    settle_probe(NAME, "default", epoch, PauseQueue(30, "still_away"))

    claimed = look(queue, worker)
    assert not claimed.attempts
    assert 25 < claimed.wait_seconds <= 30
    assert row().pause_reason == "still_away"
    let_pause_end()
    assert look(queue, worker).probe_epoch == epoch


def test_when_the_prober_died_another_follows(queue, worker, pause_is_over):
    look(queue, worker)
    assert look(queue, worker).probe_epoch is None

    Queue.objects.update(probing_until=timezone.now() - timedelta(seconds=1))

    assert look(queue, make_worker(queue)).probe_epoch == 1


def test_when_the_dead_prober_is_buried_another_follows_at_once(
    queue, worker, pause_is_over
):
    assert look(queue, worker).probe_epoch == 1

    reap(queue, worker.pk, 0)

    assert look(queue, make_worker(queue)).probe_epoch == 1


def test_when_the_prober_stops_another_follows_at_once(queue, worker, pause_is_over):
    epoch = look(queue, worker).probe_epoch
    give_up_probe(NAME, "default", epoch)

    assert look(queue, make_worker(queue)).probe_epoch == epoch


def test_a_late_failure_does_not_pause_a_queue_that_goes_on(
    queue, worker, pause_is_over
):
    epoch = look(queue, worker).probe_epoch
    settle_probe(NAME, "default", epoch, None)

    settle_probe(NAME, "default", epoch, PauseQueue(30))

    assert row().paused_until is None


def test_a_late_failure_does_not_undo_what_a_person_did(queue, worker, pause_is_over):
    epoch = look(queue, worker).probe_epoch
    resume_by_hand(NAME, "default")

    settle_probe(NAME, "default", epoch, PauseQueue(30))

    assert row().paused_until is None


def test_a_late_pass_does_not_end_a_newer_pause(queue, worker, pause_is_over):
    epoch = look(queue, worker).probe_epoch
    resume_by_hand(NAME, "default")
    (again,) = claim_all(queue, worker)
    settle(queue, ended(again, PauseQueue(60)))

    settle_probe(NAME, "default", epoch, None)

    assert seconds_left() > 50


# --- by hand --------------------------------------------------------------------------


def test_a_person_stops_the_queue_and_lets_it_go_on(queue, worker):
    Parcel.objects.create()
    stop_by_hand(NAME, "default", by="Ann")

    claimed = look(queue, worker)
    assert not claimed.attempts
    assert claimed.wait_seconds is None
    assert not claimed.is_empty
    assert row().stopped_by == "Ann"

    resume_by_hand(NAME, "default")
    assert len(look(queue, worker).attempts) == 1


def test_the_first_who_stopped_it_is_remembered():
    stop_by_hand(NAME, "default", by="Ann")
    stop_by_hand(NAME, "default", by="Bob")

    assert row().stopped_by == "Ann"


def test_no_probe_ends_a_stop_by_hand(queue, worker, pause_is_over):
    stop_by_hand(NAME, "default", by="Ann")

    assert look(queue, worker).probe_epoch is None
    settle_probe(NAME, "default", 1, None)
    assert not look(queue, worker).attempts


def test_to_resume_ends_an_automatic_pause_too(queue, worker, attempts):
    settle(queue, ended(attempts[0], PauseQueue(60)))

    resume_by_hand(NAME, "default")

    assert len(look(queue, worker).attempts) == 1


def test_to_resume_releases_what_was_parked_and_nothing_else(queue, worker):
    parcels = Parcel.objects.bulk_create(Parcel() for _ in range(3))
    claims = [
        Claim(id=uuid4(), queue_id=NAME, task_id=str(parcel.pk)) for parcel in parcels
    ]
    claims[0].error = "boom"
    claims[1].held_until = timezone.now() + timedelta(hours=1)
    claims[2].worker = worker
    Claim.objects.bulk_create(claims)

    resume_by_hand(NAME, "default")

    assert Claim.objects.count() == 2
    assert [attempt.pk for attempt in look(queue, worker).attempts] == [parcels[0].pk]


def test_a_queue_that_never_ran_can_be_stopped_and_resumed():
    resume_by_hand(NAME, "default")
    assert not Queue.objects.exists()

    stop_by_hand(NAME, "default", by="x" * 300)
    assert row().stopped_at is not None
    assert has_no_claims()


def test_a_person_may_do_so_within_a_transaction_of_the_admin():
    with transaction.atomic():
        stop_by_hand(NAME, "default", by="Ann")
        resume_by_hand(NAME, "default")

    assert row().stopped_at is None
