"""Somebody keeps a lock for long: a worker says so, and goes on with what else it can.

SQLite has one lock, which `timeout` of its OPTIONS limits for every connection.
"""

import time

import pytest
from django.db import OperationalError, connection, connections

from django_workers.claiming import Claimer
from django_workers.heartbeat import Heartbeat
from django_workers.models import Worker
from django_workers.reaping import reap
from tests.shop.models import Parcel
from tests.shop.task_queues import AsyncQueue
from tests.support.settling import claim_all, settle, success
from tests.support.waiting import wait_until
from tests.support.workers import (
    Gated,
    events,
    make_worker,
    other_client,
    start_of,
    working,
)

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        connection.vendor == "sqlite", reason="a file has one lock, and no server"
    ),
]

LONGEST_SECONDS = 6


def test_a_look_at_a_table_that_is_being_altered_is_given_up_and_told(
    queue, worker, caplog
):
    before = time.monotonic()
    with other_client() as migration:
        migration.execute("LOCK TABLE shop_parcel IN ACCESS EXCLUSIVE MODE")
        looked = Claimer(queue).claim(worker.pk, 1, 0)

    assert looked.wait_seconds is not None
    assert time.monotonic() - before < LONGEST_SECONDS
    assert events(caplog) == ["database.locked"]


def test_a_heartbeat_that_cannot_be_written_gives_up(queue, worker):
    heartbeat = Heartbeat(queue.queue_name, "default", 0.4, lambda dead: None)
    heartbeat.worker_id = worker.pk
    before = time.monotonic()

    with other_client() as migration:
        migration.execute("LOCK TABLE django_workers_worker IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(OperationalError):
            heartbeat.beat()

    assert time.monotonic() - before < LONGEST_SECONDS
    heartbeat.beat()
    assert Worker.objects.get().heartbeat == 1


def test_a_funeral_that_has_to_wait_is_put_off_and_held_later(queue, worker, caplog):
    dead = make_worker(queue)
    Parcel.objects.create()
    (attempt,) = claim_all(queue, worker)
    with other_client() as frozen:
        frozen.execute("SELECT 1 FROM django_workers_queue FOR NO KEY UPDATE")
        reap(queue, dead.pk, 0)
        assert events(caplog) == ["database.locked"]
        settle(queue, success(attempt))

    assert Parcel.objects.get().done
    reap(queue, dead.pk, 0)
    assert not Worker.objects.filter(pk=dead.pk).exists()


def test_a_worker_settles_while_its_next_claim_cannot_lock(caplog):
    gate = Gated()
    first = Parcel.objects.create()
    with working(gate, concurrency=2, poll_seconds=0.1) as worker:
        start_of(worker)
        wait_until(lambda: gate.begun, what="a start")
        with other_client() as frozen:
            frozen.execute("SELECT 1 FROM django_workers_queue FOR NO KEY UPDATE")
            Parcel.objects.create()
            wait_until(lambda: "database.locked" in events(caplog), what="a wait")
            gate.is_open = True
            wait_until(
                lambda: Parcel.objects.get(pk=first.pk).done, what="what has ended"
            )
        wait_until(
            lambda: not Parcel.objects.filter(done=False).exists(), what="the second"
        )
    connections.close_all()


def test_a_worker_that_cannot_bury_another_stops_all_the_same(caplog):
    queue = AsyncQueue()
    queue.heartbeat_seconds = 0.1
    make_worker(queue)

    with working(queue, poll_seconds=60) as worker, other_client() as frozen:
        start_of(worker)
        frozen.execute("SELECT 1 FROM django_workers_queue FOR NO KEY UPDATE")
        wait_until(lambda: "database.locked" in events(caplog), what="the wait")
        worker.stop()
        wait_until(lambda: "worker.stopped" in events(caplog), what="the end")
