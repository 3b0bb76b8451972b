"""The bot's side of the chat: a real Dispatcher polls the local Telegram over HTTP."""

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import OperationalError, close_old_connections

from bot.conversation import orm, texts
from bot.conversation.app import build_bot, build_dispatcher
from notifications.customers import Greeting
from notifications.models import Customer, Order, OrderNotification
from tests.support.loops import close_connections
from tests.support.telegram import ANNA, EMILY, IVAN, KONSTANTIN, RunningTelegram
from tests.support.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

GROUP_ANONYMOUS_BOT = 1_087_968_824


class RunningBot:
    """The dispatcher, polling in a thread of its own."""

    def __init__(self, telegram: RunningTelegram) -> None:
        self._telegram = telegram
        self._dispatcher = build_dispatcher()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._poll()))
        self._loop: asyncio.AbstractEventLoop

    def __enter__(self) -> "RunningBot":
        self._thread.start()
        self._telegram.wait_for_poll()
        return self

    def __exit__(self, *_: object) -> None:
        stop = self._dispatcher.stop_polling()
        asyncio.run_coroutine_threadsafe(stop, self._loop).result()
        self._thread.join()

    async def _poll(self) -> None:
        self._loop = asyncio.get_running_loop()
        bot = build_bot(token=self._telegram.token, api_url=self._telegram.api_url)
        await self._dispatcher.start_polling(
            bot, handle_signals=False, handle_as_tasks=False, polling_timeout=5
        )
        await close_connections()


@pytest.fixture
def telegram() -> Iterator[RunningTelegram]:
    with RunningTelegram() as telegram, RunningBot(telegram):
        yield telegram


def said(greeting: Greeting, language: str) -> str:
    return texts.greet(greeting, language)


def ask_all(telegram: RunningTelegram, user_id: int) -> list[str]:
    """Return all answers so far: the one to /help is the last of them."""
    telegram.send_text(user_id, "/help")
    language = telegram_language(telegram, user_id)
    help_text = texts.in_language(texts.HELP, language)
    telegram.wait_for_message(user_id, help_text)
    return telegram.texts(user_id)[:-1]


def telegram_language(telegram: RunningTelegram, user_id: int) -> str | None:
    user = telegram.chat(user_id).user
    return user.language_code if user else None


def test_start_is_answered_at_once_and_registers(telegram: RunningTelegram) -> None:
    telegram.press_start(ANNA)

    telegram.wait_for_message(ANNA, "Здравствуйте")
    customer = Customer.objects.get()
    assert customer.tg_user_id == ANNA
    assert customer.name == "Анна Смирнова"
    assert customer.tg_username == "anna_smirnova"
    assert customer.language == "ru"


def test_start_twice_is_answered_twice_and_registers_once(
    telegram: RunningTelegram,
) -> None:
    telegram.press_start(ANNA)
    telegram.press_start(ANNA)

    assert ask_all(telegram, ANNA) == [
        said(Greeting.NEW, "ru"),
        said(Greeting.AGAIN, "ru"),
    ]
    assert Customer.objects.count() == 1


def test_an_invited_customer_is_linked_and_hears_of_earlier_orders(
    telegram: RunningTelegram,
) -> None:
    customer = Customer.objects.create(name="Петров, самовывоз")
    Order.objects.create(number="77", customer=customer)

    telegram.press_start(IVAN, customer.invite_code)

    answer = telegram.wait_for_message(IVAN, "Готово")
    assert "Петров, самовывоз" not in answer["text"]
    notification = OrderNotification.objects.get()
    assert (notification.order_number, notification.tg_user_id) == ("77", IVAN)


@pytest.mark.parametrize(
    "code", ["a", "мусор", "x" * 100, "a b c", "%00", "'; DROP TABLE x", "=" * 8]
)
def test_a_garbage_code_is_answered_and_the_chat_registered(
    telegram: RunningTelegram, code: str
) -> None:
    telegram.send_text(ANNA, f"/start {code}")

    assert ask_all(telegram, ANNA) == [said(Greeting.CODE_UNKNOWN, "ru")]
    assert Customer.objects.get().tg_user_id == ANNA


def test_a_code_used_by_somebody_else_is_refused_politely(
    telegram: RunningTelegram,
) -> None:
    customer = Customer.objects.create(name="Анна")
    telegram.press_start(ANNA, customer.invite_code)

    telegram.press_start(EMILY, customer.invite_code)

    assert ask_all(telegram, EMILY) == [said(Greeting.CODE_TAKEN, "en")]
    assert Customer.objects.get().tg_user_id == ANNA


@pytest.mark.parametrize(
    ("language_code", "word"),
    [
        ("ru", "Здравствуйте"),
        ("uk", "Здравствуйте"),
        ("kk-KZ", "Здравствуйте"),
        ("en", "Hello"),
        ("pt-br", "Hello"),
        (None, "Здравствуйте"),
    ],
)
def test_the_answer_is_in_the_language_of_the_customer(
    telegram: RunningTelegram, language_code: str | None, word: str
) -> None:
    user_id = telegram.add_user("Мария", language_code=language_code)

    telegram.press_start(user_id)

    telegram.wait_for_message(user_id, word)


def test_somebody_with_nothing_but_a_strange_name_is_registered(
    telegram: RunningTelegram,
) -> None:
    user_id = telegram.add_user("𝕬𝖓𝖓𝖆 \u202e 🌸", user_id=2**51)

    telegram.press_start(user_id)
    telegram.wait_for_message(user_id)

    customer = Customer.objects.get()
    assert (customer.name, customer.tg_user_id) == ("𝕬𝖓𝖓𝖆 🌸", 2**51)
    assert customer.tg_username == ""


def test_stop_ends_messages_until_start(telegram: RunningTelegram) -> None:
    telegram.send_text(ANNA, "/stop")
    telegram.press_start(ANNA)
    telegram.send_text(ANNA, "/STOP")
    texts_so_far = ask_all(telegram, ANNA)
    assert texts_so_far[0].startswith("Вы не получаете")
    assert texts_so_far[2].startswith("Готово")
    assert Customer.objects.get().unsubscribed_at is not None

    telegram.press_start(ANNA)

    wait_until(
        lambda: Customer.objects.get().unsubscribed_at is None, what="subscribing"
    )


@pytest.mark.parametrize(
    "content",
    [
        {"text": "Когда привезут?"},
        {"text": "/unknown"},
        {"sticker": {"file_id": "1", "file_unique_id": "1", "type": "regular"}
         | {"width": 1, "height": 1, "is_animated": False, "is_video": False}},
        {"contact": {"phone_number": "7916", "first_name": "Анна"}},
        {"text": " "},
    ],
)  # fmt: skip
def test_anything_else_gets_a_hint(
    telegram: RunningTelegram, content: dict[str, Any]
) -> None:
    telegram.send_content(ANNA, content)

    assert ask_all(telegram, ANNA) == [texts.in_language(texts.HINT, "ru")]
    assert not Customer.objects.exists()


def test_an_album_gets_one_hint(telegram: RunningTelegram) -> None:
    photo = {"file_id": "1", "file_unique_id": "1", "width": 1, "height": 1}
    for album in ("1", "1", "1", "2"):
        telegram.send_content(ANNA, {"photo": [photo], "media_group_id": album})

    assert len(ask_all(telegram, ANNA)) == 2


def test_a_group_is_declined_once_per_command_and_ignored_otherwise(
    telegram: RunningTelegram,
) -> None:
    group = telegram.add_group("Семья", added_by=ANNA)
    for text in (
        "привет",
        "/start@local_shop_bot",
        "/other",
        "/start@other_bot",
        "/help",
    ):
        telegram.send_text(ANNA, text, chat_id=group)

    ask_all(telegram, ANNA)

    declined = texts.in_language(texts.GROUP, "ru")
    assert telegram.texts(group) == [declined, declined]
    assert not Customer.objects.exists()


def test_block_and_unblock_are_noticed_without_a_message(
    telegram: RunningTelegram,
) -> None:
    telegram.press_start(ANNA)
    telegram.wait_for_message(ANNA)

    telegram.block(ANNA)
    wait_until(lambda: Customer.objects.get().blocked_at, what="the block")

    telegram.unblock(ANNA)
    wait_until(lambda: Customer.objects.get().blocked_at is None, what="the unblocking")


def test_updates_of_a_careless_server_are_handled(telegram: RunningTelegram) -> None:
    telegram.add_user("Молчун", user_id=500, started=True)
    person = {"id": 500}
    telegram.send_update(
        {"message": {"text": "/start", "chat": person, "from": person}}
    )

    telegram.wait_for_message(500, "")
    assert Customer.objects.get().started_at is not None

    blocked = {"status": "kicked", "user": person}
    member = {"status": "member", "user": person}
    change = {"old_chat_member": member, "new_chat_member": blocked}
    telegram.send_update({"my_chat_member": {"chat": person, "from": person, **change}})

    wait_until(lambda: Customer.objects.get().blocked_at, what="the block")


def test_updates_without_optional_fields_are_handled(telegram: RunningTelegram) -> None:
    telegram.add_user("Молчун", user_id=500, started=True)
    bare = {"message_id": 1, "date": 0, "chat": {"id": 500, "type": "private"}}
    telegram.send_update({"message": {**bare, "text": "/start"}})

    telegram.wait_for_message(500, "Здравствуйте")
    customer = Customer.objects.get()
    assert customer.name == "Telegram 500"
    assert customer.started_at is not None
    assert customer.started_at.year > 2000


def test_updates_that_cannot_be_read_or_are_not_for_us_are_skipped(
    telegram: RunningTelegram,
) -> None:
    chat = {"id": ANNA, "type": "private"}
    for update in (
        {"message": {"no": "chat"}},
        {"message": "nonsense"},
        {"some_future_kind": {"x": 1}},
        {
            "edited_message": {
                "message_id": 1,
                "date": 1,
                "chat": chat,
                "text": "/start",
            }
        },
        {"channel_post": {"message_id": 1, "date": 1, "chat": chat, "text": "/start"}},
    ):
        telegram.send_update(update)

    telegram.press_start(ANNA)

    assert ask_all(telegram, ANNA) == [said(Greeting.NEW, "ru")]
    wait_until(lambda: telegram.pending_updates() == 0, what="confirming the updates")


def test_a_start_survives_a_database_that_is_away_for_a_while(
    telegram: RunningTelegram, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = iter([OperationalError("the server closed the connection")] * 2)

    def fail_twice() -> None:
        for error in failures:
            raise error
        close_old_connections()

    monkeypatch.setattr(orm, "close_old_connections", fail_twice)

    telegram.press_start(ANNA)

    telegram.wait_for_message(ANNA, "Здравствуйте")


def test_an_answer_that_telegram_delays_or_refuses_loses_nothing(
    telegram: RunningTelegram,
) -> None:
    telegram.add_fault("flood", chat_id=ANNA, retry_after=1, times=1)
    telegram.add_fault("refuse", chat_id=KONSTANTIN, code=403, description="Forbidden")

    telegram.press_start(KONSTANTIN)
    telegram.press_start(ANNA)

    telegram.wait_for_message(ANNA, "Здравствуйте")
    ids = set(Customer.objects.values_list("tg_user_id", flat=True))
    assert ids == {ANNA, KONSTANTIN}
