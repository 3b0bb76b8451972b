"""Runs one part of the product in this process: its imports, then its work."""

import importlib
import inspect
import logging
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from types import ModuleType
from typing import NoReturn

from bot import exit_codes
from bot.processes import lifeline

SETTINGS = "workers_tutorial.settings"

# Each module has `run(*arguments) -> int`. They are imported here and not above:
# aiogram alone takes three seconds, and only one process needs it.
_MODULES = {
    "prepare": "bot.processes.preparation",
    "prepare-demo": "bot.demo.preparation",
    "polling": "bot.conversation.polling",
    "worker": "bot.processes.sending",
    "web": "bot.processes.web",
    "telegram": "bot.demo.telegram",
    "story": "bot.demo.story",
}
NAMES = frozenset(_MODULES)


def run(name: str, arguments: Sequence[str]) -> int:
    """Return the exit code of the part.

    With `--lifeline` first, it belongs to a supervisor: see `bot.processes.lifeline`.
    """
    if name != "telegram" and {"-h", "--help"} & set(arguments):
        sys.stdout.write(_explain(name))
        return exit_codes.OK
    is_supervised = list(arguments[:1]) == ["--lifeline"]
    is_told = False
    if is_supervised:
        arguments = arguments[1:]
        is_told = lifeline.end_with_parent()
    mistake = _set_up(name)
    if mistake is None:
        module = importlib.import_module(_MODULES[name])
    if is_supervised:
        if not lifeline.wait_for_go():
            return exit_codes.OK
        lifeline.watch(is_told_by_kernel=is_told)
    if mistake is not None:
        sys.stderr.write(f"{mistake}\n")
        return exit_codes.MISCONFIGURED
    code = _work(name, module, arguments)
    if is_supervised:
        _leave(code)
    return code


def _work(name: str, module: ModuleType, arguments: Sequence[str]) -> int:
    try:
        inspect.signature(module.run).bind(*arguments)
    except TypeError:
        sys.stderr.write(_explain(name))
        return exit_codes.MISCONFIGURED
    code: int = module.run(*arguments)
    return code


def _explain(name: str) -> str:
    return (
        f"{name}: a part of `python -m bot`, which starts it with all that it needs. "
        "See: python -m bot --help\n"
    )


def _leave(code: int) -> NoReturn:
    """End now: to take a process of 170 MB apart first would take a second."""
    _complete_database_file()
    sys.stdout.flush()
    sys.stderr.flush()
    logging.shutdown()
    os._exit(code)


def _complete_database_file() -> None:
    """Write SQLite's log into its file: who copies that one has everything."""
    from django.apps import apps
    from django.db import Error, connection

    if apps.ready and connection.vendor == "sqlite":
        # Another process at work would do it later; a full disk cannot.
        with suppress(Error), connection.cursor() as cursor:
            cursor.execute("PRAGMA busy_timeout = 500")
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.close()


def _set_up(name: str) -> Exception | None:
    """Read the settings; return the mistake in them, if any."""
    if name == "telegram":
        return None  # it stands alone
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", SETTINGS)
    import django
    from django.core.exceptions import ImproperlyConfigured

    from bot.processes import logs

    try:
        django.setup()
    except ImproperlyConfigured as error:
        return error
    logs.configure_process(name)
    return None
