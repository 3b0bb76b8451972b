"""The real aiogram talks to the local Telegram as to the real one."""

import asyncio

import pytest
from aiogram import Bot, Dispatcher
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.exceptions import (
    TelegramBadRequest,
    TelegramConflictError,
    TelegramForbiddenError,
    TelegramRetryAfter,
    TelegramServerError,
    TelegramUnauthorizedError,
)
from aiogram.types import (
    BotCommand,
    CallbackQuery,
    ChatMemberUpdated,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    Message,
)

from bot.local_telegram import LocalTelegram, Rule
from tests.support.telegram import ANNA, IVAN, KONSTANTIN, MARIA


def make_bot(telegram):
    server = TelegramAPIServer.from_base(telegram.api_url)
    return Bot(telegram.token, session=AiohttpSession(api=server))


async def converse(telegram, bot):
    dispatcher = Dispatcher()
    seen = []

    @dispatcher.message()
    async def greet(message: Message) -> None:
        button = InlineKeyboardButton(text="Да", callback_data="yes")
        markup = InlineKeyboardMarkup(inline_keyboard=[[button]])
        await message.reply(f"«{message.text}»", reply_markup=markup)

    @dispatcher.my_chat_member()
    async def moved(event: ChatMemberUpdated) -> None:
        seen.append(event.new_chat_member.status)

    @dispatcher.callback_query()
    async def pressed(query: CallbackQuery) -> None:
        await query.answer("ок")
        assert isinstance(query.message, Message)
        await query.message.edit_text("нажато")

    polling = asyncio.create_task(
        dispatcher.start_polling(bot, handle_signals=False, handle_as_tasks=False)
    )
    state = telegram.state

    def said(user_id, text):
        messages = list(state.chats[user_id].messages.values())
        return next((m for m in messages if m.get("text") == text), None)

    for user_id in (ANNA, MARIA, KONSTANTIN):
        state.press_start(user_id, "code")
        await telegram.wait_until(
            lambda user_id=user_id: said(user_id, "«/start code»"), seconds=10
        )
    state.block(ANNA)
    state.press_start(ANNA)
    answer = await telegram.wait_until(lambda: said(ANNA, "«/start»"), seconds=10)
    state.press_button(ANNA, answer["message_id"], "yes")
    await telegram.wait_until(lambda: said(ANNA, "нажато"), seconds=10)

    # An outage of the whole server in the middle of a long poll.
    await telegram.set_down(True)
    await telegram.set_down(False)
    state.say(IVAN, "после сбоя")
    await telegram.wait_until(lambda: said(IVAN, "«после сбоя»"), seconds=10)

    await dispatcher.stop_polling()
    await polling
    return seen


def test_a_real_dispatcher_polls_answers_and_survives_an_outage():
    async def run():
        async with LocalTelegram() as telegram:
            return await converse(telegram, make_bot(telegram))

    assert asyncio.run(run()) == ["kicked", "member"]


def test_aiogram_understands_every_answer():
    async def run():
        async with LocalTelegram() as telegram, make_bot(telegram).context() as bot:
            await understand(telegram, bot)

    asyncio.run(run())


async def understand(telegram, bot):
    faults = telegram.faults
    me = await bot.get_me()
    assert (me.is_bot, me.username) == (True, "local_shop_bot")
    await bot.set_my_commands([BotCommand(command="start", description="Начать")])
    assert [c.command for c in await bot.get_my_commands()] == ["start"]
    assert (await bot.get_webhook_info()).url == ""
    assert await bot.delete_webhook()

    with pytest.raises(TelegramForbiddenError):
        await bot.send_message(ANNA, "a")
    telegram.state.press_start(ANNA)
    sent = await bot.send_message(ANNA, "<b>a</b>", parse_mode="HTML")
    assert sent.html_text == "<b>a</b>"
    assert (await bot.get_chat(ANNA)).first_name == "Анна"
    assert await bot.send_chat_action(ANNA, "typing")
    assert await bot.delete_message(ANNA, sent.message_id)
    with pytest.raises(TelegramBadRequest):
        await bot.send_message(ANNA, "")

    faults.add(Rule(kind="flood", times=1, retry_after=9))
    with pytest.raises(TelegramRetryAfter) as flood:
        await bot.send_message(ANNA, "a")
    assert flood.value.retry_after == 9
    faults.add(Rule(kind="server_error", times=1, code=502))
    with pytest.raises(TelegramServerError):
        await bot.send_message(ANNA, "a")
    faults.set(revoked=True)
    with pytest.raises(TelegramUnauthorizedError):
        await bot.get_me()
    faults.set(revoked=False)
    await bot.get_updates(offset=-1)
    first = asyncio.create_task(bot.get_updates(offset=2**40, timeout=30))
    await telegram.wait_until(lambda: telegram.updates.is_polled, seconds=10)
    await bot.get_updates(timeout=0)
    with pytest.raises(TelegramConflictError):
        await first
