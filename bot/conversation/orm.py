"""The only crossing from the conversation, which is async, to the database."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, TypeVar

from asgiref.sync import sync_to_async
from django.db import InterfaceError, OperationalError, close_old_connections

_Result = TypeVar("_Result")

_FIRST_DELAY_SECONDS = 0.5
_LONGEST_DELAY_SECONDS = 5.0

_logger = logging.getLogger(__name__)


async def in_database(function: Callable[..., _Result], *args: Any) -> _Result:
    """Return what the function returns, called in the database thread.

    It is called until the database answers: Telegram is told that an update was handled
    only after that, so nothing a customer did is lost while the database is away.
    """
    delay = _FIRST_DELAY_SECONDS
    while True:
        try:
            return await once_in_database(function, *args)
        except (OperationalError, InterfaceError) as error:
            _logger.error(
                "The database does not answer, next try in %g s: %s", delay, error
            )
        await asyncio.sleep(delay)
        delay = min(2 * delay, _LONGEST_DELAY_SECONDS)


async def once_in_database(function: Callable[..., _Result], *args: Any) -> _Result:
    """Return what the function returns, called once in the database thread."""
    return await sync_to_async(_with_live_connection, thread_sensitive=True)(
        function, *args
    )


def _with_live_connection(function: Callable[..., _Result], *args: Any) -> _Result:
    # Outside of web requests nobody else notices that a connection died.
    close_old_connections()
    try:
        return function(*args)
    finally:
        close_old_connections()
