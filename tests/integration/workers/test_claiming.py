"""Who gets which task, when, and that nobody else gets it too."""

import contextlib
import threading
import time
from datetime import timedelta
from functools import partial
from uuid import uuid4

import pytest
from django.db import OperationalError, connection, transaction
from django.utils import timezone

from django_workers.claiming import Claimer, WorkerEvictedError
from django_workers.database import database_now
from django_workers.models import Claim, Queue, Worker
from django_workers.presence import release_strangers
from tests.shop.models import Customs, Letter, Parcel, Tin
from tests.shop.task_queues import AsyncQueue, LetterQueue, PlainQueue, TinQueue
from tests.support.settling import settle, success
from tests.support.waiting import wait_until
from tests.support.workers import (
    in_thread,
    is_somebody_waiting,
    locked_database,
    make_worker,
    other_client,
    sqlite_without_settings,
)

pytestmark = pytest.mark.django_db(transaction=True)


def make_parcels(count, **values):
    return Parcel.objects.bulk_create(Parcel(**values) for _ in range(count))


def keys(claimed):
    return [attempt.pk for attempt in claimed.attempts]


def claim(queue, worker, free=1, in_flight=0):
    return Claimer(queue).claim(worker.pk, free, in_flight)


def hold(queue, task, **values):
    """Keep a task from being taken, as the engine does."""
    return Claim.objects.create(
        id=uuid4(), queue_id=queue.queue_name, task_id=str(task.pk), **values
    )


class Limited(PlainQueue):
    rate: float = 8.0


@pytest.fixture
def queue():
    return PlainQueue()


def test_free_slots_are_filled_from_the_oldest_on(queue, worker):
    parcels = make_parcels(5)

    assert keys(claim(queue, worker, free=3)) == [parcel.pk for parcel in parcels[:3]]
    assert keys(claim(queue, worker, free=3)) == [parcel.pk for parcel in parcels[3:]]
    assert keys(claim(queue, worker, free=3)) == []


def test_the_queues_own_order_is_kept(worker):
    class LastFirst(PlainQueue):
        def get_pending_tasks_queryset(self):
            return super().get_pending_tasks_queryset().order_by("-pk")

    parcels = make_parcels(3)

    found = keys(claim(LastFirst(), worker, free=2))

    assert found == [parcels[2].pk, parcels[1].pk]


def test_done_and_given_up_tasks_are_left_alone(queue, worker):
    make_parcels(1, done=True)
    make_parcels(1, failures=3)
    (due,) = make_parcels(1, failures=2)

    assert keys(claim(queue, worker, free=5)) == [due.pk]


def test_a_claim_names_its_task_and_its_worker(queue, worker):
    (parcel,) = make_parcels(1)

    (attempt,) = claim(queue, worker).attempts

    row = Claim.objects.get()
    assert row.pk == attempt.key
    assert (row.task_id, row.worker_id) == (str(parcel.pk), worker.pk)
    assert attempt.item == parcel
    assert attempt.task_id == parcel.pk


def test_a_task_that_a_join_finds_twice_is_claimed_once(worker):
    class Joined(PlainQueue):
        def get_pending_tasks_queryset(self):
            pending = super().get_pending_tasks_queryset()
            return pending.filter(groups__isnull=False)

    (parcel,) = make_parcels(1)
    for other in make_parcels(3, done=True):
        parcel.groups.add(other)

    assert keys(claim(Joined(), worker, free=5)) == [parcel.pk]


def claim_with_two_at_once(queue, around=contextlib.nullcontext):
    """Return what each of two claimers got, until nothing was left."""
    workers = [make_worker(queue) for _ in range(2)]
    found: dict[int, list[int]] = {worker.pk: [] for worker in workers}
    ready = threading.Barrier(2)

    def take(worker):
        claimer = Claimer(queue)
        ready.wait(5)
        with around():
            while batch := claimer.claim(worker.pk, 4, 0).attempts:
                found[worker.pk] += [attempt.pk for attempt in batch]

    for thread in [in_thread(partial(take, worker)) for worker in workers]:
        thread.join()
    return found.values()


def test_two_claimers_at_once_never_get_the_same_task(queue):
    make_parcels(60)

    first, second = claim_with_two_at_once(queue)

    assert len({*first, *second}) == len(first) + len(second) == 60


def test_two_claimers_at_once_never_get_the_same_task_without_our_settings(queue):
    """SQLite in its default mode: a transaction begins without the right to write."""
    if connection.vendor != "sqlite":
        pytest.skip("only SQLite has a mode")
    make_parcels(60)

    first, second = claim_with_two_at_once(queue, around=sqlite_without_settings)

    assert len({*first, *second}) == len(first) + len(second) == 60


def test_a_task_that_is_done_while_another_waits_for_the_lock_is_not_taken(queue):
    """READ COMMITTED: first the lock, then what is in flight, then what is pending."""
    if connection.vendor == "sqlite":
        pytest.skip("SQLite's writers are alone")
    (parcel,) = make_parcels(1)
    worker = make_worker(queue)
    with transaction.atomic():
        Queue.objects.select_for_update().get()
        found: list[int] = []
        thread = in_thread(lambda: found.extend(keys(claim(queue, worker))))
        thread.join(0.3)
        assert thread.is_alive()
        Parcel.objects.filter(pk=parcel.pk).update(done=True)
    thread.join()

    assert found == []


def test_a_task_that_is_settled_between_two_statements_of_a_claim_is_not_taken(worker):
    """What is in flight is read before what is pending: the reverse would take it."""
    if connection.vendor == "sqlite":
        pytest.skip("SQLite's writers are alone")
    queue = AsyncQueue()
    make_parcels(1)
    (attempt,) = claim(queue, make_worker(queue)).attempts
    (waiting,) = make_parcels(1)
    settled: list[str] = []

    def settle_meanwhile(execute, sql, *rest):
        rows = execute(sql, *rest)
        is_first_read = "shop_parcel" in sql or 'FROM "django_workers_claim' in sql
        if connection.in_atomic_block and is_first_read and not settled:
            settled.append(sql)
            in_thread(lambda: settle(queue, success(attempt))).join()
        return rows

    with connection.execute_wrapper(settle_meanwhile):
        found = keys(claim(queue, worker, free=5))

    assert settled
    assert found == [waiting.pk]


def test_an_empty_look_writes_nothing(queue, worker):
    with locked_database():
        claimed = claim(queue, worker)

    assert claimed.is_empty
    assert claimed.wait_seconds is None


def test_a_task_in_flight_means_that_the_queue_is_not_empty(queue, worker):
    make_parcels(1)
    claim(queue, worker)

    claimed = claim(queue, make_worker(queue))

    assert not claimed.attempts
    assert not claimed.is_empty


# --- held back ------------------------------------------------------------------------


def test_a_held_task_comes_back_on_time(queue, worker):
    (parcel,) = make_parcels(1)
    held = hold(queue, parcel, held_until=timezone.now() + timedelta(seconds=30))

    claimed = claim(queue, worker)
    assert not claimed.attempts
    assert not claimed.is_empty
    assert 29 < claimed.wait_seconds < 30

    held.held_until = timezone.now() - timedelta(seconds=1)
    held.save()
    assert keys(claim(queue, worker)) == [parcel.pk]


def test_a_held_task_does_not_hold_up_others(queue, worker):
    first, second = make_parcels(2)
    hold(queue, first, held_until=timezone.now() + timedelta(seconds=30))

    assert keys(claim(queue, worker, free=5)) == [second.pk]


def test_expired_holds_are_deleted_at_claim_also_of_vanished_rows(queue, worker):
    (parcel,) = make_parcels(1)
    past = timezone.now() - timedelta(seconds=1)
    hold(queue, Parcel(pk=10**6), held_until=past)
    hold(queue, Parcel(pk=10**6 + 1))

    claim(queue, worker)

    assert list(Claim.objects.values_list("task_id", flat=True)) == [str(parcel.pk)]


def test_a_hold_of_a_vanished_row_does_not_keep_a_drained_worker_for_ever(
    queue, worker
):
    hold(queue, Parcel(pk=10**6), held_until=timezone.now() - timedelta(seconds=1))

    claim(queue, worker)

    assert not Claim.objects.exists()
    assert claim(queue, worker).is_empty


def test_a_parked_task_stays_until_a_person_comes_and_the_rest_is_empty(queue, worker):
    (parcel,) = make_parcels(1)
    hold(queue, parcel, error="ValueError: what now")

    claimed = claim(queue, worker)

    assert not claimed.attempts
    assert claimed.is_empty
    assert claimed.wait_seconds is None


@pytest.mark.parametrize("values", [{}, {"error": "x"}, {"alone": True}])
def test_a_claim_that_names_no_task_harms_nobody(queue, worker, values):
    (parcel,) = make_parcels(1)
    Claim.objects.create(
        id=uuid4(), queue_id=queue.queue_name, task_id="no number", **values
    )

    assert keys(claim(queue, worker)) == [parcel.pk]


def test_the_next_due_time_of_the_queue_itself_is_waited_for(worker):
    class Planned(PlainQueue):
        seconds = 10

        def get_next_due_time(self):
            return timezone.now() + timedelta(seconds=self.seconds)

    queue = Planned()
    claimed = claim(queue, worker)
    assert 9 < claimed.wait_seconds < 11
    assert not claimed.is_empty

    queue.seconds = -3600
    assert claim(queue, worker).wait_seconds >= 0.05


# --- alone ----------------------------------------------------------------------------


def make_lone(queue, count):
    parcels = make_parcels(count)
    now = timezone.now()
    for parcel in parcels:
        hold(queue, parcel, alone=True, held_until=now)
    return parcels


def test_a_claim_says_when_to_look_for_more_though_it_took_some(queue, worker):
    due, held = make_parcels(2)
    hold(queue, held, held_until=timezone.now() + timedelta(seconds=30))

    claimed = claim(queue, worker, free=2)

    assert keys(claimed) == [due.pk]
    assert 25 < claimed.wait_seconds <= 30


def test_a_lone_task_is_taken_alone(queue, worker):
    make_lone(queue, 2)
    make_parcels(5)

    assert len(keys(claim(queue, worker, free=5))) == 1


def test_nothing_is_taken_beside_a_lone_task(queue, worker):
    """Also when it was the last of its kind: else nobody knows who killed a worker."""
    (lone,) = make_lone(queue, 1)
    make_parcels(5)

    assert keys(claim(queue, worker, free=5)) == [lone.pk]
    assert keys(claim(queue, worker, free=4, in_flight=1)) == []
    assert Claimer(queue).claim(worker.pk, 4, 1).wait_seconds is None


def test_another_worker_goes_on_meanwhile(queue, worker):
    make_lone(queue, 1)
    (other,) = make_parcels(1)
    claim(queue, worker, free=5)

    assert keys(claim(queue, make_worker(queue), free=5)) == [other.pk]


def test_a_lone_task_waits_until_its_worker_has_nothing_else_in_flight(queue, worker):
    (lone,) = make_lone(queue, 1)
    make_parcels(2)

    assert keys(claim(queue, worker, free=5, in_flight=1)) == []
    assert keys(claim(queue, worker, free=5, in_flight=0)) == [lone.pk]


def test_a_lone_task_gets_a_new_claim_that_is_still_alone(queue, worker):
    make_lone(queue, 1)
    before = Claim.objects.get().pk

    claim(queue, worker)

    after = Claim.objects.get()
    assert after.pk != before
    assert (after.worker_id, after.alone) == (worker.pk, True)


@pytest.mark.parametrize("change", [{"done": True}, {"failures": 3}])
def test_a_lone_task_that_needs_no_run_any_more_is_forgotten(queue, worker, change):
    (lone,) = make_lone(queue, 1)
    Parcel.objects.filter(pk=lone.pk).update(**change)
    (other,) = make_parcels(1)

    assert keys(claim(queue, worker, free=5)) == [other.pk]
    assert Claim.objects.filter(task_id=str(lone.pk)).count() == 0


def test_a_lone_task_that_vanished_leaves_an_empty_queue(queue, worker):
    (lone,) = make_lone(queue, 1)
    lone.delete()

    claim(queue, worker)

    assert claim(queue, worker).is_empty


def test_a_lone_task_that_may_not_run_now_holds_up_nobody(worker):
    """Its customer unsubscribed, or an earlier message of its chat is on its way."""

    class Choosy(PlainQueue):
        def select_claimable(self, queryset, in_flight):
            chosen = super().select_claimable(queryset, in_flight)
            return chosen.exclude(todo="not now")

    queue = Choosy()
    (lone,) = make_lone(queue, 1)
    Parcel.objects.filter(pk=lone.pk).update(todo="not now")
    (other,) = make_parcels(1)

    assert keys(claim(queue, worker, free=5)) == [other.pk]
    assert Claim.objects.get(task_id=str(lone.pk)).alone


def test_a_busy_claimer_keeps_a_lone_task_alone_too(queue, worker):
    """It claims without a look, since its last one was worth it."""
    lone = {parcel.pk for parcel in make_lone(queue, 2)}
    claimer = Claimer(queue)
    (first,) = keys(claimer.claim(worker.pk, 1, 0))

    assert keys(claimer.claim(worker.pk, 1, 1)) == []

    Claim.objects.filter(worker=worker).delete()
    make_parcels(1)
    claimer._was_busy = True
    assert keys(claimer.claim(worker.pk, 1, in_flight=1)) == []
    assert keys(claimer.claim(worker.pk, 1, in_flight=0)) == list(lone - {first})


# --- the worker itself ----------------------------------------------------------------


def test_a_worker_that_was_buried_gets_nothing(queue, worker):
    make_parcels(1)
    Worker.objects.all().delete()

    with pytest.raises(WorkerEvictedError):
        claim(queue, worker)

    assert not Claim.objects.exists()


def test_a_queue_whose_row_is_gone_is_registered_anew(queue, worker):
    make_parcels(1)
    Queue.objects.all().delete()

    with pytest.raises(WorkerEvictedError):
        claim(queue, worker)


def test_claims_that_a_worker_does_not_know_are_given_back(queue, worker):
    known, stranger = make_parcels(2)
    (lone,) = make_lone(queue, 1)
    first = claim(queue, worker).attempts[0]
    kept = hold(queue, known, worker=worker)
    hold(queue, stranger, worker=worker)
    others = hold(queue, Parcel(pk=10**6), worker=make_worker(queue))
    assert first.pk == lone.pk

    assert release_strangers(worker.pk, "default", [kept.pk])

    assert set(Claim.objects.filter(worker__isnull=False)) == {kept, others}
    given_back = Claim.objects.get(worker=None)
    assert (given_back.task_id, given_back.alone) == (str(lone.pk), True)
    assert keys(claim(queue, make_worker(queue))) == [lone.pk]


def test_a_commit_that_is_still_under_way_at_the_server_leaves_no_claim_behind(
    queue, worker
):
    """The worker lost its connection; the server still writes what came over it."""
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no server")
    (parcel,) = make_parcels(1)
    is_claimed, is_committed = threading.Event(), threading.Event()

    def claim_slowly():
        with transaction.atomic():
            Queue.objects.select_for_update(no_key=True).get(pk=queue.queue_name)
            hold(queue, parcel, worker=worker)
            is_claimed.set()
            is_committed.wait(0.3)

    lost = in_thread(claim_slowly)
    assert is_claimed.wait(5)
    assert release_strangers(worker.pk, "default", [])
    is_committed.set()
    lost.join()

    assert not Claim.objects.exists()


def test_a_claimer_that_cannot_lock_the_queue_lets_settling_go_first(worker):
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no lock on a row")
    queue = AsyncQueue()
    first, second = make_parcels(2)
    (attempt,) = claim(queue, worker).attempts

    with locked_database():
        claimed = claim(queue, worker)
        settle(queue, success(attempt))
        first.refresh_from_db()
        assert not release_strangers(worker.pk, "default", [])

    assert claimed.wait_seconds is not None
    assert not claimed.attempts
    assert first.done
    assert keys(claim(queue, worker)) == [second.pk]


def test_a_claimer_whose_database_is_away_says_so(worker):
    class Unlucky(PlainQueue):
        def get_next_due_time(self):
            raise OperationalError("gone")

        def select_claimable(self, queryset, in_flight):
            if connection.in_atomic_block:
                raise OperationalError("gone")
            return super().select_claimable(queryset, in_flight)

    make_parcels(1)

    with pytest.raises(OperationalError):
        claim(Unlucky(), worker)


# --- rate -----------------------------------------------------------------------------


def test_a_rate_starts_no_more_than_its_burst():
    queue = Limited()
    worker = make_worker(queue)
    make_parcels(20)

    started = time.monotonic()
    assert len(keys(claim(queue, worker, free=10))) == 2
    claimed = claim(queue, worker, free=10)
    # A slow machine may take so long that a token has come meanwhile.
    assert len(claimed.attempts) <= (time.monotonic() - started) * queue.rate
    assert claimed.attempts or 0 < claimed.wait_seconds <= 1 / 8


def test_a_rate_holds_for_all_workers_together():
    queue = Limited()
    make_parcels(20)

    started = time.monotonic()
    found = [len(keys(claim(queue, make_worker(queue), free=10))) for _ in range(3)]

    assert found[0] == 2
    assert sum(found[1:]) <= (time.monotonic() - started) * queue.rate


def test_a_claim_that_used_up_all_tokens_says_when_the_next_is_there():
    queue = Limited()
    make_parcels(20)

    claimed = claim(queue, make_worker(queue), free=10)

    assert len(claimed.attempts) == 2
    assert 0 < claimed.wait_seconds <= 1 / queue.rate


def test_waiting_for_a_token_writes_nothing():
    queue = Limited()
    queue.rate = 0.1
    worker = make_worker(queue)
    make_parcels(20)
    claim(queue, worker, free=10)
    before = Queue.objects.values().get()

    claim(queue, worker, free=10)

    assert Queue.objects.values().get() == before


def test_tokens_are_used_only_for_what_is_claimed():
    queue = Limited()
    worker = make_worker(queue)
    make_parcels(1)

    claim(queue, worker, free=10)
    make_parcels(1)

    assert len(keys(claim(queue, worker, free=10))) == 1


def test_a_clock_that_was_set_back_by_an_hour_does_not_stop_the_queue():
    queue = Limited()
    worker = make_worker(queue)
    make_parcels(5)
    later = timezone.now() + timedelta(hours=1)
    Queue.objects.update(tokens=0, tokens_at=later)

    assert not claim(queue, worker).attempts

    assert Queue.objects.filter(tokens_at__lt=later - timedelta(minutes=59)).exists()
    Queue.objects.update(tokens_at=timezone.now() - timedelta(seconds=1))
    assert len(keys(claim(queue, worker))) == 1


def test_no_time_is_counted_twice_by_who_waited_for_the_lock():
    """The time is asked for after the lock: before it, another may count past that."""
    if connection.vendor == "sqlite":
        pytest.skip("SQLite's writers are alone")
    queue = Limited()
    worker = make_worker(queue)
    make_parcels(1)
    with other_client() as client:
        client.execute("SELECT 1 FROM django_workers_queue FOR UPDATE")
        waiting = in_thread(lambda: claim(queue, worker))
        wait_until(is_somebody_waiting, what="the claimer")
        counted_at = database_now("default")
        client.execute(
            "UPDATE django_workers_queue SET tokens = 0, tokens_at = %s", [counted_at]
        )
    waiting.join()

    assert Queue.objects.filter(tokens_at__gte=counted_at).exists()


# --- keys -----------------------------------------------------------------------------


def test_uuids_are_keys():
    queue = LetterQueue()
    letters = Letter.objects.bulk_create(Letter() for _ in range(3))
    worker = make_worker(queue)

    first = keys(claim(queue, worker, free=2))
    second = keys(claim(queue, worker, free=2))

    assert {*first, *second} == {letter.pk for letter in letters}


@pytest.mark.parametrize(
    "name",
    ["a", "", " two  words ", "%s' OR 1=1 --", '"quoted"', "Иванов 😀", "1", "x" * 999],
)
def test_any_text_is_a_key(name):
    queue = TinQueue()
    tin = Tin.objects.create(name=name)
    worker = make_worker(queue)

    assert keys(claim(queue, worker)) == [tin.pk]
    assert keys(claim(queue, worker)) == []


def test_texts_that_differ_in_case_are_different_keys():
    queue = TinQueue()
    Tin.objects.bulk_create([Tin(name="a"), Tin(name="A")])
    worker = make_worker(queue)

    assert len(keys(claim(queue, worker))) == 1
    assert len(keys(claim(queue, worker))) == 1


def test_another_rows_key_is_a_key():
    class CustomsQueue(PlainQueue):
        model_class = Customs

    queue = CustomsQueue()
    (parcel,) = make_parcels(1)
    Customs.objects.create(parcel=parcel)
    worker = make_worker(queue)

    assert keys(claim(queue, worker)) == [parcel.pk]
    assert keys(claim(queue, worker)) == []


@pytest.mark.parametrize("name", ["label", "id", "pk"])
def test_the_task_id_is_what_the_queue_calls_it(name):
    class Labelled(PlainQueue):
        task_id_field_name = name

    queue = Labelled()
    (parcel,) = make_parcels(1, label="AB-1")

    (attempt,) = claim(queue, make_worker(queue)).attempts

    assert attempt.task_id == {"label": "AB-1"}.get(name, parcel.pk)
    assert attempt.pk == parcel.pk


def test_tasks_that_share_a_task_id_are_different_tasks():
    class Labelled(PlainQueue):
        task_id_field_name = "label"

    queue = Labelled()
    parcels = make_parcels(3, label="same")
    worker = make_worker(queue)

    found = keys(claim(queue, worker, free=2)) + keys(claim(queue, worker, free=2))

    assert found == [parcel.pk for parcel in parcels]


def test_a_relation_names_a_task_by_its_key():
    class CustomsQueue(PlainQueue):
        model_class = Customs
        task_id_field_name = "parcel"

    queue = CustomsQueue()
    (parcel,) = make_parcels(1)
    Customs.objects.create(parcel=parcel)

    (attempt,) = claim(queue, make_worker(queue)).attempts

    assert attempt.task_id == parcel.pk


def test_queues_of_one_table_share_their_claims_and_others_do_not():
    class Again(PlainQueue):
        pass

    class Apart(PlainQueue):
        queue_name = "apart"

    make_parcels(1)
    assert keys(claim(PlainQueue(), make_worker(PlainQueue())))
    assert not keys(claim(Again(), make_worker(Again())))
    assert keys(claim(Apart(), make_worker(Apart())))


def test_ids_in_flight_are_told_to_a_queue_that_chooses_itself(worker):
    seen = []

    class Watching(PlainQueue):
        def select_claimable(self, queryset, in_flight):
            seen.append(list(in_flight))
            return super().select_claimable(queryset, in_flight)

    queue = Watching()
    (parcel,) = make_parcels(1)
    claim(queue, worker)
    claim(queue, worker)

    assert seen[-1] == [parcel.pk]


def test_pending_tasks_are_read_from_where_the_claims_are(worker):
    class FromReplica(PlainQueue):
        def get_pending_tasks_queryset(self):
            return super().get_pending_tasks_queryset().using("replica")

        database = "default"

    make_parcels(1)

    assert len(keys(claim(FromReplica(), worker))) == 1
