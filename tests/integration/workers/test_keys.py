"""One condition on many keys of any kind."""

import json
import uuid
from datetime import UTC, datetime

import pytest
from django.db import NotSupportedError, connection
from django.db.models import Value

from django_workers.keys import among
from django_workers.models import Queue
from django_workers.models import Worker as WorkerRow
from django_workers.prepared import PreparedSelect
from tests.shop.models import Customs, Letter, Parcel, Tin

pytestmark = pytest.mark.django_db

NAMES = ["a", "it's", 'say "hi"', "{1,2}", "NULL", "", "\\", "Заказ №7 🎁", "%s", " "]


def numbers():
    return [
        parcel.pk for parcel in Parcel.objects.bulk_create(Parcel() for _ in range(10))
    ]


def references():
    parcels = Parcel.objects.bulk_create(Parcel() for _ in range(10))
    return [Customs.objects.create(parcel=parcel).pk for parcel in parcels]


def texts():
    return [tin.pk for tin in Tin.objects.bulk_create(Tin(name=n) for n in NAMES)]


def unique_ids():
    letters = Letter.objects.bulk_create(Letter(id=uuid.uuid4()) for _ in range(10))
    return [letter.pk for letter in letters]


KINDS = [
    (Parcel, numbers, 10**9),
    (Customs, references, 10**9),
    (Tin, texts, "nobody"),
    (Letter, unique_ids, uuid.UUID(int=0)),
]


@pytest.mark.parametrize(("model", "make", "unknown"), KINDS)
def test_exactly_the_rows_with_these_keys_are_found(model, make, unknown):
    keys = make()

    wanted = model.objects.filter(among([*keys[:4], unknown]))

    assert set(wanted.values_list("pk", flat=True)) == set(keys[:4])


@pytest.mark.parametrize(("model", "make", "unknown"), KINDS)
def test_the_others_are_left_when_these_are_excluded(model, make, unknown):
    keys = make()

    others = model.objects.exclude(among([*keys[:4], unknown]))

    assert set(others.values_list("pk", flat=True)) == set(keys[4:])


@pytest.mark.parametrize(("model", "make", "unknown"), KINDS)
def test_no_keys_mean_no_rows(model, make, unknown):
    keys = make()

    assert not model.objects.filter(among([])).exists()
    assert model.objects.exclude(among(set())).count() == len(keys)


def test_a_number_that_shows_itself_in_a_way_of_its_own_is_a_number():
    class Shown(int):
        def __str__(self):
            return f"No. {int(self)}"

    first, *_ = numbers()
    found = Parcel.objects.filter(among([Shown(first), True]))

    assert {parcel.pk for parcel in found} - {1} == {first} - {1}


def test_there_may_be_more_keys_than_a_statement_has_parameters():
    keys = numbers()

    found = Parcel.objects.filter(among([*range(10**6, 10**6 + 300_000), *keys]))

    assert found.count() == len(keys)


def test_it_goes_into_updates_subqueries_and_other_conditions():
    keys = numbers()
    chosen = Parcel.objects.filter(among(keys[:3]), done=False)

    assert chosen.update(label="chosen") == 3
    assert Parcel.objects.filter(pk__in=chosen.values("pk")).count() == 3
    assert Parcel.objects.filter(among(keys[:2]) | among(keys[8:])).count() == 4


@pytest.mark.parametrize(("model", "make", "unknown"), KINDS)
def test_the_table_is_searched_by_its_key_not_read_whole(model, make, unknown):
    make()
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
    options = {"format": "json"} if connection.vendor == "postgresql" else {}

    plan = model.objects.order_by().filter(among([unknown])).explain(**options)

    if connection.vendor == "postgresql":
        assert "Index" in json.loads(plan)[0]["Plan"]["Node Type"] or "Bitmap" in plan
    else:
        assert "SEARCH" in plan.splitlines()[0]


@pytest.mark.parametrize(("model", "make", "unknown"), KINDS)
def test_a_prepared_query_reads_what_it_would_for_any_keys(model, make, unknown):
    keys = make()
    others = PreparedSelect(
        lambda later: model.objects.exclude(among(later)).order_by("-pk").only("done")
    )
    for given in ([], keys[:4], [*keys[2:8], unknown], keys):
        whole = model.objects.exclude(among(given)).order_by("-pk").only("done")

        found = others.read("default", given, 5)

        assert found == list(whole[:5])
        assert all("failures" in row.get_deferred_fields() for row in found)


def test_a_prepared_query_is_put_together_once(django_assert_num_queries):
    built = []

    def build(later):
        built.append(later)
        return Parcel.objects.filter(among(later)).order_by("pk")

    prepared = PreparedSelect(build)
    for key in numbers():
        with django_assert_num_queries(1):
            assert [row.pk for row in prepared.read("default", [key], 2)] == [key]

    assert len(built) == 1


@pytest.mark.parametrize("model", [Queue, WorkerRow, Parcel, Letter])
def test_values_of_a_prepared_query_are_those_of_the_orm(model):
    moment = datetime(2026, 11, 26, 12, 30, 59, 123456, tzinfo=UTC)
    WorkerRow.objects.create(
        queue=Queue.objects.create(name="a"), host="Заказ №7 🎁 \"'\\", pid=2**31 - 1
    )
    Queue.objects.update(stopped_at=moment, tokens=1 / 3)
    for task in (Parcel, Letter):
        task.objects.create(done=True, failures=2, last_error="Заказ №7 🎁 \"'\\\n\x1f")
    prepared = PreparedSelect(lambda later: model.objects.exclude(among(later)))

    (row,) = prepared.read("default", [], 9)

    expected = model.objects.get()
    assert not row._state.adding
    del row._state, expected._state
    assert vars(row) == vars(expected)


@pytest.mark.skipif(
    connection.vendor != "sqlite", reason="PostgreSQL's columns hold what they say"
)
@pytest.mark.parametrize(
    "value", ["failures = 1e400", "name = CAST('a' AS BLOB)", "failures = 'x'"]
)
def test_a_prepared_query_reads_also_what_json_cannot_hold(value):
    Tin.objects.create(name="a")
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA ignore_check_constraints = ON")
        cursor.execute(f"UPDATE shop_tin SET {value}")
        cursor.execute("PRAGMA ignore_check_constraints = OFF")
    prepared = PreparedSelect(lambda later: Tin.objects.exclude(among(later)))

    (row,) = prepared.read("default", [], 9)

    expected = Tin.objects.get()
    assert (row.pk, row.failures) == (expected.pk, expected.failures)


@pytest.mark.skipif(connection.vendor != "sqlite", reason="of SQLite's own columns")
@pytest.mark.parametrize("value", ["1700000000", "''", "'x'", "20260101"])
def test_a_prepared_query_takes_a_strange_time_as_the_orm_does(value):
    Queue.objects.create(name="a")
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE django_workers_queue SET stopped_at = {value}")
    prepared = PreparedSelect(
        lambda later: Queue.objects.exclude(among(later)).only("stopped_at")
    )

    (row,) = prepared.read("default", [], 9)

    assert row.stopped_at == Queue.objects.get().stopped_at


def test_only_the_columns_of_one_model_can_be_prepared():
    annotated = PreparedSelect(
        lambda later: Customs.objects.exclude(among(later)).annotate(one=Value(1))
    )
    joined = PreparedSelect(
        lambda later: Customs.objects.exclude(among(later)).select_related("parcel")
    )
    for prepared in (annotated, joined):
        with pytest.raises(NotSupportedError, match="own columns"):
            prepared.read("default", [], 9)
