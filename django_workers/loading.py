"""Finds a queue by its dotted path, and says clearly why it cannot be drained."""

import inspect
from importlib import import_module

from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError
from django.db import DatabaseError, connections
from django.db.migrations.executor import MigrationExecutor

from .task_queues import AbstractTaskQueue

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
            f"'{path}' is a class; run_worker needs an instance of it. "
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
    connection = connections[queue.database]
    try:
        _check_migrations(queue)
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
        raise CommandError(
            f"The database '{queue.database}' cannot be used: {str(error).strip()}"
        ) from None
    try:
        queue.check_ready()
    except ImproperlyConfigured as error:
        raise CommandError(str(error)) from None


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
