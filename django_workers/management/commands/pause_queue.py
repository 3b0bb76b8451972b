"""`manage.py pause_queue PATH`: stops a queue until a person resumes it."""

import getpass
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from django_workers.loading import load_queue
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
            "--by",
            default=getpass.getuser(),
            help="who paused it, to show (default: %(default)s)",
        )
        parser.add_argument("--reason", default="", help="why, to show")

    def handle(self, *args: Any, **options: Any) -> None:
        queue = load_queue(options["task_queue_import_path"])
        stop_by_hand(
            queue.queue_name,
            queue.database,
            by=options["by"],
            reason=options["reason"],
        )
        self.stdout.write(
            f"Queue {queue.queue_name} is paused. To go on: manage.py resume_queue"
        )
