"""Whoever changes a task can know that no worker holds its old state."""

import threading
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.transaction import TransactionManagementError
from django.utils import timezone

from django_workers.claiming import Claimer
from django_workers.in_flight import lock_in_flight
from django_workers.models import Claim, Queue
from tests.shop.models import Parcel
from tests.shop.task_queues import PlainQueue
from tests.support.settling import claim_all, failure, settle
from tests.support.waiting import wait_until
from tests.support.workers import in_thread, make_worker

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def queue():
    return PlainQueue()


def in_flight(queue: PlainQueue, keys: Any) -> set[Any]:
    with transaction.atomic():
        return lock_in_flight(queue.queue_name, keys, using="default")


def wait_for_the_lock(thread: threading.Thread) -> None:
    """Wait until the other thread stands before the lock, where that can be seen."""
    if connection.vendor != "postgresql":
        return

    def is_waiting() -> bool:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            return bool(cursor.fetchone()[0])

    wait_until(is_waiting, what=f"{thread} at the lock")


def test_what_a_worker_has_taken_is_in_flight_and_nothing_else_is(queue):
    taken, free = Parcel.objects.create(), Parcel.objects.create()
    claim_all(queue, make_worker(queue), free=1)

    assert in_flight(queue, [taken.pk, free.pk]) == {taken.pk}
    assert in_flight(queue, [free.pk]) == set()
    assert in_flight(queue, []) == set()


def test_what_is_held_back_or_parked_is_not_in_flight(queue):
    parcel = Parcel.objects.create()
    claim_all(queue, make_worker(queue))
    Claim.objects.update(worker=None, held_until=timezone.now())

    assert in_flight(queue, [parcel.pk]) == set()


def test_tasks_of_other_queues_are_not_in_flight(queue):
    parcel = Parcel.objects.create()
    claim_all(queue, make_worker(queue))
    Queue.objects.create(pk="another")
    Claim.objects.update(queue="another")

    assert in_flight(queue, [parcel.pk]) == set()


def test_before_the_first_worker_nothing_is_in_flight(queue):
    assert in_flight(queue, [1]) == set()
    assert Queue.objects.filter(pk=queue.queue_name).exists()


def test_without_a_transaction_nothing_could_be_kept_so(queue):
    with pytest.raises(TransactionManagementError):
        lock_in_flight(queue.queue_name, [1], using="default")


def test_a_worker_takes_the_task_only_in_its_new_state(queue):
    parcel = Parcel.objects.create(todo="old")
    worker = make_worker(queue)
    taken: list[str] = []

    def claim() -> None:
        # A lock that is long in coming is given up, and asked for again.
        while not taken:
            claimed = Claimer(queue).claim(worker.pk, 1, 0)
            items: list[Any] = [attempt.item for attempt in claimed.attempts]
            taken.extend(item.todo for item in items)

    with transaction.atomic():
        assert lock_in_flight(queue.queue_name, [parcel.pk], using="default") == set()
        thread = in_thread(claim)
        wait_for_the_lock(thread)
        Parcel.objects.update(todo="new")
    thread.join()

    assert taken == ["new"]


def test_how_a_task_in_flight_ended_is_recorded_only_after_the_change(queue):
    parcel = Parcel.objects.create()
    (attempt,) = claim_all(queue, make_worker(queue))

    with transaction.atomic():
        found = lock_in_flight(queue.queue_name, [parcel.pk], using="default")
        thread = in_thread(lambda: settle(queue, failure(attempt)))
        wait_for_the_lock(thread)
        parcel.refresh_from_db()
        assert (found, parcel.failures) == ({parcel.pk}, 0)
    thread.join()

    parcel.refresh_from_db()
    assert parcel.failures == 1


def test_keys_are_read_once_nobody_takes_tasks_any_more(queue):
    """A lazy queryset misses no task that was made and taken while the lock was due."""
    make_worker(queue)
    if connection.vendor != "postgresql":
        pytest.skip("SQLite locks the whole database before the first look")
    found: list[set[Any]] = []

    def look() -> None:
        keys = Parcel.objects.values_list("pk", flat=True)
        found.append(in_flight(queue, keys))

    with transaction.atomic():
        Queue.objects.select_for_update().get(pk=queue.queue_name)
        thread = in_thread(look)
        wait_for_the_lock(thread)
        parcel = Parcel.objects.create()
        worker = make_worker(queue)
        Claimer(queue)._claim(worker.pk, 1, 0)
    thread.join()

    assert found == [{parcel.pk}]
