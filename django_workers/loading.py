"""Finds a queue by its dotted path, and says clearly why it cannot be drained."""

import inspect
from importlib import import_module

from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError
from django.db import DatabaseError, connections
from django.db.migrations.executor import MigrationExecutor
from django.db.models import CompositePrimaryKey

from .task_queues import AbstractTaskQueue

# What the engine calls without awaiting an answer, mostly in short transactions.
SYNCHRONOUS_HOOKS = (
    "get_pending_tasks_queryset",
    "exclude_cycled_failed_tasks",
    "process_task_error",
    "select_claimable",
    "read_claimable",
    "claims_ahead",
    "get_next_due_time",
    "get_oldest_due_time",
    "record_successes",
    "record_uncounted",
    "postpone",
    "limit_in_flight",
    "check_ready",
)
EXAMPLE = "For example: notifications.task_queues.task_queue"


def load_queue(path: str) -> AbstractTaskQueue:
    """Return the queue instance that `path` names.

    Raises:
        CommandError: there is no such module or name, or it is not an instance of a
            subclass of AbstractTaskQueue. An error inside the module itself propagates.
    """
    module_path, _, name = path.rpartition(".")
    if not module_path or not all(part.isidentifier() for part in path.split(".")):
        raise CommandError(
            f"'{path}' is not a dotted path to a task queue, that is module.name. "
            f"{EXAMPLE}"
        )
    try:
        module = import_module(module_path)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_path}.".startswith(f"{error.name}."):
            raise
        raise CommandError(
            f"There is no module '{error.name}', so '{path}' cannot be found. {EXAMPLE}"
        ) from None
    try:
        found = getattr(module, name)
    except AttributeError:
        raise CommandError(
            f"The module '{module_path}' has no '{name}'."
            f"{_suggest(module_path, module)}"
        ) from None
    return _checked(path, found)


def _checked(path: str, found: object) -> AbstractTaskQueue:
    if isinstance(found, AbstractTaskQueue):
        return found
    if inspect.isclass(found) and issubclass(found, AbstractTaskQueue):
        raise CommandError(
            f"'{path}' is a class; a queue is an instance of it. "
            f"Write `task_queue = {found.__name__}()` below it and name that."
        )
    raise CommandError(
        f"'{path}' is {type(found).__name__}, not a task queue: it must be an instance "
        "of a subclass of django_workers.AbstractTaskQueue."
    )


def _suggest(module_path: str, module: object) -> str:
    names = [
        f"{module_path}.{name}"
        for name, value in vars(module).items()
        if isinstance(value, AbstractTaskQueue)
    ]
    return f" Task queues in it: {', '.join(names)}" if names else ""


def check_queue(queue: AbstractTaskQueue) -> None:
    """Check that the queue and its database are ready to be drained.

    Raises:
        CommandError: says what is wrong and what to do.
    """
    _check_hooks(queue)
    connection = connections[queue.database]
    try:
        _check_migrations(queue)
        # A migration that nobody has made yet shows as a missing table or column.
        list(queue.read_pending()[:1])
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SHOW transaction_isolation")
                (level,) = cursor.fetchone()
            if level != "read committed":
                raise CommandError(
                    f"The database '{queue.database}' runs transactions as '{level}'; "
                    "claims are right only under 'read committed', its default. "
                    "Remove isolation_level from its OPTIONS."
                )
    except DatabaseError as error:
        raise _unusable(queue, error) from None
    try:
        queue.check_ready()
    except ImproperlyConfigured as error:
        raise CommandError(str(error)) from None


def explain_database_error(queue: AbstractTaskQueue, error: Exception) -> CommandError:
    """Return what to tell a person: migrations are missing, or what the driver said."""
    try:
        _check_migrations(queue)
    except CommandError as missing:
        return missing
    except DatabaseError:
        pass  # The first error says more.
    return _unusable(queue, error)


def _unusable(queue: AbstractTaskQueue, error: Exception) -> CommandError:
    return CommandError(
        f"The database '{queue.database}' cannot be used: {str(error).strip()}"
    )


def _check_hooks(queue: AbstractTaskQueue) -> None:
    for name in SYNCHRONOUS_HOOKS:
        if inspect.iscoroutinefunction(getattr(queue, name)):
            raise CommandError(
                f"{type(queue).__name__}.{name} is `async def` and must be `def`: "
                "it is called where nothing is awaited. Only handle_task, probe and "
                "aclose may be async."
            )
    if isinstance(queue.model._meta.pk, CompositePrimaryKey):
        raise CommandError(
            f"The primary key of {queue.model.__name__} has several columns; a queue "
            "needs a model with one."
        )
    if queue.rate is not None and not queue.rate > 0:
        raise CommandError(
            f"{type(queue).__name__}.rate must be more than 0 per second, or None, "
            f"not {queue.rate!r}. To stop a queue: manage.py pause_queue"
        )


def _check_migrations(queue: AbstractTaskQueue) -> None:
    executor = MigrationExecutor(connections[queue.database])
    apps = {"django_workers", queue.model._meta.app_label}
    targets = [node for node in executor.loader.graph.leaf_nodes() if node[0] in apps]
    missing = [
        f"{migration.app_label}.{migration.name}"
        for migration, _ in executor.migration_plan(targets)
    ]
    if missing:
        raise CommandError(
            f"The database '{queue.database}' lacks migrations ({', '.join(missing)}). "
            "Run: python manage.py migrate"
        )
