"""The import itself: a batch is a short transaction, and every line is handled once.

How far it is stands in the row of the import, which each batch locks: two requests at
once, of two clicks or two tabs, take turns, and none does again what is done.
"""

import logging
import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import islice

from django.db import (
    IntegrityError,
    OperationalError,
    connections,
    router,
    transaction,
)
from django.db.models import Q
from django.utils import timezone

from notifications.models import Customer, Order, OrderImport, OrderNotification

from .files import CsvFile
from .judging import Judge, Judged, statuses_by_name
from .lines import Line, LineReader

logger = logging.getLogger(__name__)

BATCH = 500
KEPT_FOR = timedelta(days=1)
_TRIES = 5
_LONGEST_REST_SECONDS = 1.0
_DEADLOCK = "40P01"


class _Overtaken(Exception):
    """Somebody changed what this batch depends on: do it again from the beginning."""


def load(import_id: int, *, seconds: float) -> bool:
    """Import for about so long; return whether this call finished it.

    Raises:
        OrderImport.DoesNotExist: it is gone.
    """
    started = time.monotonic()
    position = -1
    lines: Iterator[Line] = iter(())
    while True:
        job = OrderImport.objects.defer("content").get(pk=import_id)
        if job.finished_at is not None or job.notify is None:
            return False
        if job.position != position:
            position, lines = job.position, _lines_after(job)
        batch = list(islice(lines, BATCH))
        ended = _load_with_tries(job.pk, position, batch)
        position += len(batch)
        if ended or time.monotonic() - started > seconds:
            return ended


def forget_old(*, of_user: int) -> None:
    """Delete what nobody needs any more: old files, and what this user replaces."""
    old = Q(created_at__lt=timezone.now() - KEPT_FOR)
    OrderImport.objects.filter(old | Q(user=of_user, notify=None)).delete()


def _lines_after(job: OrderImport) -> Iterator[Line]:
    file = CsvFile(bytes(job.content), job.encoding)
    return LineReader(file, statuses_by_name()).lines(after=job.position)


def _load_with_tries(import_id: int, position: int, batch: Sequence[Line]) -> bool:
    using = router.db_for_write(Order)
    for _ in range(_TRIES - 1):
        started = time.monotonic()
        try:
            ended = _load_batch(import_id, position, batch, using)
        except (IntegrityError, _Overtaken):
            # A number was taken, or a card deleted, since we looked: look again.
            continue
        except OperationalError as error:
            if getattr(error.__cause__, "sqlstate", None) != _DEADLOCK:
                raise
            continue
        if connections[using].vendor == "sqlite":
            # It lets one write at a time: the worker and other managers have to.
            time.sleep(min(time.monotonic() - started, _LONGEST_REST_SECONDS))
        return ended
    return _load_batch(import_id, position, batch, using)


def _load_batch(
    import_id: int, position: int, batch: Sequence[Line], using: str
) -> bool:
    with transaction.atomic(using=using):
        jobs = OrderImport.objects.select_for_update().defer("content")
        job = jobs.get(pk=import_id)
        if job.position != position or job.finished_at is not None:
            return False
        made = _make_orders(job, list(Judge().judge(batch)), using)
        job.position += len(batch)
        job.orders_made += len(made)
        job.messages_made += OrderNotification.objects.filter(order__in=made).count()
        if len(batch) < BATCH:
            job.finished_at = timezone.now()
        job.save(
            update_fields=[
                "position",
                "orders_made",
                "customers_made",
                "messages_made",
                "finished_at",
            ]
        )
    if job.finished_at is None:
        return False
    logger.info(
        "Imported %s orders and %s customers from a file of %s lines",
        job.orders_made,
        job.customers_made,
        job.position,
    )
    return True


def _make_orders(job: OrderImport, judged: Sequence[Judged], using: str) -> list[Order]:
    wanted = [
        (each.line, each.customer) for each in judged if each.customer is not None
    ]
    known = {customer.pk for _, customer in wanted if not customer._state.adding}
    locked = Customer.objects.using(using).select_for_update().filter(pk__in=known)
    if len(locked.order_by("pk").values_list("pk", flat=True)) != len(known):
        raise _Overtaken
    new = {id(card): card for _, card in wanted if card._state.adding}
    Customer.objects.db_manager(using).bulk_create(new.values())
    job.customers_made += len(new)
    return Order.objects.using(using).bulk_create(
        Order(
            number=line.number,
            customer=customer,
            status_id=line.status,
            notify=line.notify and bool(job.notify),
        )
        for line, customer in wanted
    )
