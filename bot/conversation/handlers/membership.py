"""The customer blocked the bot, or let it in again."""

from aiogram import F, Router
from aiogram.enums import ChatMemberStatus, ChatType
from aiogram.types import ChatMemberUpdated

from bot.conversation.orm import in_database
from notifications.customers import mark_blocked, mark_unblocked

from .moments import moment_of


def build_router() -> Router:
    router = Router(name="membership")
    # Having this handler also makes aiogram ask Telegram for such updates.
    router.my_chat_member.register(on_membership, F.chat.type == ChatType.PRIVATE)
    return router


async def on_membership(event: ChatMemberUpdated) -> None:
    is_blocked = event.new_chat_member.status in (
        ChatMemberStatus.KICKED,
        ChatMemberStatus.LEFT,
    )
    record = mark_blocked if is_blocked else mark_unblocked
    await in_database(record, event.chat.id, moment_of(event.date))
