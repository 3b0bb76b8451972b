"""Other code is told of what happened, once it is committed, and holds nobody up."""

import threading
from typing import Any
from uuid import UUID

import pytest
from django.db import connection

from django_workers import PauseQueue, signals
from django_workers.delivering import Deliverer
from django_workers.models import Worker as WorkerRow
from django_workers.pausing import resume_by_hand, settle_probe, stop_by_hand
from django_workers.reaping import reap
from django_workers.signals import wait_until_delivered
from tests.shop.models import Parcel
from tests.shop.task_queues import AsyncQueue, PlainQueue
from tests.support.settling import claim_all, ended, failure, settle, success
from tests.support.waiting import wait_until
from tests.support.workers import drain, make_worker, working

pytestmark = pytest.mark.django_db(transaction=True)

ALL = {
    name: getattr(signals, name)
    for name in signals.__all__
    if name != "wait_until_delivered"
}


class Heard(list[Any]):
    """What was told, as (name of the signal, facts); `wait()` for the rest."""

    def wait(self):
        assert wait_until_delivered()
        return self

    def names(self):
        return [name for name, _ in self.wait()]


@pytest.fixture
def heard():
    """Listen to all signals."""
    told = Heard()
    receivers = {}
    for name, signal in ALL.items():

        def receiver(sender, signal, name=name, **facts):
            assert sender is None
            told.append((name, facts))

        receivers[name] = receiver
        signal.connect(receiver)
    yield told
    assert wait_until_delivered()
    for name, signal in ALL.items():
        signal.disconnect(receivers[name])


@pytest.fixture
def listen():
    """Connect one receiver to one signal for the time of a test."""
    connected = []

    def connect(signal, receiver):
        signal.connect(receiver)
        connected.append((signal, receiver))

    yield connect
    for signal, receiver in connected:
        signal.disconnect(receiver)
    assert wait_until_delivered()


# --- what is told ---------------------------------------------------------------------


def test_each_ending_of_a_task_is_told_with_its_facts(heard):
    good, bad, later = (
        Parcel.objects.create(todo=todo) for todo in ("", "fail", "postpone:0.1")
    )
    Parcel.objects.filter(pk=bad.pk).update(failures=2)

    with working(PlainQueue()):
        wait_until(lambda: len(heard) >= 3, what="three endings")

    facts = {what["task_id"]: (name, what) for name, what in heard.wait()}
    name, what = facts[good.pk]
    assert name == "task_handled"
    assert set(what) == {"queue", "task_id", "attempt", "duration"}
    assert what["queue"] == "shop.Parcel"
    assert isinstance(what["attempt"].key, UUID)
    assert what["attempt"].item == good
    assert 0 <= what["duration"] < 60
    name, what = facts[bad.pk]
    assert (name, what["reason_code"], what["description"]) == (
        "task_failed",
        "refused",
        "",
    )
    name, what = facts[later.pk]
    assert (name, what["reason_code"]) == ("task_postponed", "postponed")
    assert what["delay"] == pytest.approx(0.1)


def test_pauses_are_told_whoever_makes_them(heard):
    queue = AsyncQueue()
    Parcel.objects.create()
    (attempt,) = claim_all(queue, make_worker(queue))
    settle(queue, ended(attempt, PauseQueue(60, "outage", "no route")))
    settle_probe("shop.Parcel", "default", 1, None)
    stop_by_hand("shop.Parcel", "default", by="Ann", reason="stocktaking")
    stop_by_hand("shop.Parcel", "default", by="Bob")
    resume_by_hand("shop.Parcel", "default")
    resume_by_hand("shop.Parcel", "default")

    facts = {"queue": "shop.Parcel"}
    assert heard.wait() == [
        (
            "queue_paused",
            facts
            | {
                "reason_code": "outage",
                "description": "no route",
                "delay": pytest.approx(60, abs=0.1),
                "by": "",
            },
        ),
        ("queue_resumed", facts),
        (
            "queue_paused",
            facts
            | {
                "reason_code": "by_hand",
                "description": "stocktaking",
                "delay": None,
                "by": "Ann",
            },
        ),
        ("queue_resumed", facts),
    ]


def test_a_dead_worker_is_told_and_the_failure_that_it_was(heard):
    queue = PlainQueue()
    parcel = Parcel.objects.create()
    worker = make_worker(queue)
    claim_all(queue, worker)

    reap(queue, worker.pk, 0)

    (_, failed), (_, lost) = heard.wait()
    assert heard.names() == ["task_failed", "worker_lost"]
    assert (failed["task_id"], failed["reason_code"]) == (parcel.pk, "worker_lost")
    assert failed["duration"] is None
    assert lost == {"queue": "shop.Parcel", "worker": "elsewhere:1", "claims": 1}
    assert not WorkerRow.objects.exists()


# --- when -----------------------------------------------------------------------------


def test_it_is_told_after_the_commit(listen):
    """The transaction stays open for as long as a receiver would need to see it so."""

    class Patient(AsyncQueue):
        def process_task_error(self, queryset_item, error):
            super().process_task_error(queryset_item, error)
            assert wait_until_delivered()

    seen = []

    def look(task_id, **facts):
        # In a thread, and so a connection, of its own.
        parcel = Parcel.objects.get(pk=task_id)
        seen.append((parcel.done, parcel.failures))

    listen(signals.task_handled, look)
    listen(signals.task_failed, look)
    queue = Patient()
    Parcel.objects.bulk_create(Parcel() for _ in range(2))
    good, bad = claim_all(queue, make_worker(queue))

    settle(queue, success(good), failure(bad))

    assert wait_until_delivered()
    assert seen == [(True, 0), (False, 1)]


def test_what_is_not_committed_is_not_told(heard):
    class Broken(AsyncQueue):
        def record_successes(self, successes):
            raise ValueError("oops")

    queue = Broken()
    Parcel.objects.create()
    (attempt,) = claim_all(queue, make_worker(queue))

    settle(queue, success(attempt))

    assert heard.names() == []


# --- who is held up -------------------------------------------------------------------


def test_a_receiver_that_fails_is_logged_and_hinders_nobody(heard, listen, caplog):
    def fail(**facts):
        raise ValueError("oops")

    def leave(**facts):
        raise SystemExit(3)

    listen(signals.task_handled, fail)
    listen(signals.task_handled, leave)
    Parcel.objects.bulk_create(Parcel() for _ in range(2))

    worker = drain(AsyncQueue())

    assert worker.exit_code == 0
    assert heard.names() == ["task_handled"] * 2
    lines = [r.getMessage() for r in caplog.records if r.name == "django_workers"]
    assert sum("A receiver of task_handled failed" in line for line in lines) >= 2
    assert not Parcel.objects.filter(done=False).exists()


def test_a_receiver_that_hangs_holds_no_task_up(listen):
    let_go = threading.Event()

    def hang(**facts):
        let_go.wait(30)

    listen(signals.task_handled, hang)
    Parcel.objects.bulk_create(Parcel() for _ in range(5))
    try:
        with working(AsyncQueue(), stop_timeout_seconds=0.1) as worker:
            wait_until(
                lambda: not Parcel.objects.filter(done=False).exists(), what="the rest"
            )
    finally:
        let_go.set()

    assert worker.exit_code == 0


def test_a_worker_that_ends_lets_receivers_finish(listen):
    told = []
    begin = threading.Event()

    def slow(task_id, **facts):
        begin.wait(10)
        told.append(task_id)

    listen(signals.task_handled, slow)
    Parcel.objects.create()
    threading.Timer(0.3, begin.set).start()

    drain(AsyncQueue())

    assert len(told) == 1


def test_receivers_leave_no_connection_open(listen):
    if connection.vendor != "postgresql":
        pytest.skip("a file does not tell who has it open")

    def count():
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity "
                "WHERE datname = current_database()"
            )
            return cursor.fetchone()[0]

    listen(signals.queue_resumed, lambda **facts: Parcel.objects.count())
    before = count()
    for _ in range(3):
        stop_by_hand("shop.Parcel", "default", by="Ann")
        resume_by_hand("shop.Parcel", "default")
    assert wait_until_delivered()

    # One of an earlier test, which was still ending, may have been counted, too.
    wait_until(lambda: count() <= before, what="the end of the connection")


def test_too_many_that_wait_are_refused_and_counted():
    deliverer = Deliverer(most_waiting=2)
    let_go = threading.Event()
    begun = threading.Event()

    def hang():
        begun.set()
        let_go.wait(10)

    assert deliverer.put(hang)
    assert begun.wait(10)

    answers = [deliverer.put(lambda: None) for _ in range(5)]

    assert answers == [True, True, False, False, False]
    assert deliverer.refused == 3
    assert deliverer.wait(0) == 3
    let_go.set()
    assert deliverer.wait(10) == 0
    assert deliverer.put(lambda: None)
    assert deliverer.refused == 0
    assert deliverer.wait(10) == 0
