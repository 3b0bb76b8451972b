"""New rows are noticed at once, and an idle worker leaves the database in peace."""

import statistics
import threading
import time
from uuid import uuid4

import pytest
from django.db import connection, models, transaction
from django.db.migrations.state import ModelState, ProjectState
from django.utils import timezone

from django_workers.models import Claim, Queue
from django_workers.models import Worker as WorkerRow
from django_workers.operations import NotifyOnInsert
from django_workers.pausing import give_up_probe, resume_by_hand, settle_probe
from django_workers.presence import release_strangers
from django_workers.reaping import reap
from django_workers.wakeup import DEBOUNCE_SECONDS, Watcher, announce
from tests.shop.models import Parcel
from tests.shop.task_queues import AsyncQueue
from tests.support.waiting import wait_until
from tests.support.workers import Gated, make_worker, other_client, start_of, working

pytestmark = pytest.mark.django_db(transaction=True)


class CountingQueue(AsyncQueue):
    """Counts how often it is asked what is pending."""

    looks = 0

    def exclude_cycled_failed_tasks(self, queryset):
        self.looks += 1
        return super().exclude_cycled_failed_tasks(queryset)


@pytest.fixture
def news():
    """Watch parcels; the count of what was noticed is in the list's length."""
    noticed = []
    watcher = Watcher(
        "default", "shop_parcel", lambda: noticed.append(time.monotonic())
    )
    watcher.start()
    wait_until(lambda: noticed, what="the first look")
    yield noticed
    watcher.close()
    watcher.join(2)
    assert not watcher.is_alive()


def quiet(noticed):
    """Wait until nothing more is noticed of what happened before."""
    before = -1
    while before != len(noticed):
        before = len(noticed)
        time.sleep(0.15)
    noticed.clear()


def test_an_insert_is_noticed_within_a_tenth_of_a_second(news):
    def seconds_until_noticed():
        quiet(news)
        Parcel.objects.create()
        committed = time.monotonic()
        wait_until(lambda: news, what="the news")
        return news[0] - committed

    # A busy machine is late now and then, a slow watcher more often than not.
    assert statistics.median(seconds_until_noticed() for _ in range(5)) < 0.1


def test_an_insert_of_the_plain_driver_is_noticed(news):
    quiet(news)

    with other_client() as client:
        client.execute("INSERT INTO shop_parcel DEFAULT VALUES")

    wait_until(lambda: news, what="the news")


@pytest.mark.skipif(
    connection.vendor == "postgresql", reason="tells by itself, without being asked"
)
def test_what_was_inserted_while_nobody_needed_to_know_is_told_of_afterwards():
    noticed, asked = [], []
    is_needed = True

    def ask():
        asked.append(is_needed)
        return is_needed

    watcher = Watcher("default", "shop_parcel", lambda: noticed.append(1), ask)
    watcher.start()
    wait_until(lambda: noticed, what="the first look")
    quiet(noticed)

    is_needed = False
    wait_until(lambda: asked[-1:] == [False], what="the last look")
    Parcel.objects.create()
    count = len(asked)
    wait_until(lambda: len(asked) > count + 3, what="three more questions")
    noticed_early = [*noticed]
    is_needed = True
    wait_until(lambda: noticed, what="the news")
    watcher.close()

    assert noticed_early == []


def test_a_worker_whose_slots_are_full_needs_no_news_until_they_are_not():
    queue = Gated()
    Parcel.objects.create()

    with working(queue, concurrency=1, poll_seconds=60) as worker:
        wait_until(lambda: queue.begun, what="a start")
        was_needed = worker.watcher.is_needed()
        queue.is_open = True
        wait_until(worker.watcher.is_needed, what="a look that brought nothing")
        Parcel.objects.create()
        wait_until(lambda: not Parcel.objects.filter(done=False).exists(), what="it")

    assert not was_needed


@pytest.mark.skipif(
    connection.vendor == "sqlite", reason="is asked at intervals anyway"
)
def test_many_commits_are_told_of_together(news):
    quiet(news)
    before = time.monotonic()

    for _ in range(200):
        Parcel.objects.create()
    wait_until(lambda: news, what="the news")
    told, seconds = len(news), time.monotonic() - before

    assert told <= seconds / DEBOUNCE_SECONDS + 2


def test_a_limit_that_keeps_slots_empty_leaves_the_watcher_at_work():
    """It may be lifted while a task runs that takes for long."""

    class Limited(Gated):
        def limit_in_flight(self):
            return 1

    queue = Limited()
    Parcel.objects.create()

    with working(queue, concurrency=2, poll_seconds=60) as worker:
        wait_until(lambda: queue.begun, what="a start")
        is_needed = worker.watcher.is_needed()
        queue.is_open = True

    assert is_needed


def test_a_table_whose_name_is_quoted_tells_too():
    if connection.vendor != "postgresql":
        pytest.skip("SQLite's workers notice any commit by themselves")
    operation, state = NotifyOnInsert("Crate"), ProjectState()
    state.add_model(
        ModelState(
            "shop",
            "Crate",
            [("id", models.AutoField(primary_key=True))],
            {"db_table": '"Crate"'},
        )
    )
    noticed = []
    watcher = Watcher("default", '"Crate"', lambda: noticed.append(1))
    crate = state.apps.get_model("shop", "Crate")
    with connection.schema_editor() as editor:
        editor.create_model(crate)
        operation.database_forwards("shop", editor, state, state)
    try:
        watcher.start()
        wait_until(lambda: noticed, what="the first look")
        quiet(noticed)
        with connection.cursor() as cursor:
            cursor.execute('INSERT INTO "Crate" DEFAULT VALUES')
        wait_until(lambda: noticed, what="the news")
    finally:
        watcher.close()
        with connection.schema_editor() as editor:
            operation.database_backwards("shop", editor, state, state)
            editor.delete_model(crate)


def test_what_is_not_committed_is_no_news(news):
    quiet(news)

    with transaction.atomic():
        Parcel.objects.create()
        time.sleep(0.15)
        assert not news
        transaction.set_rollback(True)

    time.sleep(0.15)
    assert not news


def test_an_announcement_is_news(news):
    if connection.vendor != "postgresql":
        pytest.skip("SQLite's workers notice any commit by themselves")
    quiet(news)

    announce("default")

    wait_until(lambda: news, what="the news")


@pytest.mark.parametrize("ends", ["by its probe", "by hand", "for another to probe"])
def test_the_end_of_a_pause_is_news(news, ends):
    now = timezone.now()
    paused = {"paused_until": now, "probing_until": now, "pause_epoch": 1}
    Queue.objects.create(name="shop.Parcel", **paused)
    quiet(news)

    if ends == "by its probe":
        settle_probe("shop.Parcel", "default", 1, None)
    elif ends == "by hand":
        resume_by_hand("shop.Parcel", "default")
    else:
        give_up_probe("shop.Parcel", "default", 1)

    wait_until(lambda: news, what="the news")


def test_what_a_dead_worker_gives_back_is_news(news):
    worker = make_worker(AsyncQueue())
    quiet(news)

    reap(AsyncQueue(), worker.pk, heartbeat=0)

    wait_until(lambda: news, what="the news")


def test_what_a_worker_in_trouble_gives_back_is_news(news):
    queue, parcel = AsyncQueue(), Parcel.objects.create()
    worker = make_worker(queue)
    Claim.objects.create(
        id=uuid4(), queue_id=queue.queue_name, task_id=str(parcel.pk), worker=worker
    )
    quiet(news)

    release_strangers(worker.pk, "default", known=[])

    wait_until(lambda: news, what="the news")


def test_other_tables_are_no_news_on_postgresql(news):
    if connection.vendor != "postgresql":
        pytest.skip("SQLite's workers notice any commit")
    quiet(news)

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify('django_workers', 'another_table')")
        cursor.execute("SELECT pg_notify('another_channel', 'shop_parcel')")

    time.sleep(0.15)
    assert not news


def test_a_watcher_whose_connection_was_ended_watches_again(news, caplog):
    if connection.vendor != "postgresql":
        pytest.skip("a file has no connections to end")
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND query LIKE 'LISTEN%%'"
        )
    wait_until(
        lambda: any(r.event == "watch.lost" for r in caplog.records), what="the loss"
    )
    news.clear()
    wait_until(lambda: news, what="the new watch")
    quiet(news)

    Parcel.objects.create()

    wait_until(lambda: news, what="the news")


def test_a_worker_goes_on_after_all_its_connections_were_ended():
    if connection.vendor != "postgresql":
        pytest.skip("a file has no connections to end")

    class Brisk(AsyncQueue):
        heartbeat_seconds = 0.2

    with working(Brisk()) as worker:
        row = start_of(worker)
        for _ in range(3):
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            Parcel.objects.create()
            wait_until(
                lambda: not Parcel.objects.filter(done=False).exists(), what="the row"
            )
        row.refresh_from_db()
        same = WorkerRow.objects.filter(pk=row.pk, heartbeat__gt=row.heartbeat + 1)
        wait_until(same.exists, what="two beats")


def end_connection(role):
    """End the server's side of a worker's connection, as a failover would."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
            "WHERE datname = current_database() AND application_name LIKE %s",
            [f"{role}%"],
        )
        return cursor.fetchone()[0]


def test_the_server_shows_what_each_connection_of_a_worker_is_for():
    if connection.vendor != "postgresql":
        pytest.skip("a file does not tell who has it open")

    def names():
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT application_name FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            return {name for (name,) in cursor.fetchall()}

    class Brisk(AsyncQueue):
        heartbeat_seconds = 0.2

    with working(Brisk()) as worker:
        start_of(worker)
        own = {"worker shop.Parcel", "heartbeat shop.Parcel", "watcher shop_parcel"}
        wait_until(lambda: own <= names(), what="three connections")


def test_a_worker_that_lost_its_listener_is_woken_again():
    """Polling would find the row after a minute."""
    if connection.vendor != "postgresql":
        pytest.skip("a file has no connections to end")

    with working(AsyncQueue(), poll_seconds=60) as worker:
        start_of(worker)
        for _ in range(2):
            wait_until(lambda: end_connection("watcher"), what="a listener to end")
            Parcel.objects.create()
            wait_until(
                lambda: not Parcel.objects.filter(done=False).exists(),
                timeout=5,
                what="the row",
            )


def test_a_row_of_a_plain_client_is_handled_at_once():
    with working(AsyncQueue(), poll_seconds=60) as worker:
        start_of(worker)
        with other_client() as client:
            client.execute("INSERT INTO shop_parcel DEFAULT VALUES")
        wait_until(Parcel.objects.filter(done=True).exists, timeout=5, what="the row")


def test_a_row_that_nobody_told_of_is_found_by_polling():
    if connection.vendor != "postgresql":
        pytest.skip("SQLite's data version tells of whatever anybody writes")

    with working(AsyncQueue(), poll_seconds=0.3) as worker:
        start_of(worker)
        with other_client() as client:
            # Triggers do not fire, as when a table is restored or replicated.
            client.execute("SET session_replication_role = replica")
            client.execute("INSERT INTO shop_parcel DEFAULT VALUES")
        wait_until(Parcel.objects.filter(done=True).exists, timeout=5, what="the row")


def test_two_idle_workers_look_seldom_and_write_nothing_but_heartbeats():
    queues = [CountingQueue(), CountingQueue()]
    for queue in queues:
        queue.heartbeat_seconds = 1.0
    everyone = threading.Event()

    with working(queues[0]) as first, working(queues[1]):
        start_of(first)
        wait_until(lambda: all(queue.looks for queue in queues), what="a look of each")
        everyone.wait(0.5)
        before = sum(queue.looks for queue in queues)
        everyone.wait(2.0)
        looks = sum(queue.looks for queue in queues) - before

    # Each sees the heartbeats of both on SQLite: two workers, two beats a second.
    assert looks <= 12
