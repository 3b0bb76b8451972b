"""Rows written without model instances say the same as those that Django writes."""

import uuid
from datetime import UTC, datetime, timedelta, timezone

import pytest
from django.db import DataError, IntegrityError, connection, transaction

from django_workers.inserting import insert_rows
from django_workers.models import Claim, Queue
from tests.shop.models import Parcel, Tin

pytestmark = pytest.mark.django_db

COLUMNS = ["id", "queue_id", "task_id", "held_until", "alone", "error"]
TEXTS = ["", "it's", '{"a": 1}', "a,b\n\t", "Заказ №7 🎁", "%s", "\\", "null", "\u2028"]


@pytest.fixture
def queue():
    return Queue.objects.create(name="shop.Parcel")


def insert(*rows, **options):
    insert_rows(Claim, COLUMNS, rows, using="default", **options)


@pytest.mark.parametrize("text", TEXTS)
def test_what_is_read_back_is_what_was_written(queue, text):
    key = uuid.uuid4()
    moment = datetime(2026, 3, 29, 1, 30, 0, 123456, tzinfo=UTC)

    insert((key, queue.name, text, moment, True, text))

    claim = Claim.objects.get()
    assert (claim.pk, claim.queue_id, claim.task_id) == (key, queue.name, text)
    assert (claim.held_until, claim.alone, claim.error) == (moment, True, text)


def test_a_time_in_another_zone_is_the_same_moment(queue):
    moment = datetime(2026, 7, 1, 12, tzinfo=timezone(timedelta(hours=5, minutes=30)))

    insert((uuid.uuid4(), queue.name, "1", moment, False, ""))

    assert Claim.objects.get().held_until == moment
    assert Claim.objects.filter(held_until=moment).exists()


def test_fields_that_are_not_named_get_the_defaults_of_the_database():
    insert_rows(Parcel, ["label"], [("a",), ("b",)], using="default")

    assert sorted(Parcel.objects.values_list("label", "done", "failures")) == [
        ("a", False, 0),
        ("b", False, 0),
    ]


def test_nothing_stays_nothing(queue):
    insert((uuid.uuid4(), queue.name, "1", None, False, ""))

    assert Claim.objects.get().held_until is None


def test_no_rows_are_no_statement(django_assert_num_queries):
    with django_assert_num_queries(0):
        insert()


def test_a_row_that_is_there_already_is_an_error_unless_conflicts_are_ignored(queue):
    row = (uuid.uuid4(), queue.name, "1", None, False, "first")
    insert(row)
    again = (*row[:-1], "second")

    with pytest.raises(IntegrityError), transaction.atomic():
        insert(again)
    insert(
        again, (uuid.uuid4(), queue.name, "2", None, False, ""), ignore_conflicts=True
    )

    assert list(Claim.objects.order_by("task_id").values_list("error", flat=True)) == [
        "first",
        "",
    ]


def test_a_text_that_is_too_long_is_refused_and_never_cut():
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has no limits on texts")
    columns = ["name", "todo", "done", "failures", "last_error"]

    with pytest.raises(DataError):
        insert_rows(Tin, columns, [("a", "x" * 101, False, 0, "")], using="default")
