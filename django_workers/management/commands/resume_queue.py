"""`manage.py resume_queue PATH`: lets a paused queue go on."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.db import DatabaseError

from django_workers.loading import explain_database_error, load_queue
from django_workers.pausing import resume_by_hand


class Command(BaseCommand):
    help = (
        "Let a queue go on at once, whatever paused it. Tasks that were parked because "
        "their outcome could not be recorded are released."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "task_queue_import_path",
            metavar="QUEUE",
            help="dotted path to the queue's instance: package.module.name",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        queue = load_queue(options["task_queue_import_path"])
        try:
            resume_by_hand(queue.queue_name, queue.database)
        except DatabaseError as error:
            raise explain_database_error(queue, error) from None
        self.stdout.write(f"Queue {queue.queue_name} goes on.")
