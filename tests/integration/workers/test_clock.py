"""A clock that is set an hour forward or back neither loses, repeats nor stops a task.

Every time that the engine goes by was written by the database's clock. When that is
set, all written times are an hour away from it: the tests move them instead, which
looks the same to whoever reads them.
"""

import random
import threading
from collections import Counter
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import transaction
from django.db.models import DateTimeField, F

from django_workers import PauseQueue, PostponeTask
from django_workers.claiming import Claimer
from django_workers.health import examine
from django_workers.heartbeat import Heartbeat
from django_workers.inserting import _plan
from django_workers.models import Claim, Queue
from django_workers.models import Worker as WorkerRow
from django_workers.pausing import settle_probe, stop_by_hand
from django_workers.queue_page import moment
from tests.shop.models import Parcel
from tests.shop.task_queues import AsyncQueue
from tests.support.settling import claim_all, ended, seconds_until, settle
from tests.support.waiting import wait_until
from tests.support.workers import (
    has_no_claims,
    in_thread,
    make_queue,
    make_worker,
    working,
)

pytestmark = pytest.mark.django_db(transaction=True)

HOUR = 3600
BOTH_WAYS = pytest.mark.parametrize("seconds", [HOUR, -HOUR], ids=["forth", "back"])


def set_clock(seconds):
    """Set the database's clock forward, or with less than nothing back."""
    with transaction.atomic():
        for model in (Queue, WorkerRow, Claim):
            # In the engine's own order: else each could wait for the other's rows.
            list(model.objects.select_for_update(no_key=True).order_by("pk"))
            names = [f.name for f in model._meta.fields if isinstance(f, DateTimeField)]
            step = timedelta(seconds=seconds)
            model.objects.update(**{name: F(name) - step for name in names})


class RecordingQueue(AsyncQueue):
    """Remembers what it handled, and how often."""

    heartbeat_seconds = 0.2

    def __init__(self):
        self.handled: Counter[Any] = Counter()

    async def handle_task(self, queryset_item):
        if queryset_item.todo and not self.handled[queryset_item.pk, "first"]:
            self.handled[queryset_item.pk, "first"] += 1
            raise PostponeTask(float(queryset_item.todo))
        self.handled[queryset_item.pk] += 1


def look(queue, worker, in_flight=0):
    return Claimer(queue).claim(worker.pk, 99, in_flight)


# --- holds ----------------------------------------------------------------------------


def hold(queue, worker, seconds):
    Parcel.objects.create()
    (attempt,) = claim_all(queue, worker)
    settle(queue, ended(attempt, PostponeTask(seconds)))


def test_a_hold_does_not_last_an_hour_longer_when_the_clock_goes_back(queue, worker):
    hold(queue, worker, 60)
    assert not look(queue, worker).attempts

    set_clock(-HOUR)

    assert len(look(queue, worker).attempts) == 1


def test_a_hold_is_over_when_the_clock_went_past_its_end(queue, worker):
    hold(queue, worker, 60)

    set_clock(HOUR)

    assert len(look(queue, worker).attempts) == 1


def test_a_small_step_back_ends_no_hold(queue, worker):
    hold(queue, worker, 60)

    set_clock(-0.5)

    assert not look(queue, worker).attempts


def test_a_task_that_is_to_run_alone_does_not_wait_for_an_hour(queue, worker):
    Parcel.objects.create()
    claim_all(queue, worker)
    Claim.objects.update(worker=None, alone=True, held_until=F("claimed_at"))

    set_clock(-HOUR)

    assert len(look(queue, worker).attempts) == 1


# --- pauses ---------------------------------------------------------------------------


@BOTH_WAYS
def test_a_pause_asks_its_probe_when_the_clock_was_set(
    queue, worker, attempts, seconds
):
    settle(queue, ended(attempts[0], PauseQueue(60)))
    assert look(queue, worker).probe_epoch is None

    set_clock(seconds)

    assert look(queue, worker).probe_epoch == 1
    settle_probe("shop.Parcel", "default", 1, None)
    assert len(look(queue, worker).attempts) == 1


def test_a_pause_asked_for_again_is_not_an_hour_long(queue, worker, attempts):
    settle(queue, ended(attempts[0], PauseQueue(60)))
    set_clock(-HOUR)

    epoch = look(queue, worker).probe_epoch
    settle_probe("shop.Parcel", "default", epoch, PauseQueue(60))

    assert seconds_until(Queue.objects.get().paused_until) <= 60
    assert look(queue, worker).probe_epoch is None


def test_a_small_step_back_ends_no_pause(queue, worker, attempts):
    settle(queue, ended(attempts[0], PauseQueue(60)))

    set_clock(-0.5)

    assert look(queue, worker).probe_epoch is None


@BOTH_WAYS
def test_a_prober_that_died_is_followed_though_the_clock_was_set(
    queue, worker, attempts, seconds
):
    settle(queue, ended(attempts[0], PauseQueue(0)))
    assert look(queue, worker).probe_epoch == 1
    assert look(queue, worker).probe_epoch is None

    set_clock(seconds)

    assert look(queue, worker).probe_epoch == 1


@pytest.fixture
def naive_times(settings):
    """Have the project use times without a zone, far to the west of UTC."""
    _plan.cache_clear()
    settings.USE_TZ, settings.TIME_ZONE = False, "America/New_York"
    yield
    _plan.cache_clear()


def test_a_hold_lasts_in_a_project_without_time_zones(naive_times, queue):
    worker = make_worker(queue)
    Parcel.objects.create()
    (attempt,) = claim_all(queue, worker)
    settle(queue, ended(attempt, PostponeTask(60)))

    claimed = look(queue, worker)

    assert not claimed.attempts
    assert 50 < claimed.wait_seconds <= 60


def test_a_worker_is_seen_alive_in_a_project_without_time_zones(naive_times, queue):
    make_queue(queue)
    heartbeat = Heartbeat(queue.queue_name, "default", 2.0, lambda dead: None)

    heartbeat.register(pid=1)
    assert examine(queue).live_workers == 1
    heartbeat.beat()
    assert examine(queue).live_workers == 1


def test_times_are_told_in_a_project_without_time_zones(naive_times, queue):
    stop_by_hand(queue.queue_name, "default", by="anna")
    stopped_at = Queue.objects.get().stopped_at
    assert stopped_at is not None
    said = StringIO()

    with pytest.raises(SystemExit):
        call_command(
            "worker_health", "tests.shop.task_queues.async_parcels", stdout=said
        )

    assert f"since {stopped_at:%Y-%m-%d %H:%M:%S}." in said.getvalue()
    assert f"{stopped_at:%H:%M:%S}" in moment(stopped_at)


@BOTH_WAYS
def test_a_stop_by_hand_lasts_whatever_the_clock_does(queue, worker, seconds):
    Parcel.objects.create()
    stop_by_hand("shop.Parcel", "default", by="Ann")

    set_clock(seconds)

    assert not look(queue, worker).attempts


# --- rate -----------------------------------------------------------------------------


@BOTH_WAYS
def test_the_rate_holds_and_goes_on(worker, seconds):
    class Rated(AsyncQueue):
        # No token comes between two looks, however busy the machine is.
        rate = 0.01

    queue = Rated()
    Parcel.objects.bulk_create(Parcel() for _ in range(9))
    assert len(look(queue, worker).attempts) == 1
    assert not look(queue, worker).attempts

    set_clock(seconds)

    started = len(look(queue, worker).attempts)
    assert started <= 1
    queue.rate = 40.0
    wait_until(lambda: look(queue, worker, 1).attempts, what="a token")


# --- workers --------------------------------------------------------------------------


@BOTH_WAYS
def test_nobody_buries_a_live_worker(seconds):
    """Judged by its counter, which no clock makes stand still."""
    queues = [RecordingQueue(), RecordingQueue()]
    with working(queues[0]), working(queues[1]):
        wait_until(lambda: WorkerRow.objects.count() == 2, what="two workers")
        before = dict(WorkerRow.objects.values_list("pk", "heartbeat"))
        set_clock(seconds)

        # A dead one would be buried after five beats.
        def has_beaten():
            now = dict(WorkerRow.objects.values_list("pk", "heartbeat"))
            assert now.keys() == before.keys()
            return all(now[pk] >= before[pk] + 12 for pk in before)

        wait_until(has_beaten, what="twelve beats")


@BOTH_WAYS
def test_a_dead_worker_is_buried_all_the_same(seconds):
    queue = RecordingQueue()
    parcel = Parcel.objects.create()
    claim_all(queue, make_worker(queue))
    set_clock(seconds)

    with working(queue):
        wait_until(
            lambda: Parcel.objects.get(pk=parcel.pk).failures, what="the failure"
        )
        wait_until(lambda: Parcel.objects.get(pk=parcel.pk).done, what="the rest")


def test_a_clock_that_jumps_all_the_time_loses_and_repeats_nothing():
    queues = [RecordingQueue(), RecordingQueue()]
    for queue in queues:
        queue.rate = 400.0
    parcels = Parcel.objects.bulk_create(
        Parcel(todo="" if n % 4 else "0.05") for n in range(400)
    )
    over = threading.Event()

    def jump():
        while not over.wait(0.03):
            set_clock(random.uniform(-HOUR, HOUR))

    jumps = in_thread(jump)
    try:
        with working(queues[0], concurrency=8), working(queues[1], concurrency=8):
            wait_until(
                lambda: not Parcel.objects.filter(done=False).exists(),
                timeout=60,
                what="everything",
            )
    finally:
        over.set()
        jumps.join()

    handled = queues[0].handled + queues[1].handled
    assert [handled[parcel.pk] for parcel in parcels] == [1] * 400
    assert has_no_claims()
    assert not Parcel.objects.filter(failures__gt=0).exists()
