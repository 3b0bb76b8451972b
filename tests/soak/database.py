"""The database under test as the chaos run sees it: rows in, rows out, trouble."""

import contextlib
import sqlite3
import time
from collections.abc import Iterator
from itertools import islice
from typing import Any

import psycopg
from django.db import connection

from django_workers.models import Claim
from tests.shop.models import Parcel

from .ledger import note

MOST_PENDING = 120
ROWS_AT_ONCE = 25


def add_rows(todos: Iterator[str]) -> None:
    """Add rows, in a transaction of their own, unless enough are waiting."""
    if pending_rows() < MOST_PENDING:
        parcels = [Parcel(todo=todo) for todo in islice(todos, ROWS_AT_ONCE)]
        Parcel.objects.bulk_create(parcels)
        note("added", rows={str(parcel.pk): parcel.todo for parcel in parcels})


def pending_rows() -> int:
    return Parcel.objects.filter(done=False, failures__lt=3).count()


def note_final_state() -> None:
    """Write down how all rows ended, and which claims are left."""
    for parcel in Parcel.objects.order_by("pk"):
        facts = ("todo", "done", "failures", "last_error")
        note("row", row=parcel.pk, **{name: getattr(parcel, name) for name in facts})
    for claim in Claim.objects.select_related("worker"):
        note(
            "claim",
            row=int(claim.task_id),
            worker=str(claim.worker),
            held=str(claim.held_until),
            error=claim.error,
        )


def cut_connections(name: str, share: float | None) -> None:
    """End connections of the process with this application name.

    All of them, or the one at this share of their number.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pid FROM pg_stat_activity WHERE application_name = %s "
            "ORDER BY backend_start",
            [name],
        )
        found = [pid for (pid,) in cursor.fetchall()]
        if share is not None and found:
            found = [found[int(share * len(found))]]
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM unnest(%s::int[]) AS pid", [found]
        )


def locked(seconds: float) -> bool:
    """Keep writers out for a while, as another program might.

    Returns False when somebody else did so already.
    """
    values: dict[str, Any] = connection.settings_dict
    try:
        if connection.vendor == "sqlite":
            client: Any = sqlite3.connect(values["NAME"], isolation_level=None)
            client.execute("BEGIN IMMEDIATE")
        else:
            client = psycopg.connect(
                host=values["HOST"], user=values["USER"], dbname=values["NAME"]
            )
            client.execute("SET LOCAL lock_timeout = '2s'")
            client.execute("LOCK TABLE django_workers_queue IN EXCLUSIVE MODE")
    except (sqlite3.OperationalError, psycopg.OperationalError):
        return False
    with contextlib.closing(client):
        time.sleep(seconds)  # this is what others wait for
    return True
