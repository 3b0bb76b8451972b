"""Deletes old delivery attempts, a few at a time, so that nobody waits for the lock."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db import router, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from .models import DeliveryAttempt

BATCH_SIZE = 1000
_LONGEST_REST_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Progress:
    """How far it is: attempts that were looked at so far, and those that went."""

    looked_at: int
    pruned: int


def prune_attempts(
    before: datetime, *, dry_run: bool = False, batch_size: int = BATCH_SIZE
) -> Iterator[Progress]:
    """Delete the attempts that ended `before`, and tell after each batch how far it is.

    The latest attempt of a notification that was not delivered stays, however old: it
    says why. A dry run deletes nothing and tells the same numbers.

    Each batch is a transaction of its own, followed by a rest that is as long, in
    which the worker and the admin may write: SQLite lets one write at a time.
    """
    using = router.db_for_write(DeliveryAttempt)
    attempts = DeliveryAttempt.objects.using(using).order_by("pk")
    last, looked_at, pruned = 0, 0, 0
    while True:
        # By primary key, whatever is old or not: an index on the time of the end would
        # cost every send, this costs a look once in a while.
        batch = list(
            attempts.filter(pk__gt=last).values_list("pk", "finished_at")[:batch_size]
        )
        if not batch:
            return
        last = batch[-1][0]
        looked_at += len(batch)
        old = [pk for pk, finished_at in batch if finished_at < before]
        if old:
            pruned += _prune(_prunable(attempts.filter(pk__in=old)), dry_run=dry_run)
        yield Progress(looked_at, pruned)


def _prunable(attempts: QuerySet[DeliveryAttempt]) -> QuerySet[DeliveryAttempt]:
    later = DeliveryAttempt.objects.filter(
        notification=OuterRef("notification"), pk__gt=OuterRef("pk")
    )
    return attempts.filter(Q(notification__processed=True) | Exists(later))


def _prune(attempts: QuerySet[DeliveryAttempt], *, dry_run: bool) -> int:
    if dry_run:
        return attempts.count()
    # Found before the transaction begins, which is then nothing but the deletion.
    doomed = list(attempts.values_list("pk", flat=True))
    started = time.monotonic()
    with transaction.atomic(using=attempts.db):
        pruned, _ = (
            DeliveryAttempt.objects.using(attempts.db).filter(pk__in=doomed).delete()
        )
    time.sleep(min(time.monotonic() - started, _LONGEST_REST_SECONDS))
    return pruned
