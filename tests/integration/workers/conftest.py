"""A queue, a worker that is registered for it, and what it claimed."""

import pytest

from tests.shop.models import Parcel
from tests.shop.task_queues import AsyncQueue
from tests.support.settling import claim_all
from tests.support.workers import make_worker


@pytest.fixture
def queue():
    """Its successes are recorded when they are settled."""
    return AsyncQueue()


@pytest.fixture
def worker(queue):
    return make_worker(queue)


@pytest.fixture
def attempts(queue, worker):
    Parcel.objects.bulk_create(Parcel() for _ in range(3))
    return claim_all(queue, worker)
