"""What becomes of a task after its handler ended, whatever happened meanwhile."""

import pytest
from django.db import DatabaseError, OperationalError, connection, transaction
from django.utils import timezone

from django_workers import PauseQueue, PostponeTask, TaskError
from django_workers.claiming import Claimer
from django_workers.models import Claim, Queue
from django_workers.reaping import reap
from tests.shop.models import Letter, Parcel
from tests.shop.task_queues import AsyncQueue, LetterQueue, PlainQueue
from tests.support.settling import (
    claim_all,
    ended,
    failure,
    seconds_until,
    settle,
    success,
)
from tests.support.workers import events, has_no_claims, in_thread, make_worker

pytestmark = pytest.mark.django_db(transaction=True)


def parcel(attempt):
    return Parcel.objects.get(pk=attempt.pk)


def test_successes_are_recorded_all_at_once_and_their_claims_given_up(queue, attempts):
    settle(queue, *map(success, attempts))

    assert not Parcel.objects.filter(done=False).exists()
    assert has_no_claims()


def test_a_failure_is_counted_and_the_task_may_be_taken_again(queue, worker, attempts):
    settle(queue, failure(attempts[0], "refused"))

    failed = parcel(attempts[0])
    assert (failed.failures, failed.last_error, failed.done) == (1, "refused", False)
    assert [again.pk for again in claim_all(queue, worker)] == [failed.pk]


def test_after_the_third_failure_it_is_never_taken_again(queue, worker):
    Parcel.objects.create()
    for _ in range(3):
        settle(queue, *map(failure, claim_all(queue, worker)))

    assert claim_all(queue, worker) == []
    assert Parcel.objects.get().failures == 3


def test_a_failure_is_recorded_on_the_freshly_read_row(queue, attempts):
    Parcel.objects.filter(pk=attempts[0].pk).update(label="edited", failures=1)

    settle(queue, failure(attempts[0]))

    assert (parcel(attempts[0]).label, parcel(attempts[0]).failures) == ("edited", 2)


def test_the_error_tells_the_queue_when_the_attempt_began_and_ended(attempts):
    seen = []

    class Watching(AsyncQueue):
        def process_task_error(self, queryset_item, error):
            seen.append(error.attempt)

    settle(Watching(), failure(attempts[0]))

    assert seen == [attempts[0]]


@pytest.mark.parametrize("ending", ["success", "failure", "postpone", "pause"])
def test_a_row_that_was_deleted_in_flight_harms_nobody(queue, attempts, ending, caplog):
    endings = {
        "success": success(attempts[0]),
        "failure": failure(attempts[0]),
        "postpone": ended(attempts[0], PostponeTask(60)),
        "pause": ended(attempts[0], PauseQueue(60)),
    }
    Parcel.objects.filter(pk=attempts[0].pk).delete()

    settle(queue, endings[ending], success(attempts[1]), failure(attempts[2]))

    assert parcel(attempts[1]).done
    assert parcel(attempts[2]).failures == 1
    assert has_no_claims()
    assert ("task.dropped" in events(caplog)) is (ending != "success")


def test_a_handler_may_delete_its_row_to_be_done(queue, attempts):
    class Deleting(PlainQueue):
        def record_successes(self, successes):
            """The handler did it all."""

    attempts[0].item.delete()

    settle(Deleting(), success(attempts[0]))

    assert Claim.objects.count() == 2


def test_an_error_of_a_row_that_somebody_else_finished_is_dropped(
    queue, attempts, caplog
):
    Parcel.objects.filter(pk=attempts[0].pk).update(done=True)

    settle(queue, failure(attempts[0]))

    assert parcel(attempts[0]).failures == 0
    assert Claim.objects.count() == 2
    assert "it is done or gone" in caplog.text


# --- claims that were lost ------------------------------------------------------------


def test_a_late_success_of_a_lost_claim_is_recorded(queue, worker, attempts, caplog):
    reap(queue, worker.pk, 0)

    settle(queue, success(attempts[0]))

    assert parcel(attempts[0]).done
    assert "task.overtaken" in events(caplog)


def test_a_late_success_may_follow_a_third_failure(queue, worker, attempts):
    reap(queue, worker.pk, 0)
    Parcel.objects.filter(pk=attempts[0].pk).update(failures=3)

    settle(queue, success(attempts[0]))

    assert parcel(attempts[0]).done


def test_a_late_error_of_a_lost_claim_is_dropped(queue, worker, attempts, caplog):
    reap(queue, worker.pk, 0)

    settle(queue, failure(attempts[0]))

    assert parcel(attempts[0]).failures == 0
    assert "its claim was lost" in caplog.text


def test_a_late_outcome_leaves_the_claim_of_the_next_worker_alone(
    queue, worker, attempts
):
    reap(queue, worker.pk, 0)
    other = make_worker(queue)
    (taken,) = claim_all(queue, other)
    late = next(attempt for attempt in attempts if attempt.pk == taken.pk)

    settle(queue, failure(late))
    settle(queue, success(late))

    assert Claim.objects.get(worker=other).pk == taken.key


def test_a_late_success_that_is_not_marked_as_done_is_not_held(worker, attempts):
    queue = PlainQueue()
    reap(queue, worker.pk, 0)

    settle(queue, success(attempts[0]))

    assert not Claim.objects.filter(alone=False).exists()


# --- handled but not done -------------------------------------------------------------


def test_a_handled_row_that_is_still_pending_is_held_back_with_a_clear_error(
    attempts, worker, caplog
):
    queue = PlainQueue()

    settle(queue, success(attempts[0]))

    held = Claim.objects.get(pk=attempts[0].key)
    assert held.worker is None
    assert seconds_until(held.held_until) > 50
    assert "handle_task must mark it as done" in caplog.text
    assert claim_all(queue, worker) == []


# --- postponed ------------------------------------------------------------------------


def test_a_postponed_task_of_a_plain_model_is_held_in_our_table(
    queue, worker, attempts
):
    settle(queue, ended(attempts[0], PostponeTask(60, "flood")))

    held = Claim.objects.get(pk=attempts[0].key)
    assert held.worker is None
    assert 55 < seconds_until(held.held_until) <= 60
    assert parcel(attempts[0]).failures == 0
    assert claim_all(queue, worker) == []

    Claim.objects.filter(pk=held.pk).update(held_until=timezone.now())
    assert [again.pk for again in claim_all(queue, worker)] == [attempts[0].pk]


def test_a_task_postponed_by_nothing_is_due_at_once(queue, worker, attempts):
    settle(queue, ended(attempts[0], PostponeTask(0)))

    assert [again.pk for again in claim_all(queue, worker)] == [attempts[0].pk]


def test_a_queue_with_a_due_time_of_its_own_moves_that_instead(worker, attempts):
    moved = []

    class Planned(AsyncQueue):
        def postpone(self, queryset_item, until):
            moved.append((queryset_item.pk, until))
            return True

    settle(Planned(), ended(attempts[0], PostponeTask(60)))

    ((pk, until),) = moved
    assert pk == attempts[0].pk
    assert 55 < seconds_until(until) <= 60
    assert not Claim.objects.filter(pk=attempts[0].key).exists()


def test_waits_are_told_to_the_queue_as_uncounted(attempts):
    seen = []

    class Watching(AsyncQueue):
        def record_uncounted(self, attempt, ending):
            seen.append((attempt.pk, ending.reason_code))

    settle(
        Watching(),
        ended(attempts[0], PostponeTask(1, "flood")),
        ended(attempts[1], PauseQueue(1, "outage")),
    )

    assert seen == [(attempts[0].pk, "flood"), (attempts[1].pk, "outage")]


# --- the queue's own code fails -------------------------------------------------------


def failing(kind, message="boom"):
    """Return a queue whose code fails for the parcel that is marked "bad"."""

    class Failing(AsyncQueue):
        def _check(self, pk):
            if Parcel.objects.filter(pk=pk, todo="bad").exists():
                raise kind(message)

        def process_task_error(self, queryset_item, error):
            self._check(queryset_item.pk)
            super().process_task_error(queryset_item, error)

        def record_successes(self, successes):
            for each in successes:
                self._check(each.attempt.pk)
            super().record_successes(successes)

        def record_uncounted(self, attempt, ending):
            self._check(attempt.pk)

        def postpone(self, queryset_item, until):
            self._check(queryset_item.pk)
            return False

    return Failing()


@pytest.mark.parametrize(
    "ending",
    [TaskError("refused", task_id=1), PostponeTask(1), PauseQueue(1), None],
    ids=lambda ending: type(ending).__name__,
)
@pytest.mark.parametrize("kind", [ValueError, DatabaseError])
def test_an_outcome_that_cannot_be_recorded_is_parked_and_its_neighbours_settled(
    attempts, worker, ending, kind, caplog
):
    bad, good, other = attempts
    Parcel.objects.filter(pk=bad.pk).update(todo="bad")
    queue = failing(kind)
    outcome = success(bad) if ending is None else ended(bad, ending)

    settle(queue, success(good), outcome, failure(other))

    parked = Claim.objects.get()
    assert (parked.pk, parked.worker_id) == (bad.key, None)
    assert parked.error == f"{kind.__name__}: boom"
    assert parcel(good).done
    assert parcel(other).failures == 1
    assert [again.pk for again in claim_all(queue, worker)] == [other.pk]
    (told,) = [r for r in caplog.records if r.event == "task.parked"]
    assert told.exc_info is not None


@pytest.mark.parametrize("message", ["a\0b", "\ud800", "x" * 10_000])
def test_an_error_that_no_database_stores_is_parked_all_the_same(attempts, message):
    Parcel.objects.filter(pk=attempts[0].pk).update(todo="bad")

    settle(failing(ValueError, message), failure(attempts[0]))

    parked = Claim.objects.get(pk=attempts[0].key)
    assert parked.worker is None
    assert parked.error.startswith("ValueError: ")


def test_a_mistake_in_sql_is_no_lost_database(attempts):
    """SQLite calls both an OperationalError, and one of them never passes."""

    class Mistaken(AsyncQueue):
        def process_task_error(self, queryset_item, error):
            with connection.cursor() as cursor:
                cursor.execute("SELECT * FROM nowhere")

    settle(Mistaken(), failure(attempts[0]))

    assert "nowhere" in Claim.objects.get(pk=attempts[0].key).error


def test_an_operational_error_records_nothing_and_is_left_to_be_tried_again(attempts):
    class Unlucky(AsyncQueue):
        def process_task_error(self, queryset_item, error):
            raise OperationalError("deadlock detected")

    queue = Unlucky()
    with pytest.raises(OperationalError):
        settle(queue, success(attempts[0]), failure(attempts[1]))

    assert not parcel(attempts[0]).done
    assert Claim.objects.filter(worker__isnull=False).count() == 3


def test_to_settle_again_after_a_lost_answer_changes_nothing(queue, attempts):
    outcomes = [
        success(attempts[0]),
        failure(attempts[1]),
        ended(attempts[2], PauseQueue(60)),
    ]
    settle(queue, *outcomes)
    before = [list(model.objects.values()) for model in (Parcel, Claim, Queue)]

    settle(queue, *outcomes)

    after = [list(model.objects.values()) for model in (Parcel, Claim, Queue)]
    assert after == before


def test_nothing_is_told_of_what_was_not_committed(attempts, caplog):
    class Unlucky(AsyncQueue):
        def record_uncounted(self, attempt, ending):
            raise OperationalError("disk full")

    with pytest.raises(OperationalError):
        settle(
            Unlucky(), failure(attempts[0]), ended(attempts[1], PostponeTask(1, "x"))
        )

    assert events(caplog) == []


def test_every_outcome_is_told_once_though_each_was_settled_alone(attempts, caplog):
    Parcel.objects.filter(pk=attempts[0].pk).update(todo="bad")

    settle(failing(ValueError), failure(attempts[0]), failure(attempts[1]))

    assert sorted(events(caplog)) == ["task.failed", "task.parked"]


# --- other keys -----------------------------------------------------------------------


def test_letters_with_uuids_are_settled():
    class Letters(LetterQueue):
        def record_successes(self, successes):
            ids = [success.attempt.task_id for success in successes]
            Letter.objects.filter(pk__in=ids).update(done=True)

    queue = Letters()
    Letter.objects.bulk_create(Letter() for _ in range(2))
    first, second = claim_all(queue, make_worker(queue))

    settle(queue, success(first), failure(second))

    assert Letter.objects.get(pk=first.pk).done
    assert Letter.objects.get(pk=second.pk).failures == 1
    assert has_no_claims()


def test_the_right_one_of_those_that_share_a_task_id_is_counted():
    class Labelled(PlainQueue):
        task_id_field_name = "label"

    queue = Labelled()
    Parcel.objects.bulk_create(Parcel(label="same") for _ in range(2))
    first, second = claim_all(queue, make_worker(queue))

    settle(queue, failure(first))

    assert (parcel(first).failures, parcel(second).failures) == (1, 0)


def test_settling_does_not_wait_for_who_claims(queue, attempts):
    """The queue's row is locked by claims; a settle without a pause does without."""
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has no lock on a row")
    with transaction.atomic():
        Queue.objects.select_for_update().get()
        thread = in_thread(lambda: settle(queue, success(attempts[0])))
        thread.join(5)
        assert not thread.is_alive()

    assert parcel(attempts[0]).done


def test_a_claimer_meets_the_next_task_after_a_settle(queue, worker, attempts):
    Parcel.objects.create()
    settle(queue, *map(success, attempts))

    assert len(Claimer(queue).claim(worker.pk, 1, 0).attempts) == 1
