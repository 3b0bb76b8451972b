"""Watches the polling: writes down how it goes, and keeps it from asking too often."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any, cast

from aiogram import Bot
from aiogram.client.session.middlewares.base import (
    BaseRequestMiddleware,
    NextRequestMiddlewareType,
)
from aiogram.exceptions import TelegramRetryAfter
from aiogram.methods import Response, TelegramMethod
from aiogram.methods.base import TelegramType
from aiogram.types import Update
from django.utils import timezone

from bot.conversation.explaining import REJECTED, Trouble, explain
from bot.conversation.session import GET_UPDATES

WRITE_EVERY_SECONDS = 10.0
_SAY_AGAIN_SECONDS = 60.0
# aiogram would go on asking every 5 seconds, for ever.
_WAIT_IF_REJECTED_SECONDS = 30.0
_LONGEST_WAIT_SECONDS = 300.0
_SHORTEST_ROUND_SECONDS = 0.5

_logger = logging.getLogger(__name__)


class PollWatch(BaseRequestMiddleware):
    """Records the last successful poll, or what is wrong; `record` does the writing.

    It writes every few seconds, in trouble too: who reads it knows that the bot runs.
    """

    def __init__(
        self,
        record: Callable[..., Awaitable[None]],
        write_every_seconds: float = WRITE_EVERY_SECONDS,
    ) -> None:
        self._record = record
        self._write_every_seconds = write_every_seconds
        self._trouble: Trouble | None = None
        self._written_at = float("-inf")
        self._said_at = float("-inf")

    async def __call__(
        self,
        make_request: NextRequestMiddlewareType[TelegramType],
        bot: Bot,
        method: TelegramMethod[TelegramType],
    ) -> Response[TelegramType]:
        if method.__api_method__ != GET_UPDATES:
            return await make_request(bot, method)
        asked_at = time.monotonic()
        try:
            updates = await make_request(bot, method)
        except Exception as error:
            trouble = explain(error)
            await self._note_failure(trouble)
            await self._wait(_wait_asked_for(error), trouble)
            raise
        await self._note_success()
        if not cast("list[Update]", updates):
            # A server that does not hold the call would be asked without a pause.
            await asyncio.sleep(asked_at + _SHORTEST_ROUND_SECONDS - time.monotonic())
        return updates

    async def _note_success(self) -> None:
        if self._trouble is not None:
            _logger.info("Telegram answers again")
        elif not self._is_time_to_write():
            return
        self._trouble = None
        await self._write(
            last_poll_at=timezone.now(), last_error="", last_error_code=""
        )

    async def _note_failure(self, trouble: Trouble) -> None:
        now = time.monotonic()
        is_news = trouble != self._trouble
        if is_news or now >= self._said_at + _SAY_AGAIN_SECONDS:
            _logger.error("%s. Trying again", trouble)
            self._said_at = now
        if is_news or self._is_time_to_write():
            self._trouble = trouble
            await self._write_trouble(trouble)

    async def _wait(self, seconds: float, trouble: Trouble) -> None:
        """Wait, and go on showing that the bot is there."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            await asyncio.sleep(min(left, self._write_every_seconds))
            if self._is_time_to_write():
                await self._write_trouble(trouble)

    def _is_time_to_write(self) -> bool:
        return time.monotonic() >= self._written_at + self._write_every_seconds

    async def _write_trouble(self, trouble: Trouble) -> None:
        await self._write(last_error=trouble.text, last_error_code=trouble.code)

    async def _write(self, **facts: Any) -> None:
        self._written_at = time.monotonic()
        await self._record(**facts)


def _wait_asked_for(error: Exception) -> float:
    if isinstance(error, TelegramRetryAfter):
        return min(float(error.retry_after), _LONGEST_WAIT_SECONDS)
    return _WAIT_IF_REJECTED_SECONDS if isinstance(error, REJECTED) else 0.0
