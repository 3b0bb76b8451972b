"""Whether a queue is being worked on, judged from one short look at the database."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from .database import database_now
from .heartbeat import DEAD_AFTER_BEATS
from .models import Queue, Worker
from .task_queues import AbstractTaskQueue


class Problem(StrEnum):
    """Why a queue is not healthy; the values are stable, for machines."""

    NO_WORKER = "no_worker"
    STOPPED = "stopped"
    PAUSED = "paused"
    OVERDUE = "overdue"


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What was seen of a queue at `seen_at`, which is the database's time.

    `silent_workers` are registered and show no sign of life: they died and are not
    buried yet, or cannot reach the database. `oldest_due_at` is since when the task
    has been due that waits longest; None: nothing is due, or the queue cannot tell.
    """

    queue: str
    seen_at: datetime
    live_workers: int
    silent_workers: int
    stopped_at: datetime | None
    stopped_by: str
    stop_reason: str
    paused_until: datetime | None
    pause_reason: str
    pause_description: str
    oldest_due_at: datetime | None
    max_age: timedelta | None

    @property
    def problems(self) -> list[Problem]:
        """What keeps the queue's tasks from being done, the first cause first."""
        found = {
            Problem.NO_WORKER: self.live_workers == 0,
            Problem.STOPPED: self.stopped_at is not None,
            Problem.PAUSED: self.paused_until is not None,
            Problem.OVERDUE: self.max_age is not None and self.waiting > self.max_age,
        }
        return [problem for problem, is_there in found.items() if is_there]

    @property
    def waiting(self) -> timedelta:
        """For how long the oldest due task has waited."""
        if self.oldest_due_at is None:
            return timedelta(0)
        return max(timedelta(0), self.seen_at - self.oldest_due_at)

    @property
    def is_probing(self) -> bool:
        """Whether the pause is over, and the queue asks if its cause is, too."""
        return self.paused_until is not None and self.paused_until <= self.seen_at


def examine(queue: AbstractTaskQueue, *, max_age: timedelta | None = None) -> Health:
    """Look at the queue once, without writing or waiting for anything.

    Raises:
        DatabaseError: the database cannot be read.
    """
    using = queue.database
    row = Queue.objects.using(using).filter(pk=queue.queue_name).first()
    workers = list(Worker.objects.using(using).filter(queue=queue.queue_name))
    oldest_due_at = queue.get_oldest_due_time()
    now = database_now(using)
    live = count_live(workers, now, queue.heartbeat_seconds)
    if row is None:
        # No worker has ever run.
        row = Queue(queue.queue_name)
    return Health(
        queue=queue.queue_name,
        seen_at=now,
        live_workers=live,
        silent_workers=len(workers) - live,
        stopped_at=row.stopped_at,
        stopped_by=row.stopped_by,
        stop_reason=row.stop_reason,
        paused_until=row.paused_until,
        pause_reason=row.pause_reason,
        pause_description=row.pause_description,
        oldest_due_at=oldest_due_at,
        max_age=max_age,
    )


def count_live(
    workers: Iterable[Worker],
    now: datetime,
    heartbeat_seconds: float = AbstractTaskQueue.heartbeat_seconds,
) -> int:
    """Return how many of the workers have shown a sign of life lately.

    Workers judge each other by a counter that they watch for a while, so that no clock
    can kill one. Who looks once has only times to go by; both are the database's. After
    its clock was set by hand they are right again with the next heartbeat: until then
    a time from the future says as little as one long gone.
    """
    limit = timedelta(seconds=DEAD_AFTER_BEATS * heartbeat_seconds)
    return sum(abs(now - worker.heartbeat_at) <= limit for worker in workers)


def can_tell_age(queue: AbstractTaskQueue) -> bool:
    """Whether the queue says since when its tasks are due."""
    own = type(queue).get_oldest_due_time
    return own is not AbstractTaskQueue.get_oldest_due_time
