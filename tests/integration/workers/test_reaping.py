"""What a dead worker had in flight is given back, and counted only when it is clear."""

import asyncio
from datetime import timedelta

import pytest
from django.db import OperationalError
from django.db.models import F

from django_workers.models import Claim, Worker
from django_workers.options import WorkerOptions
from django_workers.reaping import reap
from django_workers.worker import Worker as WorkerItself
from tests.shop.models import Parcel
from tests.shop.task_queues import AsyncQueue, PlainQueue
from tests.support.settling import claim_all, failure, settle
from tests.support.workers import has_no_claims, make_worker

pytestmark = pytest.mark.django_db(transaction=True)


def in_flight(queue, worker, count):
    Parcel.objects.bulk_create(Parcel() for _ in range(count))
    return claim_all(queue, worker)


def failures():
    return list(Parcel.objects.order_by("pk").values_list("failures", flat=True))


def test_the_only_task_of_a_dead_worker_is_a_failed_attempt(queue, worker, caplog):
    in_flight(queue, worker, 1)

    reap(queue, worker.pk, 0)

    parcel = Parcel.objects.get()
    assert (parcel.failures, parcel.last_error) == (1, "worker_lost")
    assert has_no_claims()
    assert not Worker.objects.exists()
    assert "elsewhere:1 is dead" in caplog.text


def test_the_error_says_what_happened_and_when(worker):
    seen = []

    class Watching(AsyncQueue):
        def process_task_error(self, queryset_item, error):
            seen.append(error)

    queue = Watching()
    (attempt,) = in_flight(queue, worker, 1)
    claim = Claim.objects.get()

    reap(queue, worker.pk, 0)

    (error,) = seen
    assert (error.task_id, error.reason_code) == (attempt.task_id, "worker_lost")
    assert "worker process died" in error.description
    assert (error.attempt.key, error.attempt.started_at) == (
        attempt.key,
        claim.claimed_at,
    )


def test_of_several_none_is_counted_and_each_runs_alone_next(queue, worker):
    seen = []
    queue.record_uncounted = lambda attempt, ending: seen.append(
        (attempt.pk, ending.reason_code)
    )
    attempts = in_flight(queue, worker, 3)

    reap(queue, worker.pk, 0)

    assert failures() == [0, 0, 0]
    assert seen == [
        (a.pk, "worker_lost") for a in sorted(attempts, key=lambda a: a.key)
    ]
    assert Claim.objects.filter(worker=None, alone=True, error="").count() == 3
    next_one = make_worker(queue)
    assert len(claim_all(queue, next_one)) == 1


def test_a_clock_that_is_set_back_does_not_hold_up_what_the_dead_gave_back(
    queue, worker
):
    in_flight(queue, worker, 2)
    # They were claimed long ago, so that moment tells of nothing unusual.
    Claim.objects.update(claimed_at=F("claimed_at") - timedelta(hours=2))
    reap(queue, worker.pk, 0)

    # As seen from a clock that goes back, what was written now is in the future.
    Claim.objects.update(
        held_until=F("held_until") + timedelta(hours=1),
        claimed_at=F("claimed_at") + timedelta(hours=1),
    )

    assert len(claim_all(queue, make_worker(queue))) == 1


def test_a_row_that_kills_its_worker_stops_after_three_and_costs_no_neighbour(queue):
    Parcel.objects.bulk_create(Parcel() for _ in range(4))
    poison = Parcel.objects.values_list("pk", flat=True)[0]
    deaths = 0
    while True:
        worker = make_worker(queue)
        attempts = claim_all(queue, worker, free=4)
        if not attempts:
            break
        if poison in [attempt.pk for attempt in attempts]:
            deaths += 1
            reap(queue, worker.pk, 0)
        else:
            done = [attempt.pk for attempt in attempts]
            Parcel.objects.filter(pk__in=done).update(done=True)
            Claim.objects.filter(worker=worker).delete()
            worker.delete()
        assert deaths < 10

    by_key = dict(Parcel.objects.values_list("pk", "failures"))
    assert by_key.pop(poison) == 3
    # Once beside others, and then alone until it is given up.
    assert deaths == 4
    assert has_no_claims()
    assert set(by_key.values()) == {0}
    assert Parcel.objects.filter(done=True).count() == 3


def test_a_row_that_its_worker_died_of_gets_no_company_again(queue, worker):
    in_flight(queue, worker, 2)
    reap(queue, worker.pk, 0)
    second = make_worker(queue)
    # Which of the two is first is decided by chance: they were claimed at once.
    (poison,) = (attempt.pk for attempt in claim_all(queue, second, free=4))
    reap(queue, second.pk, 0)
    Parcel.objects.exclude(pk=poison).update(done=True)
    Parcel.objects.create()

    third = claim_all(queue, make_worker(queue), free=4)

    assert [attempt.pk for attempt in third] == [poison]


def test_a_worker_that_lives_after_all_is_left_alone(queue, worker):
    in_flight(queue, worker, 1)
    Worker.objects.update(heartbeat=1)

    reap(queue, worker.pk, 0)

    assert Claim.objects.get().worker == worker
    assert failures() == [0]


def test_a_worker_is_buried_once(queue, worker):
    in_flight(queue, worker, 1)

    reap(queue, worker.pk, 0)
    reap(queue, worker.pk, 0)

    assert failures() == [1]


def test_a_task_that_is_done_or_gone_is_not_counted(queue, worker):
    in_flight(queue, worker, 1)
    Parcel.objects.update(done=True)
    reap(queue, worker.pk, 0)
    assert failures() == [0]

    other = make_worker(queue)
    Parcel.objects.all().delete()
    in_flight(queue, other, 1)
    Parcel.objects.all().delete()
    reap(queue, other.pk, 0)
    assert has_no_claims()


def test_a_dead_worker_with_nothing_in_flight_is_just_removed(queue, worker):
    reap(queue, worker.pk, 0)

    assert not Worker.objects.exists()


def test_tasks_of_other_workers_stay_in_flight(queue, worker):
    other = make_worker(queue)
    Parcel.objects.create()
    claim_all(queue, other)
    in_flight(queue, worker, 1)

    reap(queue, worker.pk, 0)

    assert Claim.objects.get().worker == other


@pytest.mark.parametrize("count", [1, 2])
def test_a_task_whose_queue_cannot_record_the_loss_is_parked(worker, count, caplog):
    class Failing(PlainQueue):
        def process_task_error(self, queryset_item, error):
            raise ValueError("boom")

        def record_uncounted(self, attempt, ending):
            if attempt.pk == Parcel.objects.values_list("pk", flat=True)[0]:
                raise ValueError("boom\0")

    queue = Failing()
    in_flight(queue, worker, count)

    reap(queue, worker.pk, 0)

    parked = Claim.objects.exclude(error="")
    assert parked.count() == 1
    assert parked.get().error == "ValueError: boom"
    assert parked.get().worker is None
    assert Claim.objects.filter(error="", alone=True).count() == count - 1
    assert not Worker.objects.exists()
    assert "cannot be recorded" in caplog.text


def test_a_database_that_is_lost_meanwhile_leaves_all_as_it_was(worker):
    class Unlucky(PlainQueue):
        def process_task_error(self, queryset_item, error):
            raise OperationalError("gone")

    queue = Unlucky()
    in_flight(queue, worker, 1)

    with pytest.raises(OperationalError):
        reap(queue, worker.pk, 0)

    assert Claim.objects.get().worker == worker


def test_an_error_that_the_dead_settles_after_all_is_not_counted_twice(queue, worker):
    (attempt,) = in_flight(queue, worker, 1)
    reap(queue, worker.pk, 0)

    settle(queue, failure(attempt))

    assert failures() == [1]


def test_who_is_found_dead_during_a_funeral_is_buried_next(queue):
    dead, another, found_meanwhile = (make_worker(queue).pk for _ in range(3))
    observer = WorkerItself(queue, WorkerOptions())

    async def bury():
        observer.loop = asyncio.get_running_loop()
        observer.dead.update({dead: 0, another: 0})
        # What the heartbeat's thread tells reaches the loop a little later.
        observer._hear_of_dead({found_meanwhile: 0})
        await observer._bury_dead()
        observer.database.close()

    asyncio.run(bury())

    assert list(Worker.objects.values_list("pk", flat=True)) == [found_meanwhile]
    assert observer.dead == {found_meanwhile: 0}
