"""Gives back what dead workers had in flight."""

from .database import database_now, write_transaction
from .errors import TaskError, WorkerLost
from .events import emit
from .models import Claim, Queue, Worker
from .outcomes import Attempt
from .task_queues import AbstractTaskQueue


def reap(queue: AbstractTaskQueue, worker_id: int, heartbeat: int) -> None:
    """Bury a worker whose heartbeat was seen to stand still at this count.

    A task that was its only one is a failed attempt, "worker_lost". Of several nobody
    knows which one killed it: each goes back uncounted, to run alone next.
    Nothing happens when the worker lives after all, or another has buried it.
    """
    using = queue.database
    with write_transaction(using):
        Queue.objects.using(using).select_for_update().get(pk=queue.queue_name)
        workers = Worker.objects.using(using).select_for_update()
        dead = workers.filter(pk=worker_id, heartbeat=heartbeat).first()
        if dead is None:
            return
        claims = Claim.objects.using(using).filter(worker=dead)
        lost = list(claims.select_for_update().order_by("pk"))
        if len(lost) == 1:
            _count(queue, lost[0])
            claims.delete()
        else:
            for claim in lost:
                _give_back(queue, claim)
            claims.update(worker=None, held_until=database_now(using), alone=True)
        dead.delete()
    emit("worker.lost", worker=str(dead), claims=len(lost))


def _count(queue: AbstractTaskQueue, claim: Claim) -> None:
    if (attempt := _attempt_of(queue, claim)) is None:
        return
    error = TaskError(
        WorkerLost.reason_code,
        task_id=attempt.task_id,
        description=WorkerLost.description,
    )
    error.attempt = attempt
    queue.process_task_error(attempt.item, error)


def _give_back(queue: AbstractTaskQueue, claim: Claim) -> None:
    if (attempt := _attempt_of(queue, claim)) is not None:
        queue.record_uncounted(attempt, WorkerLost())


def _attempt_of(queue: AbstractTaskQueue, claim: Claim) -> Attempt | None:
    """Return the attempt that was cut off; None when its task is done or gone."""
    pending = queue.get_pending_tasks_queryset()
    task_id = queue.parse_task_id(claim.task_id)
    item = pending.filter(**{queue.task_id_field_name: task_id}).first()
    if item is None:
        return None
    return Attempt(
        key=claim.pk, task_id=task_id, item=item, started_at=claim.claimed_at
    )
