"""Everybody locks in one order: queue, worker, claims, rows.

Two who lock the same things in different orders wait for each other until the server
ends one of them.
"""

import contextlib

import pytest
from django.db import OperationalError, connection, transaction
from django.utils import timezone

from django_workers import PauseQueue
from django_workers.in_flight import lock_in_flight
from django_workers.models import Claim
from django_workers.pausing import resume_by_hand
from django_workers.presence import release_strangers
from django_workers.reaping import reap
from tests.shop.models import Parcel
from tests.support.settling import claim_all, ended, failure, settle, success
from tests.support.waiting import wait_until
from tests.support.workers import (
    in_thread,
    is_somebody_waiting,
    other_client,
)

pytestmark = pytest.mark.django_db(transaction=True)

ORDER = [
    "django_workers_queue",
    "django_workers_worker",
    "django_workers_claim",
    "shop_parcel",
]
QUEUE_THEN_CLAIMS = [(ORDER[0], []), (ORDER[2], [ORDER[0]])]


@pytest.fixture
def attempts(queue, worker):
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one lock")
    Parcel.objects.bulk_create(Parcel() for _ in range(2))
    return claim_all(queue, worker)


def locked_before(table, act):
    """Return what of ORDER `act` has locked when it comes to wait for `table`."""

    def try_to_act():
        # Whoever waits for too long gives up.
        with contextlib.suppress(OperationalError):
            act()

    with other_client() as client:
        client.execute(f"SELECT 1 FROM {table} FOR UPDATE")
        acting = in_thread(try_to_act)
        wait_until(is_somebody_waiting, what=f"somebody who waits for {table}")
        found = [each for each in ORDER if each != table and is_locked(each)]
    acting.join()
    return found


def is_locked(table):
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {table}")
        (there,) = cursor.fetchone()
        cursor.execute(f"SELECT 1 FROM {table} FOR UPDATE SKIP LOCKED")
        return len(cursor.fetchall()) < there


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("table", ORDER[:3])
def test_who_buries_a_worker(queue, worker, attempts, count, table):
    if count == 1:
        settle(queue, success(attempts[1]))

    found = locked_before(table, lambda: reap(queue, worker.pk, 0))

    assert found == ORDER[: ORDER.index(table)]


@pytest.mark.parametrize(("table", "before"), QUEUE_THEN_CLAIMS)
def test_who_settles_a_pause(queue, attempts, table, before):
    outcomes = [ended(attempts[0], PauseQueue(1)), failure(attempts[1])]

    assert locked_before(table, lambda: settle(queue, *outcomes)) == before


@pytest.mark.parametrize("ending", [success, failure])
def test_who_settles_locks_claims_before_rows(queue, attempts, ending):
    outcomes = map(ending, attempts)

    assert locked_before(ORDER[2], lambda: settle(queue, *outcomes)) == []


@pytest.mark.parametrize(("table", "before"), QUEUE_THEN_CLAIMS)
def test_who_gives_back_what_a_worker_does_not_know(worker, attempts, table, before):
    def act():
        release_strangers(worker.pk, "default", [])

    assert locked_before(table, act) == before


@pytest.mark.parametrize(("table", "before"), QUEUE_THEN_CLAIMS)
def test_who_claims(queue, worker, attempts, table, before):
    # A hold that is over is deleted.
    key = attempts[0].key
    Claim.objects.filter(pk=key).update(worker=None, held_until=timezone.now())

    assert locked_before(table, lambda: claim_all(queue, worker)) == before


@pytest.mark.parametrize(("table", "before"), QUEUE_THEN_CLAIMS)
def test_who_lets_a_queue_go_on(queue, attempts, table, before):
    Claim.objects.update(worker=None, error="parked")

    def act():
        resume_by_hand(queue.queue_name, "default")

    assert locked_before(table, act) == before


@pytest.mark.parametrize(("table", "before"), QUEUE_THEN_CLAIMS)
def test_who_asks_what_is_in_flight(queue, attempts, table, before):
    def act():
        with transaction.atomic():
            lock_in_flight(queue.queue_name, [attempts[0].pk], using="default")

    assert locked_before(table, act) == before
