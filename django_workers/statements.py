"""The engine's own statements of its inner loop, spelt out.

To put such a small query together takes the ORM longer than the database takes to run
it. What happens now and then is left to the ORM.
"""

import json
from collections.abc import Collection, Iterator
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connections
from django.db.models import DateTimeField
from django.utils import timezone

from .clock import was_set_back
from .keys import as_array
from .models import Claim, Queue, Worker

# What is in flight is read for each claim; keys and times of it would say nothing.
_OF_A_HELD_TASK = """
task_id, worker_id, alone,
CASE WHEN worker_id IS NULL THEN claimed_at END,
CASE WHEN worker_id IS NULL THEN id END,
held_until, error <> ''
"""


class HeldTask(NamedTuple):
    """A claim as a look at the queue sees it: the task's key as text, and its own."""

    task_id: str
    worker_id: int | None
    alone: bool
    claim: UUID | str = ""
    claimed_at: datetime | None = None
    held_until: datetime | None = None
    is_parked: bool = False

    def is_held(self, now: datetime) -> bool:
        """Tell whether it is to wait still; a clock that was set back ends the wait."""
        if self.held_until is None or was_set_back(self.claimed_at, now):
            return False
        return self.held_until > now


def begin_writing(using: str) -> None:
    """Take the right to write, by a write that changes nothing."""
    _execute(using, "UPDATE {queue} SET tokens = 0 WHERE name = ''")


def read_queue(using: str, name: str, *, lock: bool) -> Queue | None:
    """Return the queue's row, if there is one; locked until the transaction ends."""
    fields = Queue._meta.concrete_fields
    quote = connections[using].ops.quote_name
    columns = ", ".join(quote(str(field.column)) for field in fields)
    sql = "SELECT {columns} FROM {queue} WHERE name = %s".replace("{columns}", columns)
    if lock and connections[using].features.has_select_for_no_key_update:
        sql += " FOR NO KEY UPDATE"
    for row in _execute(using, sql, name):
        values = [
            _as_datetime(using, value)
            if value is not None and isinstance(field, DateTimeField)
            else value
            for field, value in zip(fields, row, strict=True)
        ]
        return Queue.from_db(using, [field.attname for field in fields], values)
    return None


def read_registration(using: str, worker_id: int) -> tuple[bool, datetime]:
    """Tell whether the worker's row is there, and what time it is."""
    sql = "EXISTS (SELECT 1 FROM {worker} WHERE id = %s)"
    if connections[using].vendor != "postgresql":
        ((is_there,),) = _execute(using, f"SELECT {sql}", worker_id)
        return bool(is_there), timezone.now()
    # One trip to the server, which is the clock that all hosts share.
    ((is_there, now),) = _execute(using, f"SELECT {sql}, clock_timestamp()", worker_id)
    return is_there, now


def save_tokens(using: str, queue: str, tokens: float, at: datetime | None) -> None:
    """Write down how many rate tokens were left at that time."""
    moment = connections[using].ops.adapt_datetimefield_value(at)
    sql = "UPDATE {queue} SET tokens = %s, tokens_at = %s WHERE name = %s"
    _execute(using, sql, tokens, moment, queue)


def read_held_tasks(using: str, queue: str) -> Iterator[HeldTask]:
    """Yield every claim of the queue: those in flight, then the others, oldest first.

    Of those in flight, which are many, only the task and the worker are told.
    """
    rest = "FROM {claim} WHERE queue_id = %s"
    others = []
    for row in _read(using, _OF_A_HELD_TASK, rest, queue):
        if row[1] is None:
            others.append(row)
        else:
            yield HeldTask(row[0], row[1], bool(row[2]))
    others.sort(key=lambda row: row[3:5])
    for task_id, _, alone, since, key, until, is_parked in others:
        yield HeldTask(
            task_id,
            None,
            bool(alone),
            key,
            _as_datetime(using, since),
            None if until is None else _as_datetime(using, until),
            bool(is_parked),
        )


def lock_claims(using: str, keys: Collection[UUID]) -> set[UUID]:
    """Lock those of the claims that a worker still has, and return their keys."""
    among, listed = _among(using, keys)
    rest = "FROM {claim} WHERE id {among} AND worker_id IS NOT NULL"
    rest = rest.replace("{among}", among)
    if connections[using].features.has_select_for_update:
        # In one order for everybody, so that nobody waits in a circle.
        rest += " ORDER BY id FOR UPDATE"
    # Nearly always it is all of them, and a number says so.
    counting = f"SELECT count(*) FROM (SELECT id {rest}) AS locked"  # noqa: S608
    ((count,),) = _execute(using, counting, listed)
    if count == len(keys):
        return set(keys)
    found = {row[0] for row in _read(using, "id", rest, listed)}
    return {key for key in keys if key in found or key.hex in found}


def delete_claims(using: str, keys: Collection[UUID]) -> None:
    """Delete these claims."""
    among, listed = _among(using, keys)
    sql = "DELETE FROM {claim} WHERE id {among}".replace("{among}", among)
    _execute(using, sql, listed)


def _execute(using: str, sql: str, *values: Any) -> list[tuple[Any, ...]]:
    """Run a statement and return its rows, if it is one that has any."""
    with connections[using].cursor() as cursor:
        cursor.execute(_with_names(using, sql), values)
        return cursor.fetchall() if cursor.description else []


def _read(using: str, columns: str, rest: str, *values: Any) -> list[Any]:
    """Return all rows of a SELECT, which SQLite tells as one.

    Its driver lets go of the interpreter lock for each row, and a busy event loop does
    not soon give it back.
    """
    if connections[using].vendor != "sqlite":
        return _execute(using, f"SELECT {columns} {rest}", *values)
    sql = f"SELECT json_group_array(json_array({columns})) {rest}"
    ((text,),) = _execute(using, sql, *values)
    rows: list[Any] = json.loads(text)
    return rows


def _among(using: str, keys: Collection[UUID]) -> tuple[str, Any]:
    """Return a condition on many keys, whose text is the same for any number of them.

    The database need not read it anew each time.
    """
    if connections[using].features.has_native_uuid_field:
        return "= ANY(%s::uuid[])", as_array(key.hex for key in keys)
    listed = json.dumps([key.hex for key in keys])
    return "IN (SELECT value FROM json_each(%s))", listed


@lru_cache
def _with_names(using: str, sql: str) -> str:
    quote = connections[using].ops.quote_name
    tables = {"{queue}": Queue, "{worker}": Worker, "{claim}": Claim}
    for mark, model in tables.items():
        sql = sql.replace(mark, quote(model._meta.db_table))
    return sql


def _as_datetime(using: str, value: Any) -> datetime:
    """Return what the column holds; a database without dates has texts."""
    connection = connections[using]
    convert = getattr(connection.ops, "convert_datetimefield_value", None)
    moment: datetime = convert(value, None, connection) if convert else value
    return moment
