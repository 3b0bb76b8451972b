"""System checks: a database that would fail a busy queue is named at start."""

from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Tags, Warning, register
from django.db import connections

WAITING_SECONDS = 5


@register(Tags.database)
def check_sqlite(
    app_configs: Sequence[Any] | None, databases: Sequence[str] | None, **kwargs: Any
) -> list[CheckMessage]:
    """Warn of SQLite databases on which workers and the admin get in each other's way.

    Runs for the databases that are asked for: `manage.py check --database default`,
    and `migrate`.
    """
    return [
        warning
        for alias in databases or ()
        if connections[alias].vendor == "sqlite"
        for warning in _check(alias)
    ]


def _check(alias: str) -> list[CheckMessage]:
    connection: Any = connections[alias]
    where = f"DATABASES['{alias}']['OPTIONS']"
    found: list[CheckMessage] = []
    with connection.cursor() as cursor:
        (journal_mode,) = cursor.execute("PRAGMA journal_mode").fetchone()
        (busy_timeout,) = cursor.execute("PRAGMA busy_timeout").fetchone()
    if connection.transaction_mode not in ("IMMEDIATE", "EXCLUSIVE"):
        found.append(
            Warning(
                "Transactions on SQLite start without the right to write: one that "
                "reads first fails with 'database is locked' while a worker writes.",
                hint=f"Set {where}['transaction_mode'] = 'IMMEDIATE'.",
                obj=alias,
                id="django_workers.W001",
            )
        )
    if journal_mode not in ("wal", "memory"):
        found.append(
            Warning(
                "SQLite lets nobody read while a worker writes, or the reverse.",
                hint=f"Set {where}['init_command'] = 'PRAGMA journal_mode=WAL'.",
                obj=alias,
                id="django_workers.W002",
            )
        )
    if busy_timeout < WAITING_SECONDS * 1000:
        found.append(
            Warning(
                f"SQLite gives up waiting for a lock after {busy_timeout / 1000:g} s.",
                hint=f"Set {where}['timeout'] = {WAITING_SECONDS} or more.",
                obj=alias,
                id="django_workers.W003",
            )
        )
    return found
