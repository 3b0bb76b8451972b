"""Real `run_worker` processes: signals, crashes, freezes, lost databases."""

import signal
import statistics
import time
from collections import Counter

import psutil
import pytest
from django.db import connection

from django_workers.models import Claim
from django_workers.models import Worker as WorkerRow
from tests.shop.models import Letter, Parcel, Tin
from tests.support.waiting import wait_until
from tests.support.workers import (
    Workers,
    has_no_claims,
    locked_database,
    other_client,
)

pytestmark = pytest.mark.django_db(transaction=True)

BOTH = pytest.mark.parametrize("queue", ["parcels", "async_parcels"])


@pytest.fixture
def workers(tmp_path):
    workers = Workers(tmp_path)
    yield workers
    workers.close()


def make_parcels(count, todo=""):
    return Parcel.objects.bulk_create(Parcel(todo=todo) for _ in range(count))


def make_parcel(todo=""):
    return make_parcels(1, todo)[0]


def started(workers, parcel, times=1):
    wait_until(
        lambda: len(workers.ledger.starts(parcel.pk)) >= times,
        what=f"start {times} of parcel {parcel.pk}",
    )


def wait_for_starts(workers, count):
    wait_until(lambda: len(workers.ledger.starts()) >= count, what=f"{count} starts")


def freeze(worker):
    # Not while it writes: SQLite's one lock would be frozen with it.
    with locked_database():
        worker.signal(signal.SIGSTOP)
        process = psutil.Process(worker.pid)
        wait_until(lambda: process.status() == psutil.STATUS_STOPPED, what="the freeze")


def all_done():
    return not Parcel.objects.filter(done=False).exists()


# --- draining -------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("concurrency", ["1", "4"])
def test_drain_ends_when_nothing_is_left(workers, queue, concurrency):
    parcels = make_parcels(10)

    worker = workers.start(queue, "--drain", "--concurrency", concurrency)

    assert worker.wait() == 0
    assert all_done()
    assert has_no_claims()
    assert not WorkerRow.objects.exists()
    assert Counter(note.task_id for note in workers.ledger.starts()) == Counter(
        str(parcel.pk) for parcel in parcels
    )


def test_drain_of_an_empty_queue_ends_at_once(workers):
    assert workers.start("parcels", "--drain").wait() == 0


def test_drain_waits_for_what_is_postponed(workers):
    parcel = make_parcel("postpone:1")

    worker = workers.start("parcels", "--drain")
    started(workers, parcel)
    Parcel.objects.update(todo="")

    assert worker.wait() == 0
    assert all_done()


@BOTH
def test_max_tasks_ends_after_so_many(workers, queue):
    make_parcels(10)

    assert workers.start(queue, "--max-tasks", "3").wait() == 0
    assert Parcel.objects.filter(done=True).count() == 3
    assert len(workers.ledger.starts()) == 3


def test_letters_and_tins_are_drained(workers):
    Letter.objects.bulk_create(Letter() for _ in range(5))
    Tin.objects.bulk_create(Tin(name=name) for name in ("a", "Ж 😀", "%s", "'"))

    assert workers.start("letters", "--drain").wait() == 0
    assert workers.start("tins", "--drain").wait() == 0

    assert not Letter.objects.filter(done=False).exists()
    assert not Tin.objects.filter(done=False).exists()


def test_failures_are_counted_to_three(workers):
    parcel = make_parcel("fail")

    worker = workers.start("parcels", "--drain")

    assert worker.wait() == 0
    assert len(workers.ledger.starts(parcel.pk)) == 3
    assert Parcel.objects.get().failures == 3


def test_two_workers_never_handle_one_row_twice(workers):
    make_parcels(120)

    both = [
        workers.start("async_parcels", "--drain", "--concurrency", "8", ready=False),
        workers.start("parcels", "--drain", "--concurrency", "8", ready=False),
    ]

    assert [worker.wait() for worker in both] == [0, 0]
    counts = Counter(note.task_id for note in workers.ledger.starts())
    assert len(counts) == 120
    assert set(counts.values()) == {1}
    assert all_done()
    assert "Traceback" not in both[0].log + both[1].log


def test_two_workers_share_an_sqlite_file_without_any_of_our_settings(workers):
    """Transactions begin without the right to write, as Django has it by default."""
    if connection.vendor != "sqlite":
        pytest.skip("only SQLite needs settings")
    workers.settings = "tests.shop.plain_settings"
    make_parcels(60)

    both = [
        workers.start("parcels", "--drain", "--concurrency", "4", ready=False)
        for _ in range(2)
    ]
    make_parcels(20)

    assert [worker.wait() for worker in both] == [0, 0]
    counts = Counter(note.task_id for note in workers.ledger.starts())
    assert len(counts) == 80
    assert set(counts.values()) == {1}
    assert "locked" not in both[0].log + both[1].log


# --- signals --------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_the_first_signal_finishes_what_is_in_flight_and_takes_no_more(
    workers, queue, signum
):
    slow = make_parcel("sleep:1.5")
    next_one = make_parcel()
    worker = workers.start(queue)
    started(workers, slow)

    worker.signal(signum)

    assert worker.wait() == 0
    assert Parcel.objects.get(pk=slow.pk).done
    assert not workers.ledger.starts(next_one.pk)
    assert has_no_claims()
    assert not WorkerRow.objects.exists()


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_worker_stops_within_two_seconds(workers, signum):
    worker = workers.start("parcels", "--poll", "60")
    before = time.monotonic()

    worker.signal(signum)

    assert worker.wait() == 0
    assert time.monotonic() - before < 2


@BOTH
@pytest.mark.parametrize(
    ("first", "second"),
    [(signal.SIGTERM, signal.SIGTERM), (signal.SIGTERM, signal.SIGINT)],
)
def test_the_second_signal_ends_at_once_with_its_number(workers, queue, first, second):
    parcel = make_parcel("stuck")
    worker = workers.start(queue)
    started(workers, parcel)

    worker.signal(first)
    worker.wait_for("Stopping")
    before = time.monotonic()
    worker.signal(second)

    assert worker.wait() == 128 + second
    assert time.monotonic() - before < 1


@pytest.mark.parametrize(
    ("queue", "todo"),
    [("parcels", "stuck"), ("async_parcels", "stuck"), ("async_parcels", "block")],
)
def test_a_stuck_handler_is_cut_at_the_deadline_and_counted(workers, queue, todo):
    parcel = make_parcel(todo)
    worker = workers.start(queue, "--stop-timeout", "0.5")
    started(workers, parcel)

    before = time.monotonic()
    worker.signal(signal.SIGTERM)

    assert worker.wait() == 0
    assert time.monotonic() - before < 6
    row = Parcel.objects.get()
    assert (row.failures, row.last_error) == (1, "interrupted")
    assert has_no_claims()
    assert not WorkerRow.objects.exists()
    assert "did not finish in time" in worker.log


def test_a_thread_that_overruns_its_time_ends_the_worker_and_counts(workers):
    stuck, slow = make_parcel("stuck"), make_parcel("sleep:0.9")
    worker = workers.start("impatient_parcels", "--concurrency", "2")
    started(workers, stuck)
    started(workers, slow)

    assert worker.wait() == 1
    assert Parcel.objects.get(pk=stuck.pk).last_error == "timeout"
    assert Parcel.objects.get(pk=slow.pk).done
    assert has_no_claims()
    assert "which nobody can end" in worker.log
    assert "NoneType" not in worker.log


def test_a_handler_that_blocks_the_loop_ends_its_worker_which_counts_as_lost(workers):
    frozen = make_parcel("freeze")
    worker = workers.start("impatient_async_parcels")

    assert worker.wait() == 1
    assert "The event loop has stood still" in worker.log
    assert "task_queues.py" in worker.log.partition("stood still")[2]

    Parcel.objects.update(todo="fail")
    workers.start("impatient_async_parcels", "--max-tasks", "1").wait()
    frozen.refresh_from_db()
    assert (frozen.failures, frozen.last_error) == (2, "refused")


def test_a_blocked_loop_keeps_a_worker_from_stopping_no_longer_than_a_handler_may(
    workers,
):
    frozen = make_parcel("freeze")
    worker = workers.start("async_parcels", "--stop-timeout", "0.5")
    started(workers, frozen)

    worker.signal(signal.SIGTERM)

    assert worker.wait() == 1
    assert "The event loop has stood still" in worker.log


# --- crashes --------------------------------------------------------------------------


@BOTH
def test_what_a_killed_worker_held_is_done_by_another(workers, queue):
    parcel = make_parcel("sleep:60")
    first = workers.start(queue)
    started(workers, parcel)

    first.signal(signal.SIGKILL)
    first.wait()
    Parcel.objects.update(todo="")
    killed = time.monotonic()
    workers.start(queue)
    wait_until(all_done, what="the row of the dead")

    assert time.monotonic() - killed < 10
    assert Parcel.objects.get().failures == 1
    assert len(workers.ledger.starts()) == 2


def test_a_live_worker_reaps_while_it_is_busy(workers):
    parcel = make_parcel("sleep:60")
    first = workers.start()
    started(workers, parcel)
    busy = make_parcel("sleep:60")
    second = workers.start("parcels", "--concurrency", "2")
    started(workers, busy)

    first.signal(signal.SIGKILL)
    first.wait()
    Parcel.objects.filter(pk=parcel.pk).update(todo="")
    wait_until(lambda: Parcel.objects.get(pk=parcel.pk).done, what="the reaped row")

    assert not Parcel.objects.get(pk=busy.pk).done
    second.signal(signal.SIGKILL)


def test_a_row_that_kills_its_worker_stops_after_three_and_its_neighbours_pay_nothing(
    workers,
):
    workers.heartbeat_seconds = 0.2
    make_parcels(2)
    poison = make_parcel("kill")
    make_parcels(2)

    for _ in range(8):
        worker = workers.start("async_parcels", "--drain", "--concurrency", "5")
        if worker.wait() == 0:
            break

    rows = dict(Parcel.objects.values_list("pk", "failures"))
    assert rows.pop(poison.pk) == 3
    assert set(rows.values()) == {0}
    assert Parcel.objects.filter(done=True).count() == 4
    assert Parcel.objects.get(pk=poison.pk).last_error == "worker_lost"


def test_a_worker_frozen_for_longer_than_the_dead_time_goes_on_as_a_new_one(workers):
    workers.heartbeat_seconds = 0.2
    parcel = make_parcel("sleep:2")
    frozen = workers.start("async_parcels")
    started(workers, parcel)

    freeze(frozen)
    workers.start("async_parcels")
    wait_until(lambda: WorkerRow.objects.count() == 1, what="the burial")
    frozen.signal(signal.SIGCONT)

    wait_until(all_done, what="the row")
    wait_until(lambda: WorkerRow.objects.count() == 2, what="the new worker")
    later = make_parcels(4)
    wait_until(all_done, what="the rows after")
    frozen.wait_for("goes on as a new one")
    for each in later:
        assert len(workers.ledger.starts(each.pk)) == 1
    assert Parcel.objects.get(pk=parcel.pk).failures <= 1


def test_a_short_freeze_costs_nothing(workers):
    workers.heartbeat_seconds = 1.0
    first, second = workers.start(), workers.start()
    before = set(WorkerRow.objects.values_list("pk", flat=True))

    freeze(first)
    parcels = make_parcels(3)
    wait_until(all_done, what="the rows")
    first.signal(signal.SIGCONT)
    parcels += make_parcels(3)
    wait_until(all_done, what="more rows")

    assert set(WorkerRow.objects.values_list("pk", flat=True)) == before
    assert len(workers.ledger.starts()) == len(parcels)
    assert "dead" not in first.log + second.log


# --- news and trouble -----------------------------------------------------------------


def test_a_row_written_by_a_plain_client_is_found_fast(workers):
    workers.start("parcels", "--poll", "5")
    sql = "INSERT INTO shop_parcel DEFAULT VALUES"
    latencies = []
    for number in range(1, 11):
        with other_client() as client:
            client.execute(sql)
        committed = time.time()
        wait_for_starts(workers, number)
        latencies.append(workers.ledger.starts()[-1].at - committed)

    assert sorted(latencies)[5] < 0.15


def test_a_database_locked_for_three_seconds_is_waited_for(workers):
    worker = workers.start("parcels")
    with locked_database():
        locked = time.monotonic()
        wait_until(lambda: time.monotonic() - locked > 3, what="three seconds")
    make_parcels(3)

    wait_until(all_done, what="the rows")
    assert worker.popen.poll() is None
    assert "Traceback" not in worker.log
    worker.signal(signal.SIGTERM)
    assert worker.wait() == 0


def test_a_worker_survives_that_all_its_connections_are_ended(workers):
    if connection.vendor != "postgresql":
        pytest.skip("a file has no connections to end")
    make_parcels(20, "sleep:0.1")
    worker = workers.start("parcels")
    for round_ in range(5):
        wait_for_starts(workers, 3 * round_ + 1)
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )

    wait_until(all_done, timeout=20, what="all rows")
    make_parcel()
    wait_until(all_done, what="one more")
    worker.signal(signal.SIGTERM)
    assert worker.wait() == 0
    assert has_no_claims()


def test_two_idle_workers_do_not_wake_each_other_without_end(workers):
    idle = [workers.start() for _ in range(2)]
    processes = [psutil.Process(worker.pid) for worker in idle]

    def cpu_seconds():
        return sum(sum(process.cpu_times()[:2]) for process in processes)

    def share_of_a_second():
        begun, spent = time.monotonic(), cpu_seconds()
        wait_until(lambda: time.monotonic() - begun > 1, what="a second")
        return (cpu_seconds() - spent) / (time.monotonic() - begun) / 2

    # What else the machine does may cost these two time in one of them.
    assert statistics.median(share_of_a_second() for _ in range(3)) < 0.04
    assert not Claim.objects.exists()


# --- mistakes -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("tests.shop.mistakes.shelves", "has several columns"),
        ("tests.shop.mistakes.async_errors", "must be `def`"),
        ("tests.shop.mistakes.no_rate", "rate must be more than 0"),
        ("tests.shop.mistakes.not_ready", "no stamps left"),
    ],
)
def test_a_mistake_is_one_clear_line(workers, path, text):
    worker = workers.start(path, ready=False)

    assert worker.wait() == 1
    assert text in worker.log
    assert "Traceback" not in worker.log
    assert worker.log.count("\n") <= 3


def test_serializable_transactions_are_refused(workers, monkeypatch):
    if connection.vendor != "postgresql":
        pytest.skip("only PostgreSQL has such a default")
    monkeypatch.setenv("PGOPTIONS", "-c default_transaction_isolation=serializable")

    worker = workers.start("parcels", ready=False)

    assert worker.wait() == 1
    assert "claims are right only under 'read committed'" in worker.log


def test_reload_drains_too_and_stops_at_a_signal(workers):
    parcel = make_parcel()
    worker = workers.start("parcels", "--reload")
    started(workers, parcel)
    wait_until(all_done, what="the row")

    worker.signal(signal.SIGTERM)

    assert worker.wait() == 0
