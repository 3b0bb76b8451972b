"""The process that talks with customers: it polls Telegram for their messages."""

import asyncio
import logging
import signal
from collections.abc import Awaitable
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

from aiogram import Bot, Dispatcher
from aiogram.exceptions import AiogramError, TelegramAPIError
from aiogram.types import BotCommand, User
from aiogram.utils.backoff import BackoffConfig
from aiogram.utils.token import TokenValidationError
from django.conf import settings
from django.db import Error as DatabaseError
from django.utils import timezone

from bot import exit_codes
from bot.conversation import texts
from bot.conversation.app import build_bot, build_dispatcher
from bot.conversation.explaining import REJECTED, explain
from bot.conversation.orm import in_database, once_in_database
from bot.conversation.poll_watch import PollWatch
from bot.processes.locks import DatabaseLock, database_lock
from notifications.models import BotStatus

_BACKOFF = BackoffConfig(min_delay=1.0, max_delay=5.0, factor=1.3, jitter=0.1)
_LONGEST_WAIT_SECONDS = 30.0
_LOCK_SECONDS = 1.0
_LOCK_CHECK_SECONDS = 10.0

_Result = TypeVar("_Result")

_logger = logging.getLogger(__name__)


class _Stopped(Exception):
    """A signal came while something else was waited for."""


def run() -> int:
    """Poll until SIGTERM or SIGINT; return an exit code of `bot.exit_codes`."""
    try:
        bot = build_bot(
            token=settings.TG_BOT_TOKEN,
            api_url=settings.TG_API_URL,
            proxy_url=settings.TG_PROXY_URL,
        )
    except TokenValidationError:
        _logger.critical(
            "TG_BOT_TOKEN is no bot token: copy it again from @BotFather "
            "(it looks like 123456789:AAE...)"
        )
        return exit_codes.REJECTED
    return asyncio.run(_run(bot, database_lock("polling")))


async def _run(bot: Bot, lock: DatabaseLock) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop.set)
    try:
        me = await _unless(stop, _introduce(bot))
        await _unless(stop, _acquire(lock))
        await _unless(stop, _make_ready(bot, me))
        return await _poll(bot, lock, stop)
    except _Stopped:
        return exit_codes.OK
    except REJECTED as error:
        _logger.critical(
            "%s. Copy it again from @BotFather into .env: TG_BOT_TOKEN=...",
            explain(error),
        )
        return exit_codes.REJECTED
    finally:
        await bot.session.close()
        await asyncio.to_thread(lock.release)


async def _introduce(bot: Bot) -> User:
    """Return who the bot is, asked until Telegram answers.

    Raises:
        TelegramUnauthorizedError, TelegramNotFound: there is no such bot.
    """
    delay = 1.0
    while True:
        try:
            return await bot.me()
        except REJECTED as error:
            trouble = explain(error)
            await _record_once(last_error=trouble.text, last_error_code=trouble.code)
            raise
        except AiogramError as error:
            trouble = explain(error)
        _logger.error("%s. Next try in %g s", trouble, delay)
        await _record_once(last_error=trouble.text, last_error_code=trouble.code)
        await asyncio.sleep(delay)
        delay = min(2 * delay, _LONGEST_WAIT_SECONDS)


async def _acquire(lock: DatabaseLock) -> None:
    """Wait until nobody else polls for this database."""
    has_said = False
    while not await in_database(lock.try_acquire):
        if not has_said:
            _logger.error(
                "Another `python -m bot` talks with the customers of this database. "
                "This one waits until that one is stopped"
            )
            has_said = True
        await asyncio.sleep(_LOCK_SECONDS)


async def _make_ready(bot: Bot, me: User) -> None:
    """Clear the way for polling; what a Bot API server lacks does not stand in it."""
    await in_database(
        partial(_record, username=me.username or "", last_error="", last_error_code="")
    )
    await _try(bot.delete_webhook(drop_pending_updates=False))
    for language in ("", "ru", "en"):
        commands = [
            BotCommand(
                command=name,
                description=texts.in_language(description, language),
            )
            for name, description in texts.COMMANDS.items()
        ]
        await _try(bot.set_my_commands(commands, language_code=language or None))
    _logger.info("The bot is @%s (%s)", me.username, me.full_name)


async def _try(call: Awaitable[object]) -> None:
    try:
        await call
    except TelegramAPIError as error:
        name = error.method.__api_method__
        _logger.warning("Telegram did not accept %s: %s", name, error.message)
    except AiogramError as error:
        _logger.warning("%s", explain(error))


async def _poll(bot: Bot, lock: DatabaseLock, stop: asyncio.Event) -> int:
    """Answer customers until a signal comes, or the lock is somebody else's."""
    bot.session.middleware(PollWatch(_record_once))
    dispatcher = build_dispatcher()
    polling = asyncio.create_task(
        dispatcher.start_polling(
            bot,
            # An update is confirmed only after it was handled.
            handle_as_tasks=False,
            handle_signals=False,
            close_bot_session=False,
            backoff_config=_BACKOFF,
        )
    )
    watches = [
        asyncio.create_task(stop.wait()),
        asyncio.create_task(_wait_until_lost(lock)),
    ]
    await asyncio.wait([polling, *watches], return_when=asyncio.FIRST_COMPLETED)
    await _end(dispatcher, polling)
    for watch in watches:
        watch.cancel()
    return exit_codes.OK if stop.is_set() else exit_codes.FAILED


async def _end(dispatcher: Dispatcher, polling: "asyncio.Task[None]") -> None:
    # To cancel the task would leave a request to Telegram behind.
    if not polling.done():
        await dispatcher.stop_polling()
    await polling


async def _wait_until_lost(lock: DatabaseLock) -> None:
    while True:
        await asyncio.sleep(_LOCK_CHECK_SECONDS)
        if await asyncio.to_thread(lock.is_held):
            continue
        with suppress(DatabaseError):
            if await asyncio.to_thread(lock.try_acquire):
                continue
        _logger.error("The lock on polling is lost with the database: starting anew")
        return


async def _unless(stop: asyncio.Event, work: Awaitable[_Result]) -> _Result:
    """Return the result of `work`; raise _Stopped if a signal comes first."""
    task = asyncio.ensure_future(work)
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait([task, stopping], return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not task.done():
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        raise _Stopped
    return task.result()


def _record(**facts: Any) -> None:
    BotStatus.record(at=timezone.now(), **facts)


async def _record_once(**facts: Any) -> None:
    try:
        await once_in_database(partial(_record, **facts))
    except DatabaseError as error:
        # It is only for show, and will be written next time.
        _logger.warning("The bot's status was not written down: %s", error)
