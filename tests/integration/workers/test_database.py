"""Short transactions in one thread, retried while the database is away."""

import asyncio
import sqlite3
import threading
import time
from itertools import pairwise

import pytest
from django.db import (
    IntegrityError,
    InterfaceError,
    OperationalError,
    connection,
    connections,
    transaction,
)

from django_workers.connecting import LIVELINESS
from django_workers.database import (
    DatabaseThread,
    database_now,
    may_pass,
    storable,
    write_transaction,
)
from django_workers.models import Queue
from tests.support.waiting import wait_until
from tests.support.workers import other_client, sqlite_without_settings

pytestmark = pytest.mark.django_db(transaction=True)


def run(function, *, give_up=False):
    """Run a function in a database thread; return its result and the thread."""
    thread = DatabaseThread("default")

    async def once():
        if give_up:
            thread.give_up_at = asyncio.get_running_loop().time()
        return await thread(function)

    try:
        return asyncio.run(once()), thread
    finally:
        thread.close()


def test_it_runs_in_a_thread_of_its_own_and_returns_the_result():
    name, thread = run(lambda: threading.current_thread().name)

    assert name.startswith("database")
    assert not thread.had_trouble


def test_a_lost_database_is_tried_again_and_told_of(caplog):
    caplog.set_level("INFO", "django_workers")
    errors = [OperationalError("gone\n"), InterfaceError("closed")]

    def flaky():
        if errors:
            raise errors.pop(0)
        return "done"

    result, thread = run(flaky)

    assert result == "done"
    assert thread.had_trouble
    assert [record.event for record in caplog.records] == [
        "database.lost",
        "database.lost",
        "database.back",
    ]
    assert "(gone); trying again in 0.1 s" in caplog.text


def test_while_the_worker_stops_it_gives_up():
    def fail():
        raise OperationalError("gone")

    with pytest.raises(OperationalError):
        run(fail, give_up=True)


@pytest.mark.parametrize("error", [IntegrityError("double"), ValueError("oops")])
def test_other_errors_are_not_tried_again(error):
    calls = []

    def fail():
        calls.append(1)
        raise error

    with pytest.raises(type(error)):
        run(fail)
    assert calls == [1]


def test_a_mistake_in_sql_is_not_tried_again():
    def fail():
        with connections["default"].cursor() as cursor:
            cursor.execute("SELECT * FROM nowhere")

    with pytest.raises(Exception, match="nowhere"):
        run(fail)


@pytest.mark.parametrize("code", [sqlite3.SQLITE_BUSY, sqlite3.SQLITE_FULL, None])
def test_a_busy_full_or_absent_database_may_pass(code):
    error = OperationalError("x")
    error.__cause__ = sqlite3.OperationalError("x")
    if code is not None:
        error.__cause__.sqlite_errorcode = code

    assert may_pass(error)
    assert not may_pass(ValueError("x"))


def test_a_write_transaction_may_write_though_it_reads_first_and_others_wrote():
    """Without IMMEDIATE, SQLite would answer "database is locked" at once."""
    if connection.vendor != "sqlite":
        pytest.skip("only SQLite has a mode")
    with sqlite_without_settings(), write_transaction("default"):
        Queue.objects.count()
        Queue.objects.create(name="a")

    assert Queue.objects.filter(name="a").exists()


def test_a_write_transaction_is_not_nested_by_mistake():
    with (
        pytest.raises(RuntimeError, match="durable"),
        transaction.atomic(),
        write_transaction("default"),
    ):
        raise AssertionError


def test_a_frozen_worker_cannot_hold_its_locks_for_ever():
    if connection.vendor != "postgresql":
        pytest.skip("a file has no such limits")

    def limits():
        names = [
            "idle_in_transaction_session_timeout",
            "lock_timeout",
            "statement_timeout",
        ]
        with connection.cursor() as cursor:
            return [cursor.execute(f"SHOW {name}").fetchone()[0] for name in names]

    with write_transaction("default"):
        assert limits() == ["15s", "2s", "1min"]
    assert limits() == ["0", "0", "0"]


def test_a_transaction_that_the_server_ended_meanwhile_is_tried_again():
    if connection.vendor != "postgresql":
        pytest.skip("a file ends no transactions")
    backends = []

    def freeze():
        with write_transaction("default"), connections["default"].cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            backends.append(cursor.fetchone()[0])
            if len(backends) == 1:
                cursor.execute("SET idle_in_transaction_session_timeout = '50ms'")
                wait_until(lambda: not is_connected(backends[0]), what="the end")
            return Queue.objects.exists()

    _, thread = run(freeze)

    assert len(backends) == 2
    assert thread.had_trouble


def test_a_server_that_takes_no_writes_for_now_is_tried_again():
    """After a failover it may be a replica that has not taken over yet."""
    if connection.vendor != "postgresql":
        pytest.skip("a file has no replicas")
    attempts = []

    def write():
        attempts.append(1)
        if len(attempts) == 1:
            with connections["default"].cursor() as cursor:
                cursor.execute("SET default_transaction_read_only TO on")
        with write_transaction("default"):
            Queue.objects.create(name="written")

    run(write)

    assert len(attempts) == 2
    assert Queue.objects.exists()


def is_connected(backend):
    with other_client() as client:
        found = client.execute(
            "SELECT 1 FROM pg_stat_activity WHERE pid = %s", [backend]
        )
        return found.fetchone() is not None


def test_a_server_that_vanished_is_noticed_within_seconds():
    if connection.vendor != "postgresql":
        pytest.skip("a file does not vanish")

    def parameters():
        connections["default"].ensure_connection()
        return connections["default"].connection.info.get_parameters()

    found, _ = run(parameters)

    assert {name: found[name] for name in LIVELINESS} == {
        name: str(value) for name, value in LIVELINESS.items()
    }
    assert "keepalives_idle" not in parameters()


def test_what_the_project_says_of_its_connections_comes_first(monkeypatch):
    if connection.vendor != "postgresql":
        pytest.skip("only PostgreSQL shows names of connections")
    own = {"keepalives_idle": 77, "application_name": "the shop"}
    monkeypatch.setitem(connection.settings_dict, "OPTIONS", own)

    def look():
        connections["default"].ensure_connection()
        with connections["default"].cursor() as cursor:
            cursor.execute("SHOW application_name")
            found = connections["default"].connection.info.get_parameters()
            return cursor.fetchone()[0], found["keepalives_idle"]

    assert run(look)[0] == ("the shop", "77")
    assert connection.settings_dict["OPTIONS"] == own


def test_time_goes_on_within_a_transaction():
    with transaction.atomic():
        before = database_now("default")
        time.sleep(0.01)
        assert database_now("default") > before


def test_sqlite_is_left_unlocked_for_as_long_as_it_was_kept_busy():
    thread = DatabaseThread("default")
    moments = []

    def work():
        moments.append(time.monotonic())
        time.sleep(0.2)  # it is at work

    async def in_a_row():
        for _ in range(4):
            await thread(work)

    asyncio.run(in_a_row())
    thread.close()

    gaps = [after - before for before, after in pairwise(moments)]
    # What is free by itself counts, up to the 50 ms that may be owed.
    assert (min(gaps) > 0.34) is (connection.vendor == "sqlite")


@pytest.mark.parametrize(
    ("text", "stored"), [("a\0b", "ab"), ("\ud800", "?"), ("ж" * 9, "жж"), ("", "")]
)
def test_what_is_stored_is_what_every_database_takes(text, stored):
    assert storable(text, 2) == stored


def test_the_other_client_is_a_client_of_the_same_database():
    with other_client() as client:
        client.execute("INSERT INTO django_workers_queue (name) VALUES ('b')")

    assert Queue.objects.get().tokens == 0
