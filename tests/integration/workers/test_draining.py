"""A worker with a real database drains what there is."""

import pytest

from tests.shop.models import Parcel
from tests.shop.task_queues import PlainQueue
from tests.support.workers import drain, has_no_claims

pytestmark = pytest.mark.django_db(transaction=True)


def test_every_row_is_handled_once():
    Parcel.objects.bulk_create(Parcel() for _ in range(5))
    handled = []

    class Queue(PlainQueue):
        def handle_task(self, queryset_item):
            handled.append(queryset_item.pk)
            super().handle_task(queryset_item)

    drain(Queue())

    assert sorted(handled) == sorted(Parcel.objects.values_list("pk", flat=True))
    assert not Parcel.objects.filter(done=False).exists()
    assert has_no_claims()
