"""What a worker claims beyond what it runs waits for a slot, or goes back unharmed."""

import asyncio
import threading
import time
from operator import le

import pytest

from django_workers import Attempt, PauseQueue
from django_workers.claiming import Claimer
from django_workers.heartbeat import Heartbeat
from django_workers.models import Claim
from django_workers.models import Worker as WorkerRow
from django_workers.options import WorkerOptions
from django_workers.pausing import stop_by_hand
from django_workers.presence import Presence
from django_workers.worker import Worker
from tests.shop.models import Parcel
from tests.shop.task_queues import AsyncQueue, PlainQueue
from tests.support.waiting import wait_until
from tests.support.workers import (
    drain,
    has_no_claims,
    make_worker,
    run,
    working,
    working_as,
)

pytestmark = pytest.mark.django_db(transaction=True)

AHEAD = 3


class Ahead(AsyncQueue):
    """Its handlers wait until the test lets them go on."""

    heartbeat_seconds = 0.2
    is_in_trouble = False

    def __init__(self, *, is_open=False):
        self.is_open = is_open
        self.let_go = []
        self.begun = []
        self.running = 0
        self.most_at_once = 0
        self.most_in_trouble = 0

    def claims_ahead(self, concurrency):
        return AHEAD

    def limit_in_flight(self):
        return 1 if self.is_in_trouble else None

    async def handle_task(self, queryset_item):
        self.begun.append(queryset_item.pk)
        self.running += 1
        self.most_at_once = max(self.most_at_once, self.running)
        if self.is_in_trouble:
            self.most_in_trouble = max(self.most_in_trouble, self.running)
        try:
            await self.work(queryset_item)
        finally:
            self.running -= 1

    async def work(self, queryset_item):
        while not self.is_open and queryset_item.pk not in self.let_go:
            await asyncio.sleep(0.01)


class Full:
    """A worker of two slots that runs two tasks and has claimed as many as it may."""

    def __init__(self, queue, worker, parcels):
        self.queue, self.worker = queue, worker
        wait_until(lambda: len(worker.pool.in_flight) == 2 + AHEAD, what="all claims")
        wait_until(lambda: len(queue.begun) == 2, what="two starts")
        self.running, self.waiting = parcels[:2], parcels[2 : 2 + AHEAD]


def make_parcels(count):
    return [Parcel.objects.create().pk for _ in range(count)]


def all_done():
    return not Parcel.objects.filter(done=False).exists()


@pytest.mark.parametrize(("rate", "room"), [(None, 2 + AHEAD), (28, 2 + 2), (5, 2)])
def test_of_a_queue_with_a_rate_only_what_a_tenth_of_a_second_lets_start(rate, room):
    queue = Ahead()
    queue.rate = rate

    assert Worker(queue, WorkerOptions(concurrency=2)).pool.room == room


@pytest.mark.parametrize(("others", "ahead"), [(6, 2), (7, 1), (13, 1), (14, 0)])
def test_all_workers_of_a_rate_wait_with_what_half_a_second_lets_start(others, ahead):
    queue = Ahead()
    queue.rate, queue.heartbeat_seconds = 28, 60
    for _ in range(others):
        make_worker(queue)

    with working(queue, concurrency=2) as worker:
        wait_until(lambda: worker.presence.worker_id, what="the registration")
        assert worker.pool.room == 2 + ahead


def test_a_worker_hears_of_those_that_come_and_go(queue, worker):
    heartbeat = Heartbeat(queue.queue_name, "default", 60, lambda dead: None)
    heartbeat.register(1)
    assert heartbeat.others == 1

    another = make_worker(queue)
    heartbeat.beat()
    assert heartbeat.others == 2

    another.delete()
    heartbeat.beat()
    assert heartbeat.others == 1


def test_it_waits_for_a_slot():
    queue, parcels = Ahead(), make_parcels(8)

    with working(queue, concurrency=2) as worker:
        full = Full(queue, worker, parcels)
        assert Claim.objects.count() == 2 + AHEAD
        queue.is_open = True
        wait_until(all_done, what="the rest")

    assert queue.most_at_once == 2
    assert queue.begun[:5] == [*full.running, *full.waiting]
    assert sorted(queue.begun) == parcels
    assert has_no_claims()


def test_its_time_begins_with_its_handler():
    """Not when it was claimed: a record of the attempt says how long it took."""
    attempts: list[Attempt] = []

    class Timed(Ahead):
        async def work(self, queryset_item):
            await asyncio.sleep(0.2)

        def record_successes(self, successes):
            attempts.extend(success.attempt for success in successes)
            super().record_successes(successes)

    make_parcels(3)
    drain(Timed(), concurrency=1)

    ends = [attempt.finished_at for attempt in attempts]
    starts = [attempt.started_at for attempt in attempts]
    assert [*map(le, ends, starts[1:])] == [True, True]  # type: ignore[arg-type]  # all have ended


def test_when_the_worker_stops_it_goes_back():
    queue, parcels = Ahead(), make_parcels(5)

    with working(queue, concurrency=2) as worker:
        full = Full(queue, worker, parcels)
        worker.stop()
        queue.is_open = True

    assert queue.begun == full.running
    assert Parcel.objects.filter(done=False, failures=0).count() == len(full.waiting)
    assert has_no_claims()


def test_what_the_deadline_cuts_of_it_was_never_begun():
    queue, parcels = Ahead(), make_parcels(5)

    with working(queue, concurrency=2, stop_timeout_seconds=0.1) as worker:
        full = Full(queue, worker, parcels)

    failed = Parcel.objects.filter(last_error="interrupted").order_by("pk")
    assert list(failed.values_list("pk", flat=True)) == full.running
    assert has_no_claims()


def test_a_pause_sends_it_back_and_it_counts_as_not_started():
    class Pausing(Ahead):
        ends_pause = False

        async def work(self, queryset_item):
            if len(self.begun) == 1:
                raise PauseQueue(0.01)

        def probe(self):
            if not self.ends_pause:
                raise PauseQueue(0.01)

    queue, parcels = Pausing(), make_parcels(3)

    with working(queue, concurrency=1, max_tasks=4, poll_seconds=0.05) as worker:
        wait_until(
            lambda: worker.pool.started == 1 and has_no_claims(), what="the pause"
        )
        begun = [*queue.begun]
        queue.ends_pause = True
        wait_until(all_done, what="the rest")

    assert begun == parcels[:1]
    assert sorted(queue.begun[1:]) == parcels
    assert worker.pool.started == 4
    assert not Parcel.objects.filter(failures__gt=0).exists()


def test_a_pause_that_comes_while_more_is_claimed_sends_that_back_too():
    class Slow(Claimer):
        """Its second claim is committed, and its answer takes until the pause."""

        claims = 0

        def claim(self, *args):
            claimed = super().claim(*args)
            self.claims += bool(claimed.attempts)
            if self.claims == 2:
                queue.is_open = True
                wait_until(lambda: queue.has_paused, what="the pause")
            return claimed

    class Pausing(Ahead):
        has_paused = False

        async def work(self, queryset_item):
            await super().work(queryset_item)
            if not self.has_paused:
                self.has_paused = True
                raise PauseQueue(60)

    queue, (first,) = Pausing(), make_parcels(1)
    worker = Worker(queue, WorkerOptions(concurrency=2, poll_seconds=0.05))
    worker.claimer = Slow(queue)

    with working_as(worker):
        wait_until(lambda: queue.begun == [first], what="the first start")
        make_parcels(3)
        wait_until(lambda: queue.has_paused and has_no_claims(), what="the end")

    assert queue.begun == [first]


def test_after_a_stop_by_hand_it_goes_back_as_soon_as_the_worker_looks():
    queue, parcels = Ahead(), make_parcels(5)

    with working(queue, concurrency=2, poll_seconds=0.05) as worker:
        full = Full(queue, worker, parcels)
        stop_by_hand(queue.queue_name, "default", by="Anna")
        queue.let_go = full.running[:1]
        wait_until(lambda: Claim.objects.count() == 2, what="what was given back")
        queue.is_open = True
        wait_until(has_no_claims, what="the end")

    # It looks when one has ended, whose slot the next one has by then.
    assert queue.begun == [*full.running, *full.waiting[:1]]


def test_a_thread_that_is_stuck_does_not_keep_it_from_going_back():
    class Stuck(PlainQueue):
        handler_timeout = 0.2

        def claims_ahead(self, concurrency):
            return AHEAD

        def handle_task(self, queryset_item):
            release.wait(20)

    release = threading.Event()
    parcels = make_parcels(4)
    before = time.monotonic()
    try:
        worker = drain(Stuck(), drain=False, stop_timeout_seconds=15)
    finally:
        release.set()

    assert worker.is_stuck
    assert time.monotonic() - before < 10
    untouched = Parcel.objects.filter(failures=0).order_by("pk")
    assert list(untouched.values_list("pk", flat=True)) == parcels[1:]
    assert has_no_claims()


def test_with_a_limit_nothing_is_claimed_ahead_only_to_go_back():
    class Limited(Ahead):
        def limit_in_flight(self):
            return 100

    class Counting(Claimer):
        claimed = 0

        def claim(self, *args):
            claimed = super().claim(*args)
            self.claimed += len(claimed.attempts)
            return claimed

    queue, parcels = Limited(is_open=True), make_parcels(8)
    worker = Worker(queue, WorkerOptions(concurrency=2, drain=True))
    worker.claimer = Counting(queue)
    run(worker)

    assert sorted(queue.begun) == parcels
    assert worker.claimer.claimed == 8


def test_in_trouble_one_is_sent_ahead_and_no_more():
    queue, parcels = Ahead(), make_parcels(8)

    with working(queue, concurrency=2, poll_seconds=0.05) as worker:
        Full(queue, worker, parcels)
        queue.is_in_trouble = True
        queue.is_open = True
        wait_until(all_done, what="the rest")

    assert queue.most_in_trouble == 1
    assert sorted(queue.begun) == parcels


def test_a_worker_that_was_buried_begins_nothing_that_it_had_claimed():
    queue, parcels = Ahead(), make_parcels(5)

    with working(queue, concurrency=2, poll_seconds=0.05) as worker:
        full = Full(queue, worker, parcels)
        # As whoever took it for dead would, with another worker at once on the tasks.
        Claim.objects.all().delete()
        Parcel.objects.filter(pk__in=full.waiting).update(done=True)
        WorkerRow.objects.all().delete()
        heartbeat = worker.presence.heartbeat
        wait_until(lambda: heartbeat.is_evicted, what="the news of it")
        queue.is_open = True
        wait_until(lambda: all_done() and not worker.pool.in_flight, what="the end")

    assert not set(full.waiting) & set(queue.begun)


def test_without_a_heartbeat_nothing_of_it_begins():
    class Fence(Presence):
        is_up = False

        def check_fence(self):
            return super().check_fence() or self.is_up

    queue, parcels = Ahead(), make_parcels(5)
    worker = Worker(queue, WorkerOptions(concurrency=2, poll_seconds=0.05))
    fence = Fence(queue, worker.database, 2, worker._hear_of_dead)
    worker.presence = fence

    with working_as(worker):
        full = Full(queue, worker, parcels)
        fence.is_up = True
        queue.is_open = True
        wait_until(has_no_claims, what="what was given back")
        begun = [*queue.begun]
        fence.is_up = False
        wait_until(all_done, what="the rest")

    assert begun == full.running
    assert sorted(queue.begun) == parcels
