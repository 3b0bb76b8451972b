"""The worker's one thread for the database: short transactions, retried when lost."""

import asyncio
import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from typing import Any, ParamSpec, TypeVar

from django.db import (
    Error,
    InterfaceError,
    OperationalError,
    connections,
    transaction,
)
from django.utils import timezone

from .connecting import prepare_connection
from .events import emit, is_wanted
from .lock_debt import LockDebt
from .statements import begin_writing

P = ParamSpec("P")
R = TypeVar("R")

FIRST_RETRY_SECONDS = 0.1
LONGEST_RETRY_SECONDS = 5.0
# A worker that freezes in the middle of a transaction gives up its locks; one that
# waits for such a worker does not wait for ever.
LIMITS = """
SELECT set_config('idle_in_transaction_session_timeout', '15s', true),
       set_config('lock_timeout', '2s', true),
       set_config('statement_timeout', '60s', true)
"""
LOCK_NOT_AVAILABLE = "55P03"
# What the driver tells of as of a mistake of its own (InternalError): the server ended
# a transaction that stood still for too long, or is a replica that takes no writes yet.
MAY_PASS = ("25P03", "25P04", "25006")


@contextmanager
def write_transaction(using: str, *, durable: bool = True) -> Iterator[None]:
    """Open a transaction that holds the right to write from its first statement.

    On SQLite a transaction that read before it wrote could fail at once with
    "database is locked", whatever the timeout; IMMEDIATE is such a write by itself.
    """
    connection = connections[using]
    with transaction.atomic(using=using, durable=durable):
        if connection.vendor == "sqlite":
            if getattr(connection, "transaction_mode", None) != "IMMEDIATE":
                begin_writing(using)
        elif connection.vendor == "postgresql" and durable:
            _set_limits(using)
        yield


@contextmanager
def limited_wait(using: str) -> Iterator[None]:
    """Have what is read or written here not wait for ever for somebody's lock.

    On PostgreSQL it is one transaction. SQLite's own limit is that of its connection.
    """
    if connections[using].vendor != "postgresql":
        yield
        return
    with transaction.atomic(using=using):
        _set_limits(using)
        yield


def _set_limits(using: str) -> None:
    # For this transaction only: a pooler may hand its session to others.
    with connections[using].cursor() as cursor:
        cursor.execute(LIMITS)


def database_now(using: str) -> datetime:
    """Return the time of the database server: the one clock that all hosts share.

    SQLite has no server; its workers share this host's clock.
    """
    connection = connections[using]
    if connection.vendor != "postgresql":
        return timezone.now()
    with connection.cursor() as cursor:
        # now() stands still within a transaction; waiting for a lock must count.
        cursor.execute("SELECT clock_timestamp()")
        moment: datetime = cursor.fetchone()[0]
    return moment


def emit_on_commit(using: str, name: str, **facts: Any) -> None:
    """Tell of what happened once the transaction, which may be repeated, is through."""
    if is_wanted(name):
        transaction.on_commit(partial(emit, name, **facts), using=using)


def storable(text: str, length: int = 2000) -> str:
    """Return the text without what no database stores, and not longer than `length`."""
    return text.encode("utf-8", "replace").decode().replace("\0", "")[:length]


def may_pass(error: Exception) -> bool:
    """Tell whether the same may succeed later: the database is away, busy or full."""
    if getattr(error.__cause__, "sqlstate", None) in MAY_PASS:
        return True
    if not isinstance(error, OperationalError | InterfaceError):
        return False
    # SQLite uses the same class for a mistake, such as a table that does not exist.
    code = getattr(error.__cause__, "sqlite_errorcode", None)
    return code != sqlite3.SQLITE_ERROR


def is_lock_timeout(error: Exception) -> bool:
    """Tell whether somebody else held a lock for longer than `lock_timeout`."""
    return getattr(error.__cause__, "sqlstate", None) == LOCK_NOT_AVAILABLE


def tell_of_lock(error: Exception) -> None:
    """Tell that a lock was waited for in vain; it is tried again after other things."""
    emit("database.locked", error=str(error).strip())


class DatabaseThread:
    """Runs functions one after the other in a thread that owns one connection.

    `role` is what PostgreSQL shows the connection as.
    A lost database is retried with backoff until it is back; `give_up_at` (of the
    loop's clock) ends that while the worker is stopping. `had_trouble` is set when
    a COMMIT may have been applied though its answer was lost.
    """

    def __init__(self, using: str, role: str = "database") -> None:
        self.using = using
        self.had_trouble = False
        self.give_up_at: float | None = None
        self._executor = ThreadPoolExecutor(
            1,
            thread_name_prefix="database",
            initializer=partial(prepare_connection, using, role),
        )
        self._debt = LockDebt()

    async def __call__(
        self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Run `function` in the thread and return its result.

        Raises:
            Error: a mistake, or the database was lost until `give_up_at`.
        """
        loop = asyncio.get_running_loop()
        delay = FIRST_RETRY_SECONDS
        lost = False
        while True:
            try:
                result = await loop.run_in_executor(
                    self._executor, lambda: self._run(function, *args, **kwargs)
                )
            except Error as error:
                if not may_pass(error) or self._is_over(loop.time()):
                    raise
                lost = True
                emit("database.lost", error=str(error).strip(), seconds=delay)
                await asyncio.sleep(delay)
                delay = min(LONGEST_RETRY_SECONDS, delay * 2)
            else:
                if lost:
                    emit("database.back")
                return result

    def _is_over(self, now: float) -> bool:
        return self.give_up_at is not None and now >= self.give_up_at

    def _run(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        connection = connections[self.using]
        if connection.vendor == "sqlite" and (due := self._debt.pay(time.monotonic())):
            time.sleep(due)
        started = time.monotonic()
        try:
            return function(*args, **kwargs)
        except Error:
            connection.close()
            self.had_trouble = True
            raise
        finally:
            self._debt.add(started, time.monotonic())

    def close(self) -> None:
        """Close the connection and end the thread."""
        self._executor.submit(connections.close_all).result()
        self._executor.shutdown()
