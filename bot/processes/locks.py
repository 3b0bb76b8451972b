"""Lets only one process at a time do what two must not do with one database."""

import os
import zlib
from pathlib import Path
from typing import Protocol

from django.db import DEFAULT_DB_ALIAS, connections
from django.db import Error as DatabaseError
from django.db.backends.base.base import BaseDatabaseWrapper


class DatabaseLock(Protocol):
    """Ends with its process, however that ends."""

    def try_acquire(self) -> bool:
        """Return whether the lock is ours now."""

    def is_held(self) -> bool:
        """Return whether the lock is still ours."""

    def release(self) -> None: ...


def database_lock(name: str) -> DatabaseLock:
    """Return the lock of this name on the default database; it is not held yet."""
    connection = connections[DEFAULT_DB_ALIAS]
    if connection.vendor == "postgresql":
        return _AdvisoryLock(connection.copy(), name)
    path = Path(connection.settings_dict["NAME"])
    return _FileLock(path.with_name(f"{path.name}.{name}.lock"))


class _FileLock:
    """A lock beside a database that is a file; the system frees it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def try_acquire(self) -> bool:
        import fcntl  # not at the top: Windows has none

        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        return True

    def is_held(self) -> bool:
        return self._descriptor is not None

    def release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


class _AdvisoryLock:
    """PostgreSQL's own lock, which lives as long as one connection."""

    def __init__(self, connection: BaseDatabaseWrapper, name: str) -> None:
        self._connection = connection
        self._key = zlib.crc32(f"telegram-order-notifications {name}".encode())
        # It is asked about from whichever thread is free, by one at a time.
        connection.inc_thread_sharing()

    def try_acquire(self) -> bool:
        try:
            if self._ask():
                return True
        except DatabaseError:
            self.release()
            raise
        self.release()
        return False

    def is_held(self) -> bool:
        if self._connection.connection is None:
            return False
        try:
            with self._connection.cursor() as cursor:
                cursor.execute("SELECT 1")
        except DatabaseError:
            self.release()
            return False
        return True

    def release(self) -> None:
        self._connection.close()

    def _ask(self) -> bool:
        with self._connection.cursor() as cursor:
            # A server that lost us without a word must find out in a minute.
            cursor.execute(
                "SELECT set_config('tcp_keepalives_idle', '30', false), "
                "set_config('tcp_keepalives_interval', '10', false), "
                "set_config('tcp_keepalives_count', '3', false)"
            )
            cursor.execute("SELECT pg_try_advisory_lock(%s)", [self._key])
            return bool(cursor.fetchone()[0])
