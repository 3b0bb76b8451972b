"""`manage.py worker_health PATH`: says whether a queue is being worked on."""

import json
import sys
from argparse import ArgumentParser
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.core.serializers.json import DjangoJSONEncoder
from django.db import DatabaseError, connections

from django_workers.clock import local_time
from django_workers.health import Health, Problem, can_tell_age, examine
from django_workers.loading import explain_database_error, load_queue
from django_workers.task_queues import AbstractTaskQueue

DEFAULT_MAX_AGE_SECONDS = 300.0


class Command(BaseCommand):
    help = (
        "Say whether a queue is being worked on, for cron, systemd or Docker's "
        "HEALTHCHECK. Exits with 0 and one line when it is; with 1 and the reasons "
        "when no worker is alive, the queue is paused, or a task has waited for too "
        "long. "
        "Reads only, and waits for nothing."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "task_queue_import_path",
            metavar="QUEUE",
            help="dotted path to the queue's instance: package.module.name",
        )
        parser.add_argument(
            "--max-age",
            type=float,
            metavar="SECONDS",
            help="for how long a task may be due (default: "
            f"{DEFAULT_MAX_AGE_SECONDS:g}, for queues with get_oldest_due_time)",
        )
        parser.add_argument(
            "--json", action="store_true", help="write everything as one JSON object"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        queue = load_queue(options["task_queue_import_path"])
        max_age = _max_age(queue, options["max_age"])
        _check_file(queue.database)
        try:
            health = examine(queue, max_age=max_age)
        except DatabaseError as error:
            raise explain_database_error(queue, error) from None
        if options["json"]:
            self.stdout.write(_as_json(health))
        else:
            self.stdout.write("\n".join(_describe(health)))
        if health.problems:
            sys.exit(1)


def _check_file(using: str) -> None:
    """Refuse a database that is not there: SQLite would make an empty one."""
    connection: Any = connections[using]
    name = str(connection.settings_dict["NAME"])
    if connection.vendor != "sqlite" or connection.is_in_memory_db():
        return
    if not name.startswith("file:") and not Path(name).exists():
        raise CommandError(
            f"There is no database file {name} yet. Run: python manage.py migrate"
        )


def _max_age(queue: AbstractTaskQueue, seconds: float | None) -> timedelta | None:
    if can_tell_age(queue):
        seconds = DEFAULT_MAX_AGE_SECONDS if seconds is None else seconds
    elif seconds is not None:
        raise CommandError(
            f"{type(queue).__name__} does not say since when its tasks are due, so "
            "--max-age cannot be judged: give it get_oldest_due_time()."
        )
    if seconds is None:
        return None
    if not 0 <= seconds <= timedelta.max.total_seconds():
        raise CommandError(f"--max-age must be 0 or more, not {seconds:g}.")
    return timedelta(seconds=seconds)


def _describe(health: Health) -> list[str]:
    texts = [_explain(health, problem) for problem in health.problems]
    if texts:
        return [f"Queue {health.queue}: {text}" for text in texts]
    waiting = f"{health.waiting.total_seconds():.0f} s"
    oldest = (
        "" if health.oldest_due_at is None else f", the oldest task waits {waiting}"
    )
    count = health.live_workers
    workers = "1 worker is" if count == 1 else f"{count} workers are"
    return [f"Queue {health.queue} is healthy: {workers} alive{oldest}."]


def _explain(health: Health, problem: Problem) -> str:
    match problem:
        case Problem.NO_WORKER:
            silent = health.silent_workers
            rest = f"; {silent} gave no sign of life lately" if silent else ""
            return f"no worker is alive{rest}."
        case Problem.STOPPED:
            by = f" by {health.stopped_by}" if health.stopped_by else ""
            why = f": {health.stop_reason}" if health.stop_reason else ""
            return (
                f"paused by hand{by} since {_time(health.stopped_at)}{why}. "
                "To go on: manage.py resume_queue"
            )
        case Problem.PAUSED:
            why = f"{health.pause_reason}. {health.pause_description}".strip(". ")
            if health.is_probing:
                return f"its pause is over, and it asks whether the cause is: {why}"
            return f"paused until {_time(health.paused_until)}: {why}"
        case Problem.OVERDUE:
            return (
                f"the oldest task has waited {health.waiting.total_seconds():.0f} s, "
                f"since {_time(health.oldest_due_at)}."
            )


def _as_json(health: Health) -> str:
    facts = asdict(health)
    max_age = facts.pop("max_age")
    facts |= {
        "is_healthy": not health.problems,
        "problems": health.problems,
        "waiting_seconds": health.waiting.total_seconds(),
        "max_age_seconds": None if max_age is None else max_age.total_seconds(),
    }
    return json.dumps(facts, cls=DjangoJSONEncoder)


def _time(moment: Any) -> str:
    return f"{local_time(moment):%Y-%m-%d %H:%M:%S %Z}".strip()
