"""Everything that the bot was not made for: other messages, groups, our own errors."""

import logging

from aiogram import F, Router
from aiogram.enums import ChatType
from aiogram.filters import Command, Filter
from aiogram.types import ErrorEvent, Message

from bot.conversation import texts

from .replying import reply

# What a phone writes into the chat by itself; answering it would look strange.
_BY_ITSELF = (
    F.pinned_message
    | F.message_auto_delete_timer_changed
    | F.write_access_allowed
    | F.chat_background_set
)

_logger = logging.getLogger(__name__)


def build_router() -> Router:
    router = Router(name="fallback")
    is_private = F.chat.type == ChatType.PRIVATE
    router.message.register(ignore, is_private, _BY_ITSELF)
    router.message.register(on_anything, is_private, OncePerAlbum())
    router.message.register(
        on_command_in_group,
        F.chat.type.in_({ChatType.GROUP, ChatType.SUPERGROUP}),
        Command(*texts.COMMANDS, ignore_case=True),
    )
    router.error.register(on_error)
    return router


class OncePerAlbum(Filter):
    """Lets the first photo of an album through: it is one message to its author."""

    def __init__(self) -> None:
        self._album: str | None = None

    async def __call__(self, message: Message) -> bool:
        album, self._album = self._album, message.media_group_id
        return self._album is None or self._album != album


async def ignore(message: Message) -> None:
    """Say nothing."""


async def on_anything(message: Message) -> None:
    await reply(message, texts.HINT)


async def on_command_in_group(message: Message) -> None:
    await reply(message, texts.GROUP)


async def on_error(event: ErrorEvent) -> bool:
    """Log an error of ours, once, and say sorry; the next update is handled anyway."""
    update = event.update
    _logger.error(
        "Update %s was not handled", update.update_id, exc_info=event.exception
    )
    if update.message is not None and update.message.chat.type == ChatType.PRIVATE:
        await reply(update.message, texts.APOLOGY)
    return True
