"""`manage.py pause_queue PATH`: stops a queue until a person resumes it."""

import getpass
import os
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.db import DatabaseError

from django_workers.loading import explain_database_error, load_queue
from django_workers.pausing import stop_by_hand


class Command(BaseCommand):
    help = "Stop a queue on all workers until resume_queue. Tasks in flight finish."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "task_queue_import_path",
            metavar="QUEUE",
            help="dotted path to the queue's instance: package.module.name",
        )
        parser.add_argument(
            "--by", help="who paused it, to show (default: who runs this command)"
        )
        parser.add_argument("--reason", default="", help="why, to show")

    def handle(self, *args: Any, **options: Any) -> None:
        queue = load_queue(options["task_queue_import_path"])
        by = _user_name() if options["by"] is None else options["by"]
        try:
            stop_by_hand(
                queue.queue_name, queue.database, by=by, reason=options["reason"]
            )
        except DatabaseError as error:
            raise explain_database_error(queue, error) from None
        self.stdout.write(
            f"Queue {queue.queue_name} is paused. To go on: manage.py resume_queue"
        )


def _user_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # A container may run as a number that its system has no name for.
        return f"uid {os.getuid()}"
