"""This worker as one of the queue's live workers."""

import os
from collections.abc import Callable, Collection
from uuid import UUID

from django.db import OperationalError

from .database import (
    DatabaseThread,
    is_lock_timeout,
    tell_of_lock,
    write_transaction,
)
from .events import emit
from .heartbeat import Heartbeat
from .models import Claim, Queue
from .task_queues import AbstractTaskQueue
from .wakeup import announce
from .watchdog import Watchdog


class Presence:
    """Registers a worker, again after others took it for dead, and knows its claims.

    `report_dead` is called in the heartbeat's thread, where `watchdog` looks, too.
    """

    def __init__(
        self,
        queue: AbstractTaskQueue,
        database: DatabaseThread,
        concurrency: int,
        report_dead: Callable[[dict[int, int]], None],
        watchdog: Watchdog | None = None,
    ) -> None:
        self.queue = queue
        self.database = database
        self.concurrency = concurrency
        self.heartbeat = Heartbeat(
            queue.queue_name,
            queue.database,
            queue.heartbeat_seconds,
            report_dead,
            watchdog=watchdog,
        )
        self._was_fenced = False

    @property
    def worker_id(self) -> int:
        return self.heartbeat.worker_id

    async def register(self) -> None:
        pid = os.getpid()
        await self.database(self._ensure_queue)
        await self.database(self.heartbeat.register, pid)
        emit(
            "worker.started",
            worker=pid,
            queue=self.queue.queue_name,
            concurrency=self.concurrency,
        )

    def _ensure_queue(self) -> None:
        with write_transaction(self.queue.database):
            queues = Queue.objects.using(self.queue.database)
            row, _ = queues.get_or_create(pk=self.queue.queue_name)
            if row.rate != self.queue.rate:
                queues.filter(pk=row.pk).update(rate=self.queue.rate)

    async def register_anew(self) -> None:
        """Go on as a new worker: others have buried this one."""
        emit("worker.evicted")
        await self.register()

    def check_fence(self) -> bool:
        """Return whether nothing may be started; tell when that changes."""
        is_fenced, seconds = self.heartbeat.is_fenced, self.heartbeat.silent_seconds
        if is_fenced and not self._was_fenced:
            emit("worker.fenced", seconds=seconds, error=self.heartbeat.last_error)
        elif self._was_fenced and not is_fenced:
            emit("worker.unfenced")
        self._was_fenced = is_fenced
        return is_fenced

    async def release_strangers(self, known: Collection[UUID]) -> None:
        """After trouble, give back the claims of this worker that it does not know."""
        if self.database.had_trouble:
            self.database.had_trouble = False
            is_done = await self.database(
                release_strangers, self.worker_id, self.queue.database, known
            )
            # Not yet: what has finished meanwhile is settled first.
            self.database.had_trouble |= not is_done

    async def leave(self) -> None:
        await self.database(self.heartbeat.unregister)


def release_strangers(worker_id: int, using: str, known: Collection[UUID]) -> bool:
    """Give back this worker's claims that it does not know of.

    A COMMIT may have been applied though its answer was lost on the way. The server may
    even be at it still, and hold the queue's row meanwhile: when that takes long, this
    returns False, and is to be called again.
    """
    try:
        with write_transaction(using):
            queues = Queue.objects.using(using).filter(workers=worker_id)
            queues.select_for_update(of=("self",), no_key=True).first()
            claims = Claim.objects.using(using).filter(worker=worker_id)
            strangers = claims.exclude(pk__in=known)
            count = strangers.filter(alone=True).update(worker=None)
            count += strangers.filter(alone=False).delete()[0]
            announce(using)
    except OperationalError as error:
        if not is_lock_timeout(error):
            raise
        tell_of_lock(error)
        return False
    if count:
        emit("claims.released", count=count)
    return True
