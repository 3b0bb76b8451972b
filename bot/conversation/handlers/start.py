"""/start, /stop and /help in a private chat."""

from aiogram import F, Router
from aiogram.enums import ChatType
from aiogram.filters import Command, CommandObject
from aiogram.types import Message

from bot.conversation import texts
from bot.conversation.orm import in_database
from notifications.customers import TelegramChat, press_start, unsubscribe

from .moments import moment_of
from .replying import language_of, reply, reply_ready


def build_router() -> Router:
    router = Router(name="start")
    router.message.filter(F.chat.type == ChatType.PRIVATE)
    router.message.register(on_start, Command("start", ignore_case=True))
    router.message.register(on_stop, Command("stop", ignore_case=True))
    router.message.register(on_help, Command("help", ignore_case=True))
    return router


async def on_start(message: Message, command: CommandObject) -> None:
    started = await in_database(
        press_start, describe(message), command.args or "", moment_of(message.date)
    )
    await reply_ready(message, texts.greet(started.greeting, language_of(message)))


async def on_stop(message: Message) -> None:
    is_known = await in_database(unsubscribe, message.chat.id)
    await reply(message, texts.STOPPED if is_known else texts.STOPPED_UNKNOWN)


async def on_help(message: Message) -> None:
    await reply(message, texts.HELP)


def describe(message: Message) -> TelegramChat:
    """Return what the message tells about the private chat it came from."""
    chat, author = message.chat, message.from_user
    return TelegramChat(
        id=chat.id,
        first_name=chat.first_name or (author.first_name if author else ""),
        last_name=chat.last_name or (author.last_name if author else "") or "",
        username=chat.username or (author.username if author else "") or "",
        language_code=(author.language_code if author else "") or "",
    )
