"""`worker_health` says whether a queue is being worked on, and changes nothing."""

import json
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_workers.health import Problem, can_tell_age, examine
from django_workers.models import Queue
from django_workers.models import Worker as WorkerRow
from django_workers.pausing import stop_by_hand
from notifications.models import OrderNotification
from notifications.task_queues import task_queue
from tests.shop.models import Parcel
from tests.shop.task_queues import ONE_BEAT, PlainQueue
from tests.support.waiting import wait_until
from tests.support.workers import make_queue, make_worker, start_of, working

pytestmark = pytest.mark.django_db(transaction=True)

PARCELS = "tests.shop.task_queues.parcels"
NOTIFICATIONS = "notifications.task_queues.task_queue"
SLOW_BEAT = 60.0


def ask(path=PARCELS, *options):
    """Run the command; return its exit code and what it said."""
    said = StringIO()
    try:
        call_command("worker_health", path, *options, stdout=said)
    except SystemExit as end:
        return end.code, said.getvalue()
    return 0, said.getvalue()


def ago(seconds):
    return timezone.now() - timedelta(seconds=seconds)


def pause(**values):
    Queue.objects.update(**values)


@pytest.fixture(autouse=True)
def _a_row_without_a_worker_counts_as_alive_for_long(monkeypatch):
    monkeypatch.setattr(PlainQueue, "heartbeat_seconds", SLOW_BEAT)


@pytest.fixture
def worker():
    return make_worker(PlainQueue())


# --- workers --------------------------------------------------------------------------


def test_a_queue_with_a_live_worker_is_healthy(worker):
    assert ask() == (0, "Queue shop.Parcel is healthy: 1 worker is alive.\n")


def test_a_queue_that_nobody_ever_drained_is_not():
    assert ask() == (1, "Queue shop.Parcel: no worker is alive.\n")
    assert not Queue.objects.exists()


def test_a_worker_that_died_is_noticed_before_anybody_buries_it(worker):
    WorkerRow.objects.update(heartbeat_at=ago(6 * SLOW_BEAT))

    assert ask() == (
        1,
        "Queue shop.Parcel: no worker is alive; 1 gave no sign of life lately.\n",
    )


def test_one_live_worker_is_enough(worker):
    WorkerRow.objects.update(heartbeat_at=ago(3600))
    make_worker(PlainQueue())

    assert examine(PlainQueue()).live_workers == 1
    assert ask()[0] == 0


def test_workers_of_other_queues_do_not_count():
    make_worker(task_queue)

    assert ask()[0] == 1


@pytest.mark.parametrize("hours", [1, -1])
def test_after_a_clock_was_set_the_next_heartbeat_tells_again(hours):
    """The jump is what the rows look like: their times are an hour away."""
    queue = PlainQueue()
    queue.heartbeat_seconds = ONE_BEAT
    with working(queue) as running:
        row = start_of(running)
        WorkerRow.objects.update(heartbeat_at=ago(3600 * hours))
        same = WorkerRow.objects.filter(pk=row.pk, heartbeat__gt=row.heartbeat + 1)
        wait_until(same.exists, what="two heartbeats")

        assert examine(PlainQueue()).problems == []


@pytest.mark.parametrize("hours", [1, -1])
def test_a_time_that_cannot_be_is_no_sign_of_life(worker, hours):
    WorkerRow.objects.update(heartbeat_at=ago(3600 * hours))

    assert examine(PlainQueue()).problems == [Problem.NO_WORKER]


# --- pauses ---------------------------------------------------------------------------


def test_a_pause_by_hand_is_told_with_its_author(worker):
    stop_by_hand("shop.Parcel", "default", by="Ann", reason="stocktaking")

    code, said = ask()

    assert code == 1
    assert said.startswith("Queue shop.Parcel: paused by hand by Ann since 20")
    assert said.endswith(": stocktaking. To go on: manage.py resume_queue\n")


def test_an_automatic_pause_is_told_with_its_reason_and_end(worker):
    pause(
        paused_until=ago(-600),
        pause_reason="outage",
        pause_description="no route to host",
    )

    code, said = ask()

    assert code == 1
    assert said.startswith("Queue shop.Parcel: paused until 20")
    assert said.endswith(": outage. no route to host\n")


def test_a_pause_that_waits_for_its_probe_is_a_pause(worker):
    pause(paused_until=ago(1), pause_reason="outage")

    code, said = ask()

    assert code == 1
    assert said.endswith("it asks whether the cause is: outage\n")


def test_all_reasons_are_told_at_once():
    make_queue(task_queue)
    stop_by_hand(task_queue.queue_name, "default", by="")
    pause(paused_until=ago(-600), pause_reason="outage")
    OrderNotification.objects.create(
        order_number="1", tg_user_id=1, next_attempt_at=ago(400)
    )

    code, said = ask(NOTIFICATIONS)

    assert code == 1
    assert [line.split(": ")[1].split(" ")[:2] for line in said.splitlines()] == [
        ["no", "worker"],
        ["paused", "by"],
        ["paused", "until"],
        ["the", "oldest"],
    ]
    assert examine(task_queue, max_age=timedelta(0)).problems == [*Problem]


# --- age ------------------------------------------------------------------------------


def test_the_oldest_due_task_may_wait_no_longer_than_asked_for():
    make_worker(task_queue)
    for seconds in (100, 50, -50):
        OrderNotification.objects.create(
            order_number="1", tg_user_id=seconds, next_attempt_at=ago(seconds)
        )

    assert ask(NOTIFICATIONS)[0] == 0
    assert ask(NOTIFICATIONS, "--max-age", "200")[0] == 0
    code, said = ask(NOTIFICATIONS, "--max-age", "60")
    assert code == 1
    assert said.startswith(
        "Queue notifications.OrderNotification: the oldest task has waited 10"
    )


def test_tasks_that_are_not_due_are_not_waiting():
    make_worker(task_queue)
    old = {"order_number": "1", "next_attempt_at": ago(9999)}
    OrderNotification.objects.create(tg_user_id=1, processed=True, **old)
    OrderNotification.objects.create(tg_user_id=2, failed_attempts_number=3, **old)
    OrderNotification.objects.create(
        tg_user_id=3, order_number="1", next_attempt_at=ago(-5)
    )

    assert examine(task_queue).oldest_due_at is None
    assert ask(NOTIFICATIONS, "--max-age", "0")[0] == 0


def test_by_default_a_task_may_wait_for_five_minutes():
    make_worker(task_queue)
    task = OrderNotification.objects.create(
        order_number="1", tg_user_id=1, next_attempt_at=ago(290)
    )
    assert ask(NOTIFICATIONS)[0] == 0

    OrderNotification.objects.filter(pk=task.pk).update(next_attempt_at=ago(310))

    assert ask(NOTIFICATIONS)[0] == 1


def test_a_queue_that_cannot_tell_the_age_says_so_when_it_is_asked(worker):
    Parcel.objects.create()
    assert not can_tell_age(PlainQueue())
    assert ask()[0] == 0

    with pytest.raises(CommandError, match="give it get_oldest_due_time"):
        ask(PARCELS, "--max-age", "60")


@pytest.mark.parametrize("seconds", ["-1", "inf", "nan", "1e300"])
def test_an_age_that_makes_no_sense_is_refused(seconds):
    with pytest.raises(CommandError, match="--max-age must be 0 or more"):
        ask(NOTIFICATIONS, f"--max-age={seconds}")


# --- the command ----------------------------------------------------------------------


def test_machines_get_everything_as_json(worker):
    pause(paused_until=ago(-600), pause_reason="outage")

    code, said = ask(PARCELS, "--json")

    facts = json.loads(said)
    assert code == 1
    assert not facts["is_healthy"]
    assert facts["problems"] == ["paused"]
    assert (facts["live_workers"], facts["silent_workers"]) == (1, 0)
    assert (facts["pause_reason"], facts["max_age_seconds"]) == ("outage", None)


def test_it_asks_few_questions_and_writes_nothing(worker):
    with CaptureQueriesContext(
        connection,
    ) as queries:
        ask()
        ask(NOTIFICATIONS)

    statements = [query["sql"] for query in queries]
    assert len(statements) <= 8
    assert all(sql.startswith("SELECT") for sql in statements)


def test_a_database_that_cannot_be_used_is_told():
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE django_workers_worker RENAME TO gone")
    try:
        with pytest.raises(CommandError, match=r"cannot be used: .*_worker"):
            ask()
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE gone RENAME TO django_workers_worker")


def test_a_wrong_path_is_told():
    with pytest.raises(CommandError, match=r"has no 'parcel'\. Task queues in it"):
        ask("tests.shop.task_queues.parcel")


def test_the_time_of_a_heartbeat_is_the_databases(worker):
    WorkerRow.objects.update(heartbeat_at=Now())

    assert examine(PlainQueue()).live_workers == 1
