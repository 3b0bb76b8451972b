"""Which tasks are being handled right now, for whoever wants to change a task."""

from collections.abc import Iterable
from typing import Any

from django.db import connections
from django.db.transaction import TransactionManagementError

from .database import write_transaction
from .models import Claim, Queue


def lock_in_flight(queue_name: str, keys: Iterable[Any], *, using: str) -> set[Any]:
    """Return which of the tasks, by primary key, are in flight, and keep it so.

    Until the surrounding transaction ends no worker of the queue takes a task, and how
    the returned ones ended is not recorded: whatever is not returned may be changed
    without a worker's knowing its old state. `keys` are read once nobody takes a task
    any more, so a queryset misses none. Ask before you lock rows of your own, as
    workers lock theirs last, and keep the transaction short.

    Raises:
        TransactionManagementError: there is no transaction that could keep it so.
    """
    if not connections[using].in_atomic_block:
        raise TransactionManagementError("lock_in_flight needs a transaction.")
    with write_transaction(using, durable=False):
        queues = Queue.objects.using(using).select_for_update(no_key=True)
        if queues.filter(pk=queue_name).first() is None:
            # Its first worker may be starting: it has to find a row that is locked.
            Queue.objects.using(using).get_or_create(pk=queue_name)
            queues.get(pk=queue_name)
        claims = Claim.objects.using(using).select_for_update().order_by("pk")
        by_text = {str(key): key for key in keys}
        in_flight = claims.filter(
            queue=queue_name, task_id__in=by_text, worker__isnull=False
        )
        return {by_text[text] for text in in_flight.values_list("task_id", flat=True)}
