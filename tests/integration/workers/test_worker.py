"""The worker's loop beside the test, with threads, connections and a real database."""

import asyncio
import threading
import time

import psutil
import pytest
from django.db import OperationalError, connection, connections, transaction

from django_workers import PauseQueue
from django_workers.claiming import Claimer
from django_workers.models import Claim, Queue
from django_workers.models import Worker as WorkerRow
from django_workers.options import WorkerOptions
from django_workers.pausing import resume_by_hand, stop_by_hand
from django_workers.presence import Presence
from django_workers.worker import Worker
from tests.shop.models import Parcel
from tests.shop.task_queues import AsyncQueue, PlainQueue
from tests.support.settling import seconds_until
from tests.support.waiting import wait_until
from tests.support.workers import (
    drain,
    events,
    has_no_claims,
    is_somebody_waiting,
    locked_database,
    make_worker,
    other_client,
    run,
    start_of,
    wait_for_rest,
    working,
    working_as,
)

pytestmark = pytest.mark.django_db(transaction=True)

SOON = 3.0
# A heartbeat is a commit, and any commit makes SQLite's workers look again.
NEVER = 60.0


class Gate(AsyncQueue):
    """Handlers that wait until the test lets them go on."""

    heartbeat_seconds = 0.2

    def __init__(self):
        self.started = []
        self.most_at_once = 0
        self.open = threading.Event()
        self.now_running = 0

    async def handle_task(self, queryset_item):
        self.started.append(queryset_item.pk)
        self.now_running += 1
        self.most_at_once = max(self.most_at_once, self.now_running)
        try:
            while not self.open.is_set():
                await asyncio.sleep(0.01)
        finally:
            self.now_running -= 1


class Recorded(AsyncQueue):
    """Does what the row says, and remembers which were started, and when."""

    heartbeat_seconds = 0.2

    def __init__(self):
        self.started = []

    async def handle_task(self, queryset_item):
        self.started.append((queryset_item.pk, time.monotonic()))
        await super().handle_task(queryset_item)


class Healed(Recorded):
    """The first row to start does what it says; whatever starts later succeeds."""

    async def handle_task(self, queryset_item):
        if self.started:
            queryset_item.todo = ""
        await super().handle_task(queryset_item)


class Watched(Recorded):
    """Counts how often its worker is about to look for tasks."""

    looks = 0

    def limit_in_flight(self):
        self.looks += 1
        return super().limit_in_flight()


def make_parcels(count, **values):
    return Parcel.objects.bulk_create(Parcel(**values) for _ in range(count))


def all_done():
    return not Parcel.objects.filter(done=False).exists()


def totals(worker):
    heartbeat = worker.presence.heartbeat
    return heartbeat.handled, heartbeat.failed


# --- handling -------------------------------------------------------------------------


@pytest.mark.parametrize("queue_class", [PlainQueue, AsyncQueue])
@pytest.mark.parametrize("concurrency", [1, 8])
def test_a_queue_is_drained(queue_class, concurrency):
    make_parcels(30)

    worker = drain(queue_class(), concurrency=concurrency)

    assert all_done()
    assert has_no_claims()
    assert totals(worker) == (30, 0)


def test_one_worker_runs_as_many_as_it_may_and_no_more():
    queue = Gate()
    make_parcels(7)

    with working(queue, concurrency=3):
        wait_until(lambda: len(queue.started) == 3, what="three starts")
        queue.open.set()
        wait_until(all_done, what="the rest")

    assert queue.most_at_once == 3


class InFlightAtSettle(AsyncQueue):
    """Has the second task end while the first is settled; notes what was in flight."""

    def __init__(self):
        self.first_is_settled = threading.Event()
        self.second_has_ended = threading.Event()
        self.in_flight = []

    async def handle_task(self, queryset_item):
        if queryset_item.label == "second":
            await asyncio.to_thread(self.first_is_settled.wait, SOON)
            self.second_has_ended.set()

    def record_successes(self, successes):
        super().record_successes(successes)
        self.first_is_settled.set()
        self.second_has_ended.wait(SOON)
        self.in_flight.append(Claim.objects.filter(worker__isnull=False).count())


def test_handlers_need_not_wait_while_what_ended_before_them_is_settled():
    """Of two slots both are filled again though one outcome is not recorded yet."""
    queue = InFlightAtSettle()
    for label in ["first", "second", "third", "fourth", "fifth"]:
        Parcel.objects.create(label=label)

    drain(queue, concurrency=2)

    assert all_done()
    assert max(queue.in_flight) == 3


class Grouped(AsyncQueue):
    """Notes what was committed together; its first settle lasts until it may end."""

    def __init__(self):
        self.others_may_end = threading.Event()
        self.is_settling = threading.Event()
        self.may_commit = threading.Event()
        self.commits = []
        self.settled = []

    async def handle_task(self, queryset_item):
        while queryset_item.label != "first" and not self.others_may_end.is_set():
            await asyncio.sleep(0.01)
        await super().handle_task(queryset_item)

    def record_successes(self, successes):
        super().record_successes(successes)
        for success in successes:
            self.note(success.attempt.item.label)
        self.is_settling.set()
        self.may_commit.wait(30)

    def process_task_error(self, queryset_item, error):
        super().process_task_error(queryset_item, error)
        self.note(queryset_item.label)

    def record_uncounted(self, attempt, ending):
        self.note(attempt.item.label)

    def note(self, label):
        if not self.settled:
            transaction.on_commit(self.note_commit)
        self.settled.append(label)

    def note_commit(self):
        self.commits.append(sorted(self.settled))
        self.settled = []


def test_all_that_ends_while_one_settle_is_written_goes_into_the_next():
    """However it ended, and however much it is."""
    queue = Grouped()
    endings = {"first": "", "good": "", "fine": "", "bad": "fail", "late": "postpone:9"}
    for label, todo in endings.items():
        Parcel.objects.create(label=label, todo=todo)

    with working(queue, concurrency=5) as worker:
        assert queue.is_settling.wait(SOON)
        queue.others_may_end.set()
        wait_until(lambda: not worker.pool.in_flight, what="the end of the others")
        queue.may_commit.set()
        wait_until(lambda: len(queue.commits) >= 2, what="two settles")

    assert queue.commits[:2] == [["first"], ["bad", "fine", "good", "late"]]


def test_a_worker_that_has_nothing_else_to_do_settles_at_once():
    """Nothing but the end of the task tells it to, and no more is waited for."""
    queue = Gate()
    queue.heartbeat_seconds = NEVER
    make_parcels(1)

    with working(queue, poll_seconds=60) as worker:
        wait_until(lambda: queue.started, what="the start")
        wait_for_rest(worker)
        queue.open.set()
        wait_until(all_done, SOON, "the settle")


def test_concurrency_one_keeps_the_order():
    queue = Recorded()
    parcels = make_parcels(10)

    drain(queue, concurrency=1)

    assert [pk for pk, _ in queue.started] == [parcel.pk for parcel in parcels]


def test_a_free_slot_is_filled_though_most_others_are_busy_for_long():
    """Fewer than a quarter are free: it may take a moment, not until more are."""
    queue = Gate()
    make_parcels(15)

    with working(queue, concurrency=16):
        wait_until(lambda: len(queue.started) == 15, what="fifteen starts")
        make_parcels(1)
        wait_until(lambda: len(queue.started) == 16, SOON, "the sixteenth start")
        queue.open.set()
        wait_until(all_done, what="the end")


def test_three_failures_and_never_a_fourth(caplog):
    queue = Recorded()
    make_parcels(1, todo="fail")

    drain(queue)

    assert len(queue.started) == 3
    assert Parcel.objects.get().failures == 3
    assert events(caplog).count("task.failed") == 3


def test_the_totals_count_failures_and_no_waits():
    queue = Recorded()
    make_parcels(1, todo="fail")
    make_parcels(2)
    (waiting,) = make_parcels(1, todo="postpone:0.3")

    with working(queue) as worker:
        wait_until(lambda: len(queue.started) >= 8, what="eight starts")
        Parcel.objects.filter(pk=waiting.pk).update(todo="")
        wait_until(
            lambda: Parcel.objects.filter(done=True).count() == 3, what="three done"
        )

    assert totals(worker) == (3, 3)


def test_a_handler_that_exits_does_not_take_the_worker_with_it():
    class Exiting(AsyncQueue):
        async def handle_task(self, queryset_item):
            raise SystemExit(3)

    make_parcels(2)

    drain(Exiting())

    assert [parcel.failures for parcel in Parcel.objects.all()] == [3, 3]
    assert {each.last_error for each in Parcel.objects.all()} == {"unhandled_exception"}


def test_an_async_handler_that_overruns_counts_as_timeout():
    class Slow(AsyncQueue):
        handler_timeout = 0.05

    make_parcels(1, todo="stuck")

    drain(Slow())

    parcel = Parcel.objects.get()
    assert (parcel.failures, parcel.last_error) == (3, "timeout")


def test_a_handler_may_use_the_async_orm():
    class Orm(PlainQueue):
        async def handle_task(self, queryset_item):
            queryset_item.done = True
            await queryset_item.asave(update_fields=["done"])

    make_parcels(5)

    drain(Orm(), concurrency=3)

    assert all_done()


def test_a_lost_connection_of_the_async_orm_costs_no_second_attempt():
    """Nobody but the worker closes it: there are no requests under asyncio."""
    if connection.vendor != "postgresql":
        pytest.skip("a file is not lost")
    lost: list[int] = []

    class Orm(PlainQueue):
        async def handle_task(self, queryset_item):
            if not lost:
                lost.append(queryset_item.pk)
                await Parcel.objects.acount()
                await asyncio.to_thread(end_other_connections)
            queryset_item.done = True
            await queryset_item.asave(update_fields=["done"])

    def end_other_connections():
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE "
                "datname = current_database() AND pid <> pg_backend_pid() "
                "AND query LIKE '%%COUNT%%' AND state = 'idle'"
            )
        connection.close()

    make_parcels(3)

    drain(Orm())

    assert all_done()
    assert sum(parcel.failures for parcel in Parcel.objects.all()) == 1


def test_a_worker_that_cannot_read_its_tasks_ends_and_settles_what_was_in_flight():
    class Broken(Gate):
        broken = False

        def get_pending_tasks_queryset(self):
            if self.broken and threading.current_thread().name.startswith("database"):
                self.broken = False
                raise ZeroDivisionError("a mistake in the queue")
            return super().get_pending_tasks_queryset()

    queue = Broken()
    make_parcels(1)

    raised = pytest.raises(ZeroDivisionError)
    with raised, working(queue, concurrency=2) as worker:
        wait_until(lambda: queue.started, what="a start")
        queue.broken = True
        make_parcels(1)
        wait_until(lambda: worker.database.give_up_at is not None, what="the mistake")
        queue.open.set()
        wait_until(lambda: not WorkerRow.objects.exists(), what="the end")

    assert Parcel.objects.filter(done=True).count() == 1
    assert has_no_claims()


# --- news -----------------------------------------------------------------------------


def test_a_new_row_is_noticed_at_once():
    queue = Recorded()
    queue.heartbeat_seconds = NEVER

    with working(queue, poll_seconds=60) as worker:
        wait_for_rest(worker)
        before = time.monotonic()
        make_parcels(1)
        wait_until(lambda: queue.started, SOON, "the start")

    assert queue.started[0][1] - before < 0.5


def test_a_postponed_row_of_a_plain_model_comes_back_on_time():
    queue = Healed()
    queue.heartbeat_seconds = NEVER
    make_parcels(1, todo="postpone:0.5")

    with working(queue, poll_seconds=60):
        wait_until(all_done, what="the second start")

    (_, first), (_, second) = queue.started
    assert 0.45 < second - first < 1.5
    assert Parcel.objects.get().failures == 0


def test_a_rate_is_reached_though_each_task_takes_long():
    queue = Gate()
    queue.rate = 10.0
    make_parcels(6)

    with working(queue, concurrency=6, poll_seconds=60):
        wait_until(lambda: len(queue.started) == 6, SOON, "six starts")
        queue.open.set()
        wait_until(all_done, what="the end")


def test_polling_finds_what_nobody_told_of():
    queue = Recorded()

    with working(queue, poll_seconds=0.1) as worker:
        start_of(worker)
        make_parcels(1)
        wait_until(lambda: queue.started, SOON, "the start")


# --- pauses ---------------------------------------------------------------------------


class Probed(Healed):
    """Its probe answers what the test says, one after the other, then passes."""

    def __init__(self, *answers):
        super().__init__()
        self.answers = list(answers)
        self.probes = []

    async def probe(self):
        self.probes.append(time.monotonic())
        if self.answers:
            raise self.answers.pop(0)


class ProbedInThread(Probed):
    def probe(self):
        # Django's ORM is for threads: here it may be used.
        Queue.objects.count()
        self.probes.append(time.monotonic())
        if self.answers:
            raise self.answers.pop(0)


@pytest.mark.parametrize("kind", [Probed, ProbedInThread])
def test_a_queue_goes_on_when_its_probe_passes(kind):
    queue = kind(PauseQueue(0.2, "still_away"), PauseQueue(0.2, "still_away"))

    with working(queue):
        make_parcels(1, todo="pause:0.1")
        wait_until(all_done, what="the end of the pause")

    first, second, third = queue.probes
    assert second - first > 0.15
    assert third - second > 0.15
    assert Parcel.objects.get().failures == 0


@pytest.mark.parametrize("kind", [Probed, ProbedInThread])
@pytest.mark.parametrize(
    "error", [ZeroDivisionError, asyncio.CancelledError, BaseException]
)
def test_a_probe_that_crashes_is_told_of_and_prolongs_the_pause(kind, error, caplog):
    queue = kind(error("oops"))

    with working(queue):
        make_parcels(1, todo="pause:0.1")
        wait_until(
            lambda: Queue.objects.filter(pause_reason="probe_crashed").exists(),
            what="a longer pause",
        )
        row = Queue.objects.get()

    assert 20 < seconds_until(row.paused_until) <= 30
    assert error.__name__ in row.pause_description
    assert "queue.probe_crashed" in events(caplog)


def test_one_of_two_workers_probes():
    class Slow(Probed, Watched):
        may_end = False

        async def probe(self):
            await super().probe()
            while not self.may_end:
                await asyncio.sleep(0.01)  # It is at work until then.

    queue = Slow()

    with working(queue, poll_seconds=0.05), working(queue, poll_seconds=0.05):
        make_parcels(1, todo="pause:0.1")
        wait_until(lambda: queue.probes, what="the probe")
        looks = queue.looks
        wait_until(lambda: queue.looks >= looks + 6, what="looks of both")
        queue.may_end = True
        wait_until(all_done, what="the end of the pause")

    assert len(queue.probes) == 1


class StuckProbe(Probed):
    async def probe(self):
        self.probes.append(time.monotonic())
        await asyncio.Event().wait()


def test_a_stuck_probe_keeps_nobody_from_stopping():
    queue = StuckProbe()

    with working(queue) as worker:
        make_parcels(1, todo="pause:0.1")
        wait_until(lambda: queue.probes, what="the probe")
        before = time.monotonic()
        worker.stop()
        wait_until(lambda: not WorkerRow.objects.exists(), SOON, "the end")

    assert time.monotonic() - before < SOON
    assert Queue.objects.get().probing_until is None


def test_a_stuck_probe_keeps_nobody_from_settling():
    class SlowAndStuck(StuckProbe):
        async def handle_task(self, queryset_item):
            if queryset_item.todo == "sleep":
                await asyncio.sleep(1.0)
                return
            await super().handle_task(queryset_item)

    queue = SlowAndStuck()
    (slow,) = make_parcels(1, todo="sleep")

    with working(queue, concurrency=2):
        make_parcels(1, todo="pause:0.1")
        wait_until(lambda: queue.probes, what="the probe")
        wait_until(lambda: Parcel.objects.get(pk=slow.pk).done, what="the settle")


def test_a_queue_stopped_by_hand_goes_on_when_a_person_says_so():
    queue = Watched()
    queue.heartbeat_seconds = NEVER

    with working(queue, poll_seconds=60) as worker:
        wait_for_rest(worker)
        stop_by_hand("shop.Parcel", "default", by="Ann")
        wait_for_rest(worker)
        looks = queue.looks
        make_parcels(1)
        wait_until(lambda: queue.looks > looks, SOON, "a look")
        wait_for_rest(worker)
        assert not queue.started
        resume_by_hand("shop.Parcel", "default")
        wait_until(lambda: queue.started, SOON, "the start")


# --- the end --------------------------------------------------------------------------


def test_a_worker_that_is_told_to_stop_finishes_what_is_in_flight(caplog):
    caplog.set_level("INFO", "django_workers")
    queue = Gate()
    make_parcels(5)

    with working(queue, concurrency=2) as worker:
        wait_until(lambda: len(queue.started) == 2, what="two starts")
        worker.stop()
        wait_until(lambda: "worker.stopping" in events(caplog), what="the stop")
        queue.open.set()

    assert len(queue.started) == 2
    assert Parcel.objects.filter(done=True).count() == 2
    assert has_no_claims()
    assert not WorkerRow.objects.exists()


def test_a_worker_may_be_told_to_stop_before_it_began_and_after_it_ended():
    make_parcels(1)
    queue = Recorded()
    worker = Worker(queue, WorkerOptions())

    worker.stop()
    asyncio.run(worker.run())
    worker.stop()

    assert not queue.started


def test_what_the_deadline_cuts_is_counted_as_interrupted(caplog):
    queue = Recorded()
    make_parcels(2, todo="stuck")

    with working(queue, stop_timeout_seconds=0.1, concurrency=2) as worker:
        wait_until(lambda: len(queue.started) == 2, what="two starts")

    assert [parcel.last_error for parcel in Parcel.objects.all()] == ["interrupted"] * 2
    assert has_no_claims()
    assert "worker.cut" in events(caplog)
    assert not worker.is_stuck


def test_a_handler_that_cannot_be_cancelled_is_left_to_the_end_of_the_process():
    release = threading.Event()

    class Stubborn(AsyncQueue):
        async def handle_task(self, queryset_item):
            while not release.is_set():
                try:
                    await asyncio.sleep(0.01)
                except asyncio.CancelledError:
                    continue

    make_parcels(1)
    worker = Worker(Stubborn(), WorkerOptions(stop_timeout_seconds=0))

    async def run():
        task = asyncio.create_task(worker.run())
        while not worker.pool.in_flight:
            await asyncio.sleep(0.01)
        worker.stop()
        await task
        release.set()

    asyncio.run(run())
    connections.close_all()

    assert worker.is_stuck
    assert Parcel.objects.get().last_error == "interrupted"


def test_max_tasks_ends_the_worker_after_so_many():
    queue = Recorded()
    make_parcels(10)

    worker = drain(queue, drain=False, max_tasks=4, concurrency=3)

    assert len(queue.started) == worker.pool.started == 4
    assert Parcel.objects.filter(done=True).count() == 4
    assert has_no_claims()


def test_draining_waits_for_what_is_held_and_for_what_others_have_in_flight():
    make_parcels(1, todo="postpone:0.4")
    dead = make_worker(Recorded(), heartbeat=5)
    (other,) = make_parcels(1)
    Claim.objects.create(
        id="00000000-0000-4000-8000-000000000000",
        queue_id="shop.Parcel",
        task_id=str(other.pk),
        worker=dead,
    )

    drain(Healed())

    assert all_done()
    assert Parcel.objects.get(pk=other.pk).failures == 1


@pytest.mark.parametrize("kind", ["def", "async def", "async orm"])
def test_nothing_is_left_behind(kind):
    class Sync(PlainQueue):
        def handle_task(self, queryset_item):
            Parcel.objects.filter(pk=queryset_item.pk).update(done=True)

    class AsyncOrm(PlainQueue):
        async def handle_task(self, queryset_item):
            await Parcel.objects.filter(pk=queryset_item.pk).aupdate(done=True)

    queue = {"def": Sync, "async def": AsyncQueue, "async orm": AsyncOrm}[kind]()
    make_parcels(5)
    threads, open_before = set(threading.enumerate()), open_connections()

    drain(queue, concurrency=3)

    assert all_done()
    # One thread for Django's async ORM is asgiref's own, until the process ends.
    left = [thread.name for thread in set(threading.enumerate()) - threads]
    assert [name for name in left if not name.startswith("ThreadPoolExecutor")] == []
    wait_until(lambda: open_connections() <= open_before, what="the last one's end")


def open_connections():
    """Count this process's connections to the database, but for this thread's."""
    connection.close()
    if connection.vendor == "sqlite":
        name = connection.settings_dict["NAME"]
        files = psutil.Process().open_files()
        return sum(opened.path.startswith(name) for opened in files)
    with other_client() as client:
        query = (
            "SELECT count(*) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        return client.execute(query).fetchone()[0]


def test_a_queue_that_cannot_be_closed_does_not_leave_the_worker_registered():
    class Unclosable(Recorded):
        async def aclose(self):
            raise ZeroDivisionError("a mistake in aclose")

    with pytest.raises(ZeroDivisionError):
        drain(Unclosable())

    assert not WorkerRow.objects.exists()


def test_a_queue_that_does_not_end_closing_keeps_no_worker_from_ending(caplog):
    class Unclosable(Recorded):
        async def aclose(self):
            await asyncio.Event().wait()

    with working(Unclosable(), stop_timeout_seconds=0.1) as worker:
        start_of(worker)
        before = time.monotonic()

    assert time.monotonic() - before < SOON
    assert "queue.unclosed" in events(caplog)
    assert not WorkerRow.objects.exists()


def test_a_thread_that_overruns_ends_the_worker_and_counts(caplog):
    release = threading.Event()

    class Impatient(PlainQueue):
        handler_timeout = 0.1

        def handle_task(self, queryset_item):
            release.wait(5)

    make_parcels(1)
    worker = Worker(Impatient(), WorkerOptions(concurrency=2))

    asyncio.run(worker.run())
    release.set()
    connections.close_all()

    assert (worker.exit_code, worker.is_stuck) == (1, True)
    assert "worker.stuck" in events(caplog)
    assert Parcel.objects.get().last_error == "timeout"


# --- heartbeats -----------------------------------------------------------------------


def test_a_live_worker_is_registered_and_its_heart_beats():
    queue = Gate()

    with working(queue, concurrency=1) as worker:
        row = start_of(worker)
        wait_until(
            lambda: WorkerRow.objects.get(pk=row.pk).heartbeat >= 2, what="two beats"
        )
        queue.open.set()

    assert row.pid > 0
    assert row.host
    assert not WorkerRow.objects.exists()


def test_the_totals_are_shown_with_the_heartbeat():
    make_parcels(3)

    with working(Recorded()):
        wait_until(
            lambda: WorkerRow.objects.filter(handled=3).exists(), what="the total"
        )


def test_a_dead_worker_is_buried_and_its_task_done_by_another(caplog):
    queue = Recorded()
    dead = make_worker(queue)
    (parcel,) = make_parcels(1)
    Claim.objects.create(
        id="00000000-0000-4000-8000-000000000001",
        queue_id="shop.Parcel",
        task_id=str(parcel.pk),
        worker=dead,
    )

    with working(queue):
        wait_until(all_done, what="the task of the dead")

    assert Parcel.objects.get().failures == 1
    assert not WorkerRow.objects.filter(pk=dead.pk).exists()
    assert "worker.lost" in events(caplog)


def test_a_buried_worker_registers_anew_and_goes_on(caplog):
    queue = Recorded()

    with working(queue) as worker:
        row = start_of(worker)
        WorkerRow.objects.filter(pk=row.pk).delete()
        make_parcels(2)
        wait_until(all_done, what="the tasks")
        again = start_of(worker)
        wait_until(
            lambda: WorkerRow.objects.get(pk=again.pk).heartbeat >= 2, what="two beats"
        )
        assert WorkerRow.objects.count() == 1

    assert again.pk != row.pk
    assert events(caplog).count("worker.evicted") == 1


def test_a_worker_that_was_buried_while_idle_registers_anew(caplog):
    with working(Recorded(), poll_seconds=0.05) as worker:
        row = start_of(worker)
        WorkerRow.objects.filter(pk=row.pk).delete()
        wait_until(WorkerRow.objects.exists, what="the new row")

    assert events(caplog).count("worker.evicted") == 1


def test_a_worker_without_a_heartbeat_starts_nothing_until_it_beats_again(caplog):
    """The lock is on its own row, so all else would work."""
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no lock on a row")
    caplog.set_level("INFO", "django_workers")
    queue = Watched()

    with working(queue, poll_seconds=0.05) as worker:
        row = start_of(worker)
        with other_client() as client:
            client.execute(
                "SELECT 1 FROM django_workers_worker WHERE id = %s FOR SHARE", [row.pk]
            )
            wait_until(is_somebody_waiting, what="a beat that cannot be written")
            wait_until(lambda: worker.presence.heartbeat.is_fenced, what="the fence")
            make_parcels(1)
            looks = queue.looks
            # The first may have begun before there was a row; what another one brought
            # would have started by the fourth.
            wait_until(lambda: queue.looks >= looks + 4, what="some looks")
            assert not queue.started
        wait_until(all_done, what="the task")

    assert "worker.fenced" in events(caplog)
    assert "worker.unfenced" in events(caplog)


def test_a_claim_that_a_fenced_worker_did_not_start_is_given_back():
    queue = Recorded()
    (parcel,) = make_parcels(1)

    class LateFence(Presence):
        """Finds itself fenced between the claim and the start, once."""

        looks = 0
        started_by_then: list[int] | None = None

        def check_fence(self):
            self.looks += 1
            if self.looks == 2:
                self.started_by_then = [*queue.started]
            return super().check_fence() or self.looks == 2

    worker = Worker(queue, WorkerOptions(drain=True))
    worker.presence = LateFence(queue, worker.database, 1, worker._hear_of_dead)
    run(worker)

    assert worker.presence.started_by_then == []
    assert [pk for pk, _ in queue.started] == [parcel.pk]
    assert all_done()
    assert has_no_claims()


class Forgetful(Claimer):
    """Its first claim is committed, but nobody hears of it."""

    has_lost_an_answer = False

    def claim(self, *args):
        claimed = super().claim(*args)
        if claimed.attempts and not self.has_lost_an_answer:
            self.has_lost_an_answer = True
            raise OperationalError("server closed the connection unexpectedly")
        return claimed


def forgetful_worker(queue, **options):
    options = {"poll_seconds": 60, "stop_timeout_seconds": 2} | options
    worker = Worker(queue, WorkerOptions(**options))
    worker.claimer = Forgetful(queue)
    return worker


def test_claims_of_a_commit_whose_answer_was_lost_are_given_back_soon():
    queue = Recorded()
    parcels = make_parcels(3)
    worker = forgetful_worker(queue, drain=True, concurrency=2)

    before = time.monotonic()
    run(worker)

    # Looking again by the clock would take longer.
    assert time.monotonic() - before < 30
    assert sorted(pk for pk, _ in queue.started) == [parcel.pk for parcel in parcels]
    assert has_no_claims()


def test_others_need_not_wait_for_a_worker_that_has_no_slot_for_its_lost_claims():
    """Its first claim took the first two, and then it fills its slots with others."""
    queue, others = Gate(), Gate()
    parcels = make_parcels(4)

    with working_as(forgetful_worker(queue, concurrency=2)):
        wait_until(lambda: len(queue.started) == 2, what="two starts")
        with working(others, concurrency=2):
            wait_until(lambda: len(others.started) == 2, what="the other two")
            others.open.set()
        queue.open.set()
        wait_until(all_done, what="the end")

    assert sorted(others.started) == [parcel.pk for parcel in parcels[:2]]


def test_a_clean_end_gives_back_claims_that_it_does_not_know():
    queue = Recorded()
    (parcel,) = make_parcels(1, done=True)

    with working(queue) as worker:
        row = start_of(worker)
        Claim.objects.create(
            id="00000000-0000-4000-8000-000000000003",
            queue_id="shop.Parcel",
            task_id=str(parcel.pk),
            worker=row,
        )
        worker.database.had_trouble = True
        worker.stop()

    assert has_no_claims()
    assert not WorkerRow.objects.exists()


def test_a_worker_that_cannot_settle_until_it_must_end_counts_as_dead(caplog):
    """Nobody knows any more how its task ended, so another attempt is counted."""

    class Unrecorded(Recorded):
        def record_successes(self, successes):
            raise OperationalError("the disk is full")

    (parcel,) = make_parcels(1)
    raised = pytest.raises(OperationalError)
    with raised, working(Unrecorded(), stop_timeout_seconds=0.1) as worker:
        wait_until(lambda: "database.lost" in events(caplog), what="trouble")

    assert Claim.objects.get().worker_id == worker.presence.worker_id
    drain(Recorded())
    parcel.refresh_from_db()
    assert (parcel.done, parcel.failures, parcel.last_error) == (True, 1, "worker_lost")
    assert not WorkerRow.objects.exists()


# --- a lost database ------------------------------------------------------------------


def test_a_locked_database_is_waited_for():
    queue = Gate()
    make_parcels(2)

    with working(queue) as worker:
        wait_until(lambda: queue.started, what="the first start")
        with locked_database():
            queue.open.set()
            if connection.vendor == "postgresql":
                wait_until(is_somebody_waiting, what="a wait for the lock")
            else:
                # SQLite tells nobody who waits for its lock.
                wait_until(lambda: worker.pool.finished, what="something to settle")
            assert len(queue.started) == 1
        wait_until(all_done, what="the rest")


def test_a_worker_in_trouble_with_its_database_still_stops(caplog):
    class Lost(Recorded):
        lost = False

        def get_pending_tasks_queryset(self):
            if self.lost:
                raise OperationalError("gone")
            return super().get_pending_tasks_queryset()

    queue = Lost()
    raised = pytest.raises(OperationalError)
    with raised, working(queue, stop_timeout_seconds=0.3) as worker:
        start_of(worker)
        queue.lost = True
        make_parcels(1)
        wait_until(lambda: "database.lost" in events(caplog), what="trouble")
        before = time.monotonic()
        worker.stop()

    assert time.monotonic() - before < SOON
    assert not WorkerRow.objects.exists()


def test_a_database_that_comes_back_is_told_of(caplog):
    caplog.set_level("INFO", "django_workers")

    class Flaky(Recorded):
        errors = 2

        def get_pending_tasks_queryset(self):
            if self.errors and threading.current_thread().name.startswith("database"):
                self.errors -= 1
                raise OperationalError("gone")
            return super().get_pending_tasks_queryset()

    queue = Flaky()
    make_parcels(1)

    drain(queue)

    assert all_done()
    assert "database.back" in events(caplog)
    assert events(caplog).count("database.lost") >= 1
