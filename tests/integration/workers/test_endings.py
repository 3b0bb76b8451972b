"""How `--drain`, `--max-tasks` and `--stop-timeout` go together."""

import asyncio

import pytest

from django_workers.models import Worker as WorkerRow
from django_workers.pausing import resume_by_hand, stop_by_hand
from tests.shop.models import Parcel
from tests.shop.task_queues import AsyncQueue
from tests.support.waiting import wait_until
from tests.support.workers import Gated, drain, has_no_claims, start_of, working

pytestmark = pytest.mark.django_db(transaction=True)


def make_parcels(count, todo=""):
    Parcel.objects.bulk_create(Parcel(todo=todo) for _ in range(count))


def count_done():
    return Parcel.objects.filter(done=True).count()


@pytest.fixture(autouse=True)
def _nothing_stays_behind():
    yield
    assert has_no_claims()
    assert not WorkerRow.objects.exists()


@pytest.mark.parametrize("concurrency", [1, 3])
@pytest.mark.parametrize(("most", "done"), [(2, 2), (5, 5), (9, 5)])
def test_whichever_of_drain_and_max_tasks_comes_first_ends_it(concurrency, most, done):
    make_parcels(5)

    worker = drain(AsyncQueue(), max_tasks=most, concurrency=concurrency)

    assert count_done() == worker.pool.started == done
    assert worker.exit_code == 0


def test_every_start_counts_for_max_tasks_however_it_ends():
    make_parcels(1, "fail")

    worker = drain(AsyncQueue(), max_tasks=2)

    assert worker.pool.started == 2
    assert Parcel.objects.get().failures == 2


def test_nothing_is_cut_when_the_last_of_max_tasks_runs_for_long():
    """The deadline is for a stop that somebody asked for."""
    make_parcels(1, "sleep:0.5")

    drain(AsyncQueue(), drain=False, max_tasks=1, stop_timeout_seconds=0)

    assert count_done() == 1


def test_a_drain_that_is_told_to_stop_finishes_what_it_has_and_leaves_the_rest():
    queue = Gated()
    make_parcels(5)

    with working(queue, drain=True, concurrency=2) as worker:
        wait_until(lambda: queue.begun == 2, what="two starts")
        worker.stop()
        queue.is_open = True

    assert count_done() == worker.pool.started == 2
    assert not Parcel.objects.filter(failures__gt=0).exists()


@pytest.mark.parametrize("seconds", [0, 0.2])
def test_what_the_stop_timeout_cuts_is_a_failed_attempt(seconds):
    queue = Gated()
    make_parcels(3)
    options = {"drain": True, "max_tasks": 2, "concurrency": 2}

    with working(queue, stop_timeout_seconds=seconds, **options) as worker:
        wait_until(lambda: queue.begun == 2, what="two starts")

    assert worker.exit_code == 0
    failed = Parcel.objects.filter(failures=1, last_error="interrupted")
    assert failed.count() == 2
    assert Parcel.objects.filter(failures=0).count() == 1


def test_a_paused_queue_is_not_drained():
    queue = AsyncQueue()
    stop_by_hand("shop.Parcel", "default", by="Ann")
    make_parcels(1)

    with working(queue, drain=True) as worker:
        row = start_of(worker)
        beats = WorkerRow.objects.filter(pk=row.pk, heartbeat__gte=row.heartbeat + 2)
        wait_until(beats.exists, what="two heartbeats")
        assert count_done() == 0
        resume_by_hand("shop.Parcel", "default")
        wait_until(lambda: worker.is_drained, what="the end")

    assert count_done() == 1


def test_a_worker_shows_that_it_lives_while_its_queue_is_closed():
    class Slow(AsyncQueue):
        is_closing = may_end = False

        async def aclose(self):
            self.is_closing = True
            while not self.may_end:
                await asyncio.sleep(0.01)

    queue = Slow()
    with working(queue, stop_timeout_seconds=30) as worker:
        row = start_of(worker)
        worker.stop()
        wait_until(lambda: queue.is_closing, what="the closing")
        row.refresh_from_db()
        beats = row.heartbeat
        wait_until(
            lambda: WorkerRow.objects.get(pk=row.pk).heartbeat > beats + 1,
            what="two heartbeats more",
        )
        queue.may_end = True
