"""Gives back what dead workers had in flight."""

from collections.abc import Callable

from django.db import OperationalError, transaction

from .database import (
    emit_on_commit,
    is_lock_timeout,
    may_pass,
    storable,
    tell_of_lock,
    write_transaction,
)
from .errors import TaskError, WorkerLost
from .models import Claim, Queue, Worker
from .outcomes import Attempt
from .pausing import free_probe
from .task_queues import AbstractTaskQueue
from .wakeup import announce


def reap(queue: AbstractTaskQueue, worker_id: int, heartbeat: int) -> None:
    """Bury a worker whose heartbeat was seen to stand still at this count.

    A task that was its only one is a failed attempt, "worker_lost". Of several nobody
    knows which one killed it: each goes back uncounted, to run alone next, and again
    after each further worker that dies of it. A task whose queue cannot record that is
    parked.
    Nothing happens when the worker lives after all, another has buried it, or somebody
    keeps a lock for so long that it had better be tried again later.
    """
    try:
        with write_transaction(queue.database):
            _reap(queue, worker_id, heartbeat)
    except OperationalError as error:
        if not is_lock_timeout(error):
            raise
        # The next heartbeat tells of the dead again.
        tell_of_lock(error)


def _reap(queue: AbstractTaskQueue, worker_id: int, heartbeat: int) -> None:
    using = queue.database
    queues = Queue.objects.using(using).select_for_update(no_key=True)
    row = queues.get(pk=queue.queue_name)
    workers = Worker.objects.using(using).select_for_update()
    dead = workers.filter(pk=worker_id, heartbeat=heartbeat).first()
    if dead is None:
        return
    claims = Claim.objects.using(using).filter(worker=dead)
    lost = list(claims.select_for_update().order_by("pk"))
    if len(lost) == 1 and not lost[0].alone:
        if _record(queue, lost[0], _count):
            lost[0].delete()
    else:
        for claim in lost:
            _record(queue, claim, _count if len(lost) == 1 else _give_back)
        claims.update(worker=None, alone=True)
    dead.delete()
    free_probe(row)
    announce(using)
    emit_on_commit(
        using,
        "worker.lost",
        queue=queue.queue_name,
        worker=str(dead),
        claims=len(lost),
    )


def _record(
    queue: AbstractTaskQueue,
    claim: Claim,
    record: Callable[[AbstractTaskQueue, Attempt], None],
) -> bool:
    """Let the queue's own code record what was cut off; park the task if it fails."""
    try:
        with transaction.atomic(using=queue.database):
            if (attempt := _attempt_of(queue, claim)) is not None:
                record(queue, attempt)
    except Exception as error:
        if may_pass(error):
            raise
        claim.worker = None
        claim.error = storable(f"{type(error).__name__}: {error}")
        claim.save(using=queue.database, update_fields=["worker", "error"])
        emit_on_commit(
            queue.database, "task.parked", exc_info=error, task_id=claim.task_id
        )
        return False
    return True


def _count(queue: AbstractTaskQueue, attempt: Attempt) -> None:
    error = TaskError(
        WorkerLost.reason_code,
        task_id=attempt.task_id,
        description=WorkerLost.description,
    )
    error.attempt = attempt
    emit_on_commit(
        queue.database,
        "task.failed",
        attempt=attempt,
        queue=queue.queue_name,
        reason_code=error.reason_code,
        description=error.description,
    )
    queue.process_task_error(attempt.item, error)


def _give_back(queue: AbstractTaskQueue, attempt: Attempt) -> None:
    queue.record_uncounted(attempt, WorkerLost())


def _attempt_of(queue: AbstractTaskQueue, claim: Claim) -> Attempt | None:
    """Return the attempt that was cut off; None when its task is done or gone."""
    item = queue.read_pending().filter(pk=queue.parse_key(claim.task_id)).first()
    if item is None:
        return None
    return Attempt(
        key=claim.pk,
        task_id=queue.get_task_id(item),
        item=item,
        started_at=claim.claimed_at,
    )
