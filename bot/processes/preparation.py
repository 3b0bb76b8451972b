"""Makes ready what all parts need: checked settings and a migrated database."""

import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import InterfaceError, OperationalError, connection

from bot import exit_codes
from bot.processes.locks import database_lock

_DATABASE_SECONDS = 60.0
_RETRY_SECONDS = 2.0
_LOCK_SECONDS = 0.1

NO_BOT_YET = """\
There is no bot token yet.
  1. In Telegram, ask @BotFather for a bot: /newbot. It answers with a token.
  2. Put it into the file .env beside manage.py: TG_BOT_TOKEN=123456789:AAE...
  3. Start again: .venv/bin/python -m bot
To try everything without a token: make demo"""

_logger = logging.getLogger(__name__)


def run() -> int:
    """Return 0 when all other parts may start."""
    if not settings.TG_BOT_TOKEN:
        _logger.critical("%s", NO_BOT_YET)
        return exit_codes.MISCONFIGURED
    if _is_in_memory():
        _logger.critical(
            "DATABASE_URL names a database in memory: each process would have one of "
            "its own. Name a file: sqlite:////path/db.sqlite3"
        )
        return exit_codes.MISCONFIGURED
    code = prepare_database()
    if code == exit_codes.OK:
        _mention_login()
    return code


def prepare_database() -> int:
    """Return 0 when the database is there and up to date."""
    if (error := _wait_for_database()) is not None:
        _logger.critical(
            "The database cannot be used: %s. See DATABASE_URL in .env", error
        )
        return exit_codes.FAILED
    with _alone():
        call_command("migrate", interactive=False, verbosity=0)
    return exit_codes.OK


def _is_in_memory() -> bool:
    database: Any = connection
    return database.vendor == "sqlite" and bool(database.is_in_memory_db())


def _mention_login() -> None:
    if not get_user_model().objects.filter(is_active=True, is_staff=True).exists():
        _logger.warning(
            "Nobody can log into the admin yet. Make the first manager's login: "
            ".venv/bin/python manage.py createsuperuser"
        )


def _make_file() -> None:
    """Make the file of a new SQLite database: its customers are nobody else's business.

    SQLite gives its other files the same mode. One that exists keeps what it has.
    """
    if connection.vendor == "sqlite":
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY
        # A folder that is missing or closed is told of when SQLite opens the file.
        with suppress(OSError):
            os.close(os.open(connection.settings_dict["NAME"], flags, 0o600))


def _wait_for_database() -> Exception | None:
    """Return None once the database answers; its error if it does not in a minute.

    The first connection also switches an SQLite file to WAL. It is made here, before
    the other processes: several that tried it at once would find the file locked.
    """
    deadline = time.monotonic() + _DATABASE_SECONDS
    is_file = connection.vendor == "sqlite"
    while True:
        try:
            with _alone():
                _make_file()
                connection.ensure_connection()
            return None
        except OSError as error:
            return error
        except (OperationalError, InterfaceError) as error:
            # A file that cannot be opened will not come up by itself; a server may.
            if is_file or time.monotonic() > deadline:
                return error
            _logger.error(
                "The database does not answer, next try in %g s: %s",
                _RETRY_SECONDS,
                str(error).strip(),
            )
        time.sleep(_RETRY_SECONDS)


@contextmanager
def _alone() -> Iterator[None]:
    """Keep another `python -m bot` on this database from doing the same meanwhile."""
    lock = database_lock("prepare")
    while not lock.try_acquire():
        time.sleep(_LOCK_SECONDS)
    try:
        yield
    finally:
        lock.release()
