"""Puts the bot together: what talks to Telegram, and what answers its updates."""

import logging
from typing import Any

from aiogram import Bot, Dispatcher
from aiogram.client.telegram import TelegramAPIServer
from aiogram.dispatcher.event.bases import NextMiddlewareType
from aiogram.types import TelegramObject, Update
from aiogram.types.update import UpdateTypeLookupError

from bot.conversation.handlers import build_routers
from bot.conversation.session import PatientSession

# More than the 8 + 3 seconds for which Telegram itself holds an answer back.
_ANSWER_SECONDS = 15.0

_logger = logging.getLogger(__name__)


def build_bot(*, token: str, api_url: str, proxy_url: str = "") -> Bot:
    """Return a bot that talks to this Bot API server.

    Raises:
        aiogram.utils.token.TokenValidationError: no bot can have such a token.
    """
    session = PatientSession(
        api=TelegramAPIServer.from_base(api_url),
        proxy_url=proxy_url,
        timeout=_ANSWER_SECONDS,
    )
    return Bot(token, session=session)


def build_dispatcher() -> Dispatcher:
    """Return a dispatcher that answers everything the bot is made for."""
    dispatcher = Dispatcher()
    dispatcher.update.outer_middleware(_skip_unknown)
    dispatcher.include_routers(*build_routers())
    return dispatcher


async def _skip_unknown(
    handler: NextMiddlewareType[TelegramObject],
    event: TelegramObject,
    data: dict[str, Any],
) -> Any:
    """Pass over updates of a kind that this version of aiogram has never heard of."""
    if isinstance(event, Update):
        try:
            _ = event.event_type
        except UpdateTypeLookupError:
            _logger.info("Update %s is of an unknown kind: skipped", event.update_id)
            return None
    return await handler(event, data)
