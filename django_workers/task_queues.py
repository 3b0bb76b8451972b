"""The questions that a queue must answer, and those that it may."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models, router

from .errors import PauseQueue, PostponeTask, TaskError, WorkerLost
from .keys import among
from .outcomes import Attempt, Success


class AbstractTaskQueue(ABC):
    """Any table as a queue. Four methods are yours; the rest has sound defaults.

    An instance at module level is what `run_worker` takes: `shop.task_queues.queue`.
    """

    task_id_field_name = "pk"

    # How many tasks one worker runs at once. `run_worker --concurrency` overrides it.
    concurrency: int = 1
    # At most so many starts per second, over all workers of the queue; None: no limit.
    rate: float | None = None
    # Seconds until an `async def` handler is cancelled, which counts as "timeout". One
    # that cannot be, in a thread or since it blocks the event loop, ends its worker.
    handler_timeout: float | None = None
    # How often a worker shows that it lives. Others take it for dead when it has missed
    # five in a row; it starts nothing more itself when it has missed three.
    heartbeat_seconds: float = 2.0

    @abstractmethod
    def get_pending_tasks_queryset(self) -> models.QuerySet[Any]:
        """Return the tasks that are not done yet."""

    @abstractmethod
    def exclude_cycled_failed_tasks(
        self, queryset: models.QuerySet[Any]
    ) -> models.QuerySet[Any]:
        """Return `queryset` without the tasks that failed too often."""

    @abstractmethod
    def handle_task(self, queryset_item: Any) -> Any:
        """Do one task, `def` or `async def`; to return is to succeed.

        Raise TaskError for a failed attempt, PostponeTask to be called again later,
        PauseQueue when no task can succeed now. Anything else that is raised counts as
        TaskError("unhandled_exception").
        """

    @abstractmethod
    def process_task_error(self, queryset_item: Any, error: TaskError) -> None:
        """Record a failed attempt; `queryset_item` is freshly read.

        Runs in the settle transaction. `error.attempt` tells when it began and ended.
        """

    # --- what a queue may answer ------------------------------------------------------

    def select_claimable(
        self, queryset: models.QuerySet[Any], in_flight: Collection[Any]
    ) -> models.QuerySet[Any]:
        """Return which of the tasks may be started now, in the order to start them.

        `in_flight` holds the primary keys of tasks that are running or held back.
        The order is the queryset's own, else that of the primary key: the ordering of
        the model's Meta is how lists show it, often the newest first.
        """
        if in_flight:
            queryset = queryset.exclude(among(in_flight))
        query = queryset.query
        is_ordered = query.order_by or query.extra_order_by
        return queryset if is_ordered else queryset.order_by("pk")

    def read_claimable(
        self, in_flight: Collection[Any], most: int
    ) -> Sequence[models.Model]:
        """Return the first of the tasks that may be started now, `most` at most.

        The same as `select_claimable` says, in a queue's innermost loop: one that is
        always asked the same may keep its query prepared.
        """
        queryset = self.select_claimable(self.read_startable(), in_flight)
        return list(queryset[:most])

    def claims_ahead(self, concurrency: int) -> int:
        """Return how many tasks a worker claims beyond the `concurrency` that it runs.

        They wait for a slot, so that none is empty while it is written down how others
        ended. That pays for many short tasks. Long ones would keep theirs from another
        worker, and a crash leaves them in doubt like those that ran. `rate` counts them
        when they are claimed, and they may start late and all at once: so of a queue
        with a rate a worker claims at most what that lets start in 0.1 s. Handlers get
        the item as it was then. A pause sends them back, that of another worker or of a
        person as soon as this one looks at the queue again.
        """
        return 0

    def limit_in_flight(self) -> int | None:
        """Return how many tasks one worker may run at once for now; None: all it can.

        Asked on the event loop before each claim, and before a task begins that was
        claimed ahead, so it must answer from memory: a queue in trouble may send one
        task ahead.
        """
        return None

    def get_next_due_time(self) -> datetime | None:
        """Return when the next task falls due by itself, if any will."""
        return None

    def get_oldest_due_time(self) -> datetime | None:
        """Return since when the task has been due that waits longest, if one does.

        Only `worker_health` asks; without an answer it cannot tell a slow queue.
        """
        return None

    def record_successes(self, successes: Sequence[Success]) -> None:
        """Record tasks that succeeded, all at once, in the settle transaction.

        Not needed when `handle_task` itself marks the task as done.
        """

    def record_uncounted(
        self, attempt: Attempt, ending: PostponeTask | PauseQueue | WorkerLost
    ) -> None:
        """Record an attempt that went back uncounted, in the settle transaction."""

    def postpone(self, queryset_item: Any, until: datetime) -> bool:
        """Move the task's own due time to `until`; False when it has none.

        Without one, the engine holds the task back in its own table.
        """
        return False

    def probe(self) -> Any:
        """Raise PauseQueue while a pause is not over yet; `def` or `async def`."""

    def check_ready(self) -> None:
        """Raise ImproperlyConfigured when the queue cannot work as it is set up."""

    async def aclose(self) -> None:
        """Release what handlers shared; called on the loop when the worker ends."""

    # --- what the engine asks ---------------------------------------------------------

    @cached_property
    def queue_name(self) -> str:
        """The stable key of this queue; by default the label of its model."""
        return self.model._meta.label

    @cached_property
    def model(self) -> type[models.Model]:
        """The model whose rows are the tasks."""
        return self.get_pending_tasks_queryset().model

    @cached_property
    def database(self) -> str:
        """The alias of the database in which the tasks live, and the claims on them."""
        return router.db_for_write(self.model)

    def read_pending(self) -> models.QuerySet[Any]:
        """Return the tasks that are not done yet, from where the claims are."""
        # A replica that lags behind would show as pending what was just done.
        return self.get_pending_tasks_queryset().using(self.database)

    def read_startable(self) -> models.QuerySet[Any]:
        """Return the pending tasks that have not failed too often."""
        return self.exclude_cycled_failed_tasks(self.read_pending())

    def get_task_id(self, queryset_item: models.Model) -> Any:
        """Return what names a task in errors and log lines."""
        if self.task_id_field_name == "pk":
            return queryset_item.pk
        return queryset_item.serializable_value(self.task_id_field_name)

    def parse_key(self, text: str) -> Any:
        """Return the primary key that was written down as `text`, None if none was."""
        try:
            return self.model._meta.pk.to_python(text)
        except ValidationError:
            return None
