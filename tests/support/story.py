"""A story of workers, crashes, clocks and people, drawn step by step by Hypothesis.

Each step is the engine's own, in transactions of a real database. After each, what the
tables say is compared with the reference queue; at the end, all is drained.
"""

import contextlib
import sys
import time
from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.apps import apps
from django.db import OperationalError, models
from django.db.models import F
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from django_workers import PauseQueue, PostponeTask, Success, TaskError
from django_workers.claiming import Claimer, WorkerEvictedError
from django_workers.database import database_now
from django_workers.heartbeat import DEAD_AFTER_BEATS, Heartbeat
from django_workers.models import Claim, Queue, Worker
from django_workers.outcomes import Attempt, Ending, Outcome
from django_workers.pacing import Bucket
from django_workers.pausing import (
    give_up_probe,
    resume_by_hand,
    settle_probe,
    stop_by_hand,
)
from django_workers.presence import release_strangers
from django_workers.reaping import reap
from django_workers.settling import Settler
from tests.shop.task_queues import AsyncQueue
from tests.support.reference_queue import UNRECORDABLE, Hold, ReferenceQueue, Task
from tests.support.workers import make_queue

MOST_WORKERS = 3
HOUR = 3600.0
# Delays never add up to these steps: whether something is due does not hang on the
# moments that the test itself takes, which may be up to PATIENCE.
STEPS = st.sampled_from([200.0, 1000.0, 1000.0, HOUR, -HOUR])
CONCURRENCIES = st.sampled_from([1, 3])
DELAYS = st.sampled_from([0.0, 250.0, 650.0])
PATIENCE = 40.0
# Of a list, which one: any number will do.
WHICH = st.integers(0, 9)
ENDINGS = ["success", "refused", "refused", "later", "pause", UNRECORDABLE]
MANY_ENDINGS = st.lists(st.sampled_from(ENDINGS), min_size=1, max_size=3)


class StoryQueue(AsyncQueue):
    """Its own code may fail, or lose the database, while an outcome is recorded."""

    loses_database = False

    def record_successes(self, successes: Any) -> None:
        super().record_successes(successes)
        self._lose_database()

    def process_task_error(self, queryset_item: Any, error: TaskError) -> None:
        super().process_task_error(queryset_item, error)
        if error.reason_code == UNRECORDABLE:
            raise ValueError(UNRECORDABLE)
        self._lose_database()

    def _lose_database(self) -> None:
        if self.loses_database:
            raise OperationalError("the disk is full")


class LogicalWorker:
    """What one worker process has in its memory."""

    def __init__(self, queue: StoryQueue, concurrency: int, clock: Any) -> None:
        self.concurrency = concurrency
        self.claimer = Claimer(queue)
        self.dead: dict[int, int] = {}
        self.just_reported: set[int] = set()
        self.heartbeat = Heartbeat(
            queue.queue_name, queue.database, 2.0, self._hear_of_dead, clock
        )
        self.running: dict[UUID, Attempt] = {}
        self.finished: list[Outcome] = []
        self.probe_epoch: int | None = None
        self.heartbeat.register(pid=1)

    def _hear_of_dead(self, dead: dict[int, int]) -> None:
        self.dead |= dead
        self.just_reported = set(dead)

    @property
    def id(self) -> int:
        return self.heartbeat.worker_id

    @property
    def free(self) -> int:
        return self.concurrency - len(self.known)

    @property
    def known(self) -> list[UUID]:
        return [*self.running, *(each.attempt.key for each in self.finished)]


class Story(RuleBasedStateMachine):
    """Subclasses say which queue, and which keys its rows get."""

    queue_class: type[StoryQueue] = StoryQueue
    keys: "st.SearchStrategy[Any] | None" = None

    def __init__(self) -> None:
        super().__init__()
        self.queue = self.queue_class()
        for model in (Claim, Worker, Queue, self.queue.model):
            model._default_manager.all().delete()
        make_queue(self.queue)
        self.name, self.using = self.queue.queue_name, self.queue.database
        self.settler = Settler(self.queue)
        self.model = ReferenceQueue()
        self.workers: list[LogicalWorker] = []
        self.began = time.monotonic()
        self.monotonic = 0.0
        self.jumps_ahead = 0
        self.starts: list[tuple[float, int]] = []

    @initialize(data=st.data(), count=st.integers(3, 6), each=CONCURRENCIES)
    def begin(self, data: st.DataObject, count: int, each: int) -> None:
        self.add(data, count)
        self.start_worker(each)
        self.start_worker(3)

    # --- rows and people --------------------------------------------------------------

    @rule(data=st.data(), count=st.integers(2, 4))
    def add(self, data: st.DataObject, count: int) -> None:
        for _ in range(count):
            values = {} if self.keys is None else {"pk": data.draw(self.keys)}
            if values.get("pk") not in self.model.tasks:
                task = self.queue.model._default_manager.create(**values)
                self.model.tasks[task.pk] = Task()

    @precondition(lambda self: self.model.tasks)
    @rule(which=WHICH, change=st.sampled_from(["delete", "finish", "open again"]))
    def edit(self, which: int, change: str) -> None:
        """Somebody changes a row, whoever holds it."""
        # Those that are held or in flight are met first: that is where it may hurt.
        pks = [*self.model.blocking(), *self.model.tasks]
        pk = pks[which % len(pks)]
        rows = self.queue.model._default_manager.filter(pk=pk)
        if change == "delete":
            rows.delete()
            self.model.tasks.pop(pk, None)
        elif pk in self.model.tasks:
            new = Task(done=change == "finish")
            rows.update(done=new.done, failures=new.failures)
            self.model.tasks[pk] = new

    @rule(order=st.sampled_from(["resume", "resume", "resume", "stop"]))
    def give_order(self, order: str) -> None:
        if order == "stop":
            stop_by_hand(self.name, self.using, by="Ann")
            self.model.stopped = True
        else:
            resume_by_hand(self.name, self.using)
            self.model.resume()

    # --- clocks -----------------------------------------------------------------------

    @rule(seconds=STEPS)
    def let_time_pass(self, seconds: float) -> None:
        """For the database's clock only, when it is an hour: it is set, either way."""
        if abs(seconds) == HOUR:
            self.jumps_ahead += seconds > 0
        else:
            self.monotonic += seconds
        self._move_clock(seconds)

    def _move_clock(self, seconds: float) -> None:
        """Move the database's clock, as seen from everything that was written by it.

        A clock that goes ahead, and moments that all go back, are the same thing.
        """
        self.model.now += seconds
        moved = timedelta(seconds=seconds)
        for model in apps.get_app_config("django_workers").get_models():
            columns = [
                field.name
                for field in model._meta.concrete_fields
                if isinstance(field, models.DateTimeField)
            ]
            model._default_manager.update(**{name: F(name) - moved for name in columns})

    # --- workers ----------------------------------------------------------------------

    @precondition(lambda self: len(self.workers) < MOST_WORKERS)
    @rule(concurrency=CONCURRENCIES)
    def start_worker(self, concurrency: int) -> None:
        self.workers.append(
            LogicalWorker(self.queue, concurrency, lambda: self.monotonic)
        )

    @rule(which=WHICH, endings=MANY_ENDINGS, delay=DELAYS, at_once=st.booleans())
    def work(self, which: int, endings: list[str], delay: float, at_once: bool) -> None:
        """All claim what they can, and then some handlers end."""
        for worker in self.workers:
            if worker.free > 0:
                self._claim(worker)
        if any(worker.running for worker in self.workers):
            self.finish(which, endings, delay, at_once)

    @precondition(lambda self: self.workers)
    @rule(which=WHICH, answer_is_lost=st.sampled_from([False, False, False, True]))
    def claim(self, which: int, answer_is_lost: bool) -> None:
        worker = self._worker(which)
        if worker.free > 0:
            self._claim(worker, answer_is_lost)

    def _claim(self, worker: LogicalWorker, answer_is_lost: bool = False) -> int:
        expected = self.model.expect(worker.id, len(worker.known))
        is_alive = Worker.objects.filter(pk=worker.id).exists()
        try:
            claimed = worker.claimer.claim(worker.id, worker.free, len(worker.known))
        except WorkerEvictedError:
            assert not is_alive
            worker.heartbeat.register(pid=1)
            return 0
        self.model.forget(set(Claim.objects.values_list("pk", flat=True)))
        attempts = claimed.attempts
        taken = [attempt.pk for attempt in attempts]
        if is_alive:
            assert (claimed.probe_epoch is not None) == expected.is_probe
            self._check_taken(taken, worker, expected.order, expected.lone)
        else:
            assert not taken
        if claimed.is_empty:
            # But for what waits for a person, who may never come.
            holds = self.model.blocking()
            left = [pk for pk in self.model.tasks if self.model.is_startable(pk)]
            assert all(pk in holds and holds[pk].parked for pk in left)
        for attempt in attempts:
            assert not (expected.lone and worker.running)
            self.model.claim(worker.id, attempt.pk, attempt.key)
            assert attempt.epoch == self.model.epoch
            if not answer_is_lost:
                worker.running[attempt.key] = attempt
        if claimed.probe_epoch is not None:
            self.model.take_probe()
            worker.probe_epoch = claimed.probe_epoch
        self._check_rate(len(attempts))
        return len(attempts)

    def _check_taken(
        self,
        taken: list[Any],
        worker: LogicalWorker,
        order: Sequence[Any],
        lone: Collection[Any],
    ) -> None:
        if lone:
            assert len(taken) == 1 or self.queue.rate is not None
            assert set(taken) <= set(lone)
            return
        most = list(order[: worker.free])
        assert taken == most[: len(taken)]
        assert len(taken) == len(most) or self.queue.rate is not None

    @precondition(lambda self: any(worker.running for worker in self.workers))
    @rule(which=WHICH, endings=MANY_ENDINGS, delay=DELAYS, at_once=st.booleans())
    def finish(
        self, which: int, endings: list[str], delay: float, at_once: bool
    ) -> None:
        """Handlers of one worker end; what became of them is settled, now or later."""
        busy = [worker for worker in self.workers if worker.running]
        worker = busy[which % len(busy)]
        for ending, key in zip(endings, list(worker.running), strict=False):
            attempt = worker.running.pop(key)
            worker.finished.append(Outcome(attempt, _ending(ending, attempt, delay)))
        if at_once:
            self._settle(worker)

    @precondition(lambda self: any(worker.finished for worker in self.workers))
    @rule(which=WHICH, trouble=st.sampled_from(["", "", "answer lost", "disk full"]))
    def settle(self, which: int, trouble: str) -> None:
        done = [worker for worker in self.workers if worker.finished]
        worker = done[which % len(done)]
        if trouble == "disk full" and not _has_unrecordable(worker.finished):
            before = self._tables()
            self.queue.loses_database = True
            with contextlib.suppress(OperationalError):
                self.settler.settle(worker.finished)
                # Only what touches the tasks' table needs the disk in this story.
                self.model.settle(worker.finished)
                worker.finished.clear()
            self.queue.loses_database = False
            assert not worker.finished or self._tables() == before
        elif trouble == "answer lost":
            self.settler.settle(worker.finished)
            before = self._tables()
            self.settler.settle(worker.finished)
            assert self._tables() == before
            self.model.settle(worker.finished)
            worker.finished.clear()
        else:
            self._settle(worker)

    def _settle(self, worker: LogicalWorker) -> None:
        self.settler.settle(worker.finished)
        self.model.settle(worker.finished)
        worker.finished.clear()

    @precondition(lambda self: self.workers)
    @rule(which=WHICH)
    def release(self, which: int) -> None:
        """A worker that had trouble gives back the claims that it does not know."""
        worker = self._worker(which)
        release_strangers(worker.id, self.using, worker.known)
        self.model.release_strangers(worker.id, worker.known)

    @precondition(lambda self: self.workers)
    @rule(which=WHICH)
    def end(self, which: int) -> None:
        """A worker with something in its hands crashes; another leaves in order."""
        worker = self._worker(which)
        if not worker.known:
            self.release(which)
            worker.heartbeat.unregister()
            assert not Worker.objects.filter(pk=worker.id).exists()
        self.workers.remove(worker)

    @precondition(lambda self: any(w.probe_epoch is not None for w in self.workers))
    @rule(which=WHICH, answer=st.sampled_from(["passes", "fails", "given up"]))
    def end_probe(self, which: int, answer: str) -> None:
        probing = [each for each in self.workers if each.probe_epoch is not None]
        worker = probing[which % len(probing)]
        epoch, worker.probe_epoch = worker.probe_epoch, None
        assert epoch is not None
        if answer == "given up":
            give_up_probe(self.name, self.using, epoch)
            self.model.give_up_probe(epoch)
            return
        failure = PauseQueue(450, "still_away") if answer == "fails" else None
        settle_probe(self.name, self.using, epoch, failure)
        self.model.settle_probe(epoch, failure)

    # --- heartbeats -------------------------------------------------------------------

    @precondition(lambda self: Worker.objects.exists())
    @rule(frozen=st.sets(st.integers(0, MOST_WORKERS - 1)), later=st.booleans())
    def watch(self, frozen: set[int], later: bool) -> None:
        """All but the frozen show that they live, for as long as it takes to tell."""
        beating = [w for index, w in enumerate(self.workers) if index not in frozen]
        silent = set(Worker.objects.values_list("pk", flat=True))
        silent -= {worker.id for worker in beating}
        for _ in range(DEAD_AFTER_BEATS + 1):
            for worker in beating:
                worker.just_reported.clear()
                worker.heartbeat.beat()
            self.monotonic += 2.0
        for worker in beating:
            assert worker.just_reported == silent - {worker.id}
        while not later and any(worker.dead for worker in self.workers):
            self.bury(0)

    @precondition(lambda self: any(worker.dead for worker in self.workers))
    @rule(which=WHICH)
    def bury(self, which: int) -> None:
        """Act on what was seen, which may be long ago."""
        observers = [worker for worker in self.workers if worker.dead]
        dead_id, seen = observers[which % len(observers)].dead.popitem()
        row = Worker.objects.filter(pk=dead_id).first()
        reap(self.queue, dead_id, seen)
        if row is not None and row.heartbeat == seen:
            self.model.reap(dead_id)
            assert not Worker.objects.filter(pk=dead_id).exists()

    # --- what must be true ------------------------------------------------------------

    @invariant()
    def every_row_is_where_it_should_be(self) -> None:
        rows = self.queue.model._default_manager.values_list("pk", "done", "failures")
        assert {pk: Task(done, failures) for pk, done, failures in rows} == (
            self.model.tasks
        )
        held = {self.queue.parse_key(row.task_id): row for row in Claim.objects.all()}
        assert {pk: row.pk for pk, row in held.items()} | {
            pk: hold.key for pk, hold in self.model.blocking().items()
        } == {pk: row.pk for pk, row in held.items()}
        now = database_now(self.using)
        for pk, hold in self.model.blocking().items():
            self._check_hold(hold, held.pop(pk), now)
        # What else is there means nothing any more, and is swept up some day.
        for pk, row in held.items():
            assert row.worker_id is None
            assert row.error == ""
            if row.alone:
                assert not self.model.is_startable(pk)
            else:
                assert row.held_until is not None
                assert row.held_until <= now or row.claimed_at > now

    def _check_hold(self, hold: Hold, row: Claim, now: Any) -> None:
        assert (row.worker_id, row.alone, row.error != "") == (
            hold.worker,
            hold.alone,
            hold.parked,
        )
        if hold.until is not None and row.held_until is not None:
            late = hold.until - self.model.now - (row.held_until - now).total_seconds()
            assert 0 <= late < PATIENCE

    @invariant()
    def the_queue_waits_as_it_should(self) -> None:
        row, now = Queue.objects.get(), database_now(self.using)
        assert (row.stopped_at is not None, row.pause_epoch) == (
            self.model.stopped,
            self.model.epoch,
        )
        for moment, expected in (
            (row.paused_until, self.model.paused_until),
            (row.probing_until, self.model.probing_until),
        ):
            assert (moment is None) == (expected is None)
            if moment is not None and expected is not None:
                late = expected - self.model.now - (moment - now).total_seconds()
                assert 0 <= late < PATIENCE

    @invariant()
    def what_must_run_alone_does(self) -> None:
        alone = dict(Claim.objects.filter(alone=True).values_list("pk", "worker"))
        for worker in self.workers:
            if worker.id in [alone.get(key) for key in worker.running]:
                assert len(worker.known) == 1

    def _check_rate(self, count: int) -> None:
        if self.queue.rate is None:
            return
        burst = Bucket(0, None, self.queue.rate).burst
        assert Queue.objects.get().tokens <= burst
        passed = self.monotonic + time.monotonic() - self.began
        # A clock that jumps ahead fills the bucket, once.
        self.starts.append((passed * self.queue.rate + self.jumps_ahead * burst, count))
        total = 0
        for earned, started in reversed(self.starts):
            total += started
            assert total <= burst + self.starts[-1][0] - earned + 0.001

    def _tables(self) -> list[Any]:
        every = (self.queue.model, Claim, Queue, Worker)
        return [list(each._default_manager.order_by("pk").values()) for each in every]

    def _worker(self, which: int) -> LogicalWorker:
        return self.workers[which % len(self.workers)]

    # --- the end ----------------------------------------------------------------------

    def teardown(self) -> None:
        # A step that failed has told what is wrong already.
        if sys.exc_info()[0] is None:
            self._end_well()

    def _end_well(self) -> None:
        """Let all end: nothing is left, and every row is done or was given up."""
        self._empty_all_hands()
        self.start_worker(3)
        self.watch(set(), later=False)
        self.give_order("resume")
        for _ in range(4 * len(self.model.tasks) + 4):
            self.let_time_pass(1000.0)
            if not self._claim(self.workers[0]) and not self._is_anything_left():
                break
            self._finish_all(self.workers[0])
            self.every_row_is_where_it_should_be()
        assert not self._is_anything_left()
        assert Worker.objects.count() == len(self.workers)

    def _empty_all_hands(self) -> None:
        for worker in list(self.workers):
            self._finish_all(worker)
            self.end(self.workers.index(worker))
        assert not self.workers

    def _finish_all(self, worker: LogicalWorker) -> None:
        for attempt in worker.running.values():
            worker.finished.append(Outcome(attempt, Success(attempt)))
        worker.running.clear()
        self._settle(worker)

    def _is_anything_left(self) -> bool:
        return bool(self.model.blocking()) or any(
            self.model.is_startable(pk) for pk in self.model.tasks
        )


def _has_unrecordable(outcomes: Sequence[Outcome]) -> bool:
    """Such a batch is settled one by one, so that part of it may be recorded."""
    errors = [each.ending for each in outcomes if isinstance(each.ending, TaskError)]
    return any(error.reason_code == UNRECORDABLE for error in errors)


def _ending(name: str, attempt: Attempt, delay: float) -> Ending:
    if name == "success":
        return Success(attempt)
    if name == "later":
        return PostponeTask(delay)
    if name == "pause":
        return PauseQueue(delay)
    return TaskError(name, task_id=attempt.task_id)
