"""`manage.py run_worker PATH`: drains one queue until it is told to stop."""

import asyncio
import logging
import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError
from django.utils import autoreload

from django_workers import interpreter
from django_workers.events import logger
from django_workers.loading import check_queue, load_queue
from django_workers.options import (
    DEFAULT_POLL_SECONDS,
    DEFAULT_STOP_TIMEOUT_SECONDS,
    WorkerOptions,
)
from django_workers.shutdown import end_at_once
from django_workers.worker import Worker

DESCRIPTION = """\
Handle the tasks of one queue, until SIGTERM or Ctrl-C.

A queue is an instance of a subclass of django_workers.AbstractTaskQueue at module
level. Start as many workers of a queue as you like, on any host: each task is taken
by one of them at a time.

  python manage.py run_worker notifications.task_queues.task_queue -v 3
"""

EPILOG = """\
Signals: the first SIGTERM or Ctrl-C takes nothing new and lets what is in flight
finish (see --stop-timeout); the second one ends the process at once.
Exit codes: 0 stopped or drained, 1 a mistake or trouble that the message explains,
2 a command line that cannot be read, 128 + signal number after a second signal.
"""


class Command(BaseCommand):
    help = DESCRIPTION
    requires_system_checks = ()

    def create_parser(self, *args: Any, **kwargs: Any) -> Any:
        parser = super().create_parser(*args, epilog=EPILOG, **kwargs)
        parser.formatter_class = _HelpFormatter
        return parser

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "task_queue_import_path",
            metavar="QUEUE",
            help="dotted path to the queue's instance: package.module.name",
        )
        parser.add_argument(
            "--reindex_timeout",
            "--poll",
            type=float,
            default=DEFAULT_POLL_SECONDS,
            metavar="SECONDS",
            help="how often to look for new rows that nothing else told about "
            "(default: %(default)g); most are noticed at once",
        )
        parser.add_argument(
            "--concurrency",
            type=int,
            metavar="N",
            help="how many tasks to run at once (default: as the queue says, else 1)",
        )
        parser.add_argument(
            "--drain",
            action="store_true",
            help="exit when no task is left, neither due nor waiting for later",
        )
        parser.add_argument(
            "--max-tasks",
            type=int,
            metavar="N",
            help="exit after N tasks were started and settled",
        )
        parser.add_argument(
            "--stop-timeout",
            type=float,
            default=DEFAULT_STOP_TIMEOUT_SECONDS,
            metavar="SECONDS",
            help="how long tasks in flight may take to finish after a signal "
            "(default: %(default)g)",
        )
        parser.add_argument(
            "--reload",
            action="store_true",
            help="restart when code changes; for development",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        _set_up_logging(verbosity=options["verbosity"])
        if options["reload"]:
            autoreload.run_with_reloader(self._drain, options)
        else:
            self._drain(options)

    def _drain(self, options: dict[str, Any]) -> None:
        queue = load_queue(options["task_queue_import_path"])
        check_queue(queue)
        concurrency = options["concurrency"]
        try:
            worker_options = WorkerOptions(
                concurrency=queue.concurrency if concurrency is None else concurrency,
                poll_seconds=options["reindex_timeout"],
                stop_timeout_seconds=options["stop_timeout"],
                max_tasks=options["max_tasks"],
                drain=options["drain"],
            )
        except ValueError as error:
            raise CommandError(str(error)) from None
        interpreter.tune(worker_options.concurrency)
        _run(Worker(queue, worker_options, end_at_once))


def _run(worker: Worker) -> None:
    with asyncio.Runner() as loop:
        try:
            loop.run(worker.run())
        except DatabaseError as error:
            raise CommandError(
                f"The worker ended because of the database: {str(error).strip()}. "
                "What it had in flight is given back by another worker."
            ) from error
        finally:
            if worker.is_stuck:
                end_at_once(worker.exit_code)
    if worker.exit_code:
        sys.exit(worker.exit_code)


def _set_up_logging(*, verbosity: int) -> None:
    if verbosity > 1:
        logger.setLevel(logging.DEBUG)
    elif verbosity == 0:
        logger.setLevel(logging.WARNING)
    elif logger.level == logging.NOTSET:
        logger.setLevel(logging.INFO)
    if not logger.hasHandlers():
        # A project without LOGGING would see nothing of its worker.
        logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")


class _HelpFormatter(RawDescriptionHelpFormatter):
    """Keeps the lines of the description; Django's own options come last."""

    show_last = {
        "--version",
        "--verbosity",
        "--traceback",
        "--settings",
        "--pythonpath",
        "--no-color",
        "--force-color",
        "--skip-checks",
    }

    def add_usage(self, usage: Any, actions: Any, *args: Any, **kwargs: Any) -> None:
        super().add_usage(usage, self._reordered(actions), *args, **kwargs)

    def add_arguments(self, actions: Any) -> None:
        super().add_arguments(self._reordered(actions))

    def _reordered(self, actions: Any) -> Any:
        return sorted(
            actions, key=lambda action: bool({*action.option_strings} & self.show_last)
        )
