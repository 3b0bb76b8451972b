"""Deletes old attempts from the notifications' timelines."""

import re
from argparse import ArgumentParser, ArgumentTypeError
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError
from django.utils import timezone

from notifications.pruning import BATCH_SIZE, prune_attempts

# More than anybody keeps, and less than a date can say.
_MOST_DAYS = 36_500


def _age(text: str) -> timedelta:
    found = re.fullmatch(r"(\d{1,6})d?", text.strip(), re.ASCII)
    days = int(found[1]) if found else 0
    if not 1 <= days <= _MOST_DAYS:
        raise ArgumentTypeError(
            f"{text!r} is no age: write a number of days from 1 to {_MOST_DAYS}, "
            "for example 90d."
        )
    return timedelta(days=days)


def _batch_size(text: str) -> int:
    if not re.fullmatch(r"\d{1,5}", text, re.ASCII) or not 1 <= int(text) <= 10_000:
        raise ArgumentTypeError(f"{text!r} is no number from 1 to 10000.")
    return int(text)


class Command(BaseCommand):
    help = (
        "Deletes delivery attempts that are older than --older-than. Orders and "
        "notifications stay, and so does the latest attempt of each notification that "
        "was not delivered. Safe while everything runs: it works in small batches."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--older-than",
            type=_age,
            required=True,
            metavar="DAYS",
            help="how many days attempts are kept: 90d, or 90",
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="delete nothing, tell how many"
        )
        parser.add_argument(
            "--batch-size",
            type=_batch_size,
            default=BATCH_SIZE,
            metavar="N",
            help="attempts in one transaction (default: %(default)s)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        before = timezone.now() - options["older_than"]
        done = "would be deleted" if options["dry_run"] else "deleted"
        progress = prune_attempts(
            before, dry_run=options["dry_run"], batch_size=options["batch_size"]
        )
        pruned = 0
        try:
            for step in progress:
                if step.pruned != pruned:
                    pruned = step.pruned
                    self.stdout.write(f"{step.looked_at} looked at, {pruned} {done}")
                    self.stdout.flush()
        except OperationalError as error:
            raise CommandError(
                f"The database does not answer: {str(error).strip()}. "
                f"{pruned} attempts were {done}; run it again for the rest."
            ) from error
        moment = f"{before:%Y-%m-%d %H:%M} UTC"
        self.stdout.write(
            self.style.SUCCESS(f"Attempts from before {moment} {done}: {pruned}.")
        )
