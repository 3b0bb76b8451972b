"""Workers together keep to the rate of their queue, as a ledger of starts shows."""

import time

import pytest

from django_workers.pausing import resume_by_hand, stop_by_hand
from tests.shop.models import Parcel
from tests.shop.task_queues import rated_parcels
from tests.support.waiting import wait_until
from tests.support.workers import Workers

pytestmark = pytest.mark.django_db(transaction=True)

RATE = rated_parcels.rate
WORKERS = 3


@pytest.fixture
def workers(tmp_path):
    workers = Workers(tmp_path)
    yield workers
    workers.close()


def most_above_rate(moments):
    """Return by how many starts any window of time exceeded the rate at most.

    A window from one start to another holds all starts between, and both of them.
    """
    excess = 0.0
    for first, begin in enumerate(moments):
        for last in range(first, len(moments)):
            allowed = RATE * (moments[last] - begin)
            excess = max(excess, last - first + 1 - allowed)
    return excess


def test_no_window_sees_more_than_the_rate_and_one_burst(workers):
    """After idling, with all at work, and after a pause."""
    for _ in range(WORKERS):
        workers.start("rated_parcels")

    def hand_in(count):
        Parcel.objects.bulk_create(Parcel() for _ in range(count))

    def wait_for(count):
        ledger = workers.ledger
        wait_until(lambda: len(ledger.starts()) >= count, 30, f"{count} starts")

    hand_in(60)
    wait_for(60)
    time.sleep(1.5)  # the bucket fills, and would overflow
    hand_in(60)
    wait_for(90)
    stop_by_hand("shop.Parcel", "default", by="a test")
    hand_in(60)
    time.sleep(1.5)  # nothing starts meanwhile, and the bucket fills again
    resume_by_hand("shop.Parcel", "default")
    wait_for(180)

    starts = workers.ledger.starts()
    moments = sorted(note.at for note in starts)
    assert len({note.pid for note in starts}) > 1
    assert len({note.task_id for note in starts}) == 180
    excess = most_above_rate(moments)
    print(f"at most {excess:.1f} above {RATE:g}/s, by {WORKERS} workers")
    # One second's worth; the bucket itself holds a quarter of that.
    assert 1 < excess <= RATE


def test_the_rate_is_reached(workers):
    """A limit that nobody comes near would pass the test above, too."""
    for _ in range(WORKERS):
        workers.start("rated_parcels")

    Parcel.objects.bulk_create(Parcel() for _ in range(160))
    wait_until(lambda: len(workers.ledger.starts()) >= 160, 60, "all starts")

    moments = sorted(note.at for note in workers.ledger.starts())
    took = moments[-1] - moments[0]
    assert took >= (160 - RATE) / RATE
    assert took <= 3 * 160 / RATE
