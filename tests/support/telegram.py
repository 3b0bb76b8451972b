"""A local Telegram for tests that are not asyncio: start it, play people, look."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import Future
from types import TracebackType
from typing import Any, TypeVar

from bot.local_telegram import DEFAULT_TOKEN, Chat, Entry, LocalTelegram, Rule, User
from bot.local_telegram.people import PRESET_USERS
from tests.support.loops import close_connections

Json = dict[str, Any]
_Result = TypeVar("_Result")

ANNA, IVAN, MARIA, EMILY, CAT, KONSTANTIN = (user.id for user in PRESET_USERS)


class RunningTelegram:
    """A LocalTelegram in a thread of its own; every method may be called from any.

    `local` is that LocalTelegram: touch it inside `call` only.
    Use it as a context manager: it leaves no thread, no socket and no file.
    """

    def __init__(
        self,
        *,
        token: str = DEFAULT_TOKEN,
        api_port: int = 0,
        page_port: int = 0,
        users: Iterable[User] = PRESET_USERS,
        seed: int = 0,
    ) -> None:
        self.local = LocalTelegram(
            token=token, api_port=api_port, page_port=page_port, users=users, seed=seed
        )
        self._thread = threading.Thread(target=self._run, name="local-telegram")
        self._loop: Future[asyncio.AbstractEventLoop] = Future()
        self._stop: asyncio.Event

    # Life

    def start(self) -> "RunningTelegram":
        """Return when both ports answer; raise PortInUse, leaving nothing behind."""
        self._thread.start()
        try:
            self._await(self.local.start())
        except BaseException:
            self._end()
            raise
        return self

    def stop(self) -> None:
        if self._thread.is_alive():
            self._await(self.local.stop())
            self._end()

    def __enter__(self) -> "RunningTelegram":
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def api_url(self) -> str:
        return self.local.api_url

    @property
    def page_url(self) -> str:
        return self.local.page_url

    @property
    def token(self) -> str:
        return self.local.token

    def method_url(self, method: str) -> str:
        """Return where a Bot API method is called, token and all."""
        return f"{self.api_url}/bot{self.token}/{method}"

    # People

    def add_user(
        self,
        first_name: str = "Тест",
        *,
        user_id: int | None = None,
        last_name: str | None = None,
        username: str | None = None,
        language_code: str | None = None,
        phone: str | None = None,
        is_bot: bool = False,
        started: bool = False,
    ) -> int:
        """Add somebody and return the id; `started` presses Start without an update."""

        def add() -> int:
            state = self.local.state
            user = User(
                id=user_id or state.free_user_id(),
                first_name=first_name,
                last_name=last_name,
                username=username,
                language_code=language_code,
                phone=phone,
                is_bot=is_bot,
            )
            state.add_user(user)
            if started:
                state.chats[user.id].status = "active"
            return user.id

        return self.call(add)

    def add_started_users(self, count: int) -> list[int]:
        """Add many people whose chats are open already; no updates are made."""
        return [self.add_user(f"Клиент {i}", started=True) for i in range(count)]

    def press_start(self, user_id: int, code: str = "") -> Json:
        return self.call(lambda: self.local.state.press_start(user_id, code))

    def send_text(self, user_id: int, text: str, *, chat_id: int | None = None) -> Json:
        return self.call(lambda: self.local.state.say(user_id, text, chat_id=chat_id))

    def send_content(self, user_id: int, content: Json) -> Json:
        """Send a message that is no text, say {"sticker": {...}}."""
        return self.call(lambda: self.local.state.post(user_id, content))

    def share_contact(self, user_id: int) -> Json:
        return self.call(lambda: self.local.state.share_contact(user_id))

    def press_button(self, user_id: int, message_id: int, data: str) -> Json:
        return self.call(
            lambda: self.local.state.press_button(user_id, message_id, data)
        )

    def block(self, user_id: int) -> None:
        self.call(lambda: self.local.state.block(user_id))

    def unblock(self, user_id: int) -> None:
        self.call(lambda: self.local.state.unblock(user_id))

    def deactivate(self, user_id: int) -> None:
        self.call(lambda: self.local.state.deactivate(user_id))

    def add_group(self, title: str = "Группа", *, added_by: int = ANNA) -> int:
        return self.call(lambda: self.local.groups.add(title, added_by=added_by).id)

    def leave_group(self, chat_id: int) -> None:
        self.call(lambda: self.local.groups.leave(chat_id))

    def upgrade_group(self, chat_id: int) -> int:
        """Make it a supergroup and return the new id."""
        return self.call(lambda: self.local.groups.upgrade(chat_id).id)

    def send_update(self, update: Json) -> None:
        """Put an update of any shape before the bot."""
        self.call(lambda: self.local.updates.add_raw(update))

    # Faults

    def set_faults(self, **changes: Any) -> None:
        """Change slow_seconds, revoked, messages_per_second, rules, seed or down."""

        async def change() -> None:
            self.local.faults.set(**changes)
            if "down" in changes:
                await self.local.set_down(changes["down"])
            self.local.tell_about_faults()

        self._await(change())

    def add_fault(self, kind: str, **fields: Any) -> int:
        """Add a faults.Rule and return its id."""

        def add() -> int:
            rule = self.local.faults.add(Rule(kind=kind, **fields))
            self.local.tell_about_faults()
            return rule.id

        return self.call(add)

    def remove_fault(self, rule_id: int) -> None:
        def remove() -> None:
            self.local.faults.remove(rule_id)
            self.local.tell_about_faults()

        self.call(remove)

    def clear_faults(self) -> None:
        """Switch everything off, "down" too."""

        async def clear() -> None:
            self.local.faults.clear()
            await self.local.set_down(False)

        self._await(clear())

    def go_down(self) -> None:
        self.set_faults(down=True)

    def come_back(self) -> None:
        self.set_faults(down=False)

    # What happened

    def chat(self, chat_id: int) -> Chat:
        """Return the live chat object: look at it, do not change it."""
        return self.call(lambda: self.local.state.chats[chat_id])

    def messages(self, chat_id: int) -> list[Json]:
        """Return what the bot wrote to a chat, oldest first (the last 1000)."""
        return self.call(lambda: self._written(chat_id))

    def texts(self, chat_id: int) -> list[str]:
        return [message["text"] for message in self.messages(chat_id)]

    def ledger(
        self,
        *,
        method: str | None = "sendMessage",
        chat_id: int | None = None,
        since: int = 0,
    ) -> list[Entry]:
        """Return requests, oldest first; `method=None` returns those of all methods."""
        return self.call(
            lambda: self.local.ledger.entries(
                since=since, method=method, chat_id=chat_id
            )
        )

    @property
    def last_seq(self) -> int:
        """The number of the newest ledger entry, to pass as `since` later."""
        return self.local.ledger.last_seq

    def pending_updates(self) -> int:
        return self.call(lambda: len(self.local.updates))

    def wait_for_message(
        self,
        chat_id: int,
        predicate: str | Callable[[Json], bool] = "",
        *,
        timeout: float = 10,
    ) -> Json:
        """Return the bot's first message that fits: a part of its text, or a test."""
        fits = (
            (lambda message: predicate in message["text"])
            if isinstance(predicate, str)
            else predicate
        )

        def look() -> Json | None:
            return next((m for m in self._written(chat_id) if fits(m)), None)

        found = self.wait_until(look, timeout=timeout)
        assert found is not None
        return found

    def wait_for_entry(
        self, predicate: Callable[[Entry], bool], *, since: int = 0, timeout: float = 10
    ) -> Entry:
        """Return the first request above `since` that fits, of whatever method."""

        def look() -> Entry | None:
            entries = self.local.ledger.entries(since=since)
            return next((entry for entry in entries if predicate(entry)), None)

        found = self.wait_until(look, timeout=timeout)
        assert found is not None
        return found

    def wait_for_poll(self, *, timeout: float = 10) -> None:
        """Return as soon as a bot waits for updates."""
        self.wait_until(lambda: self.local.updates.is_polled, timeout=timeout)

    def wait_for_requests(self, count: int = 1, *, timeout: float = 10) -> None:
        """Return as soon as that many requests are being answered at once."""
        self.wait_until(lambda: self.local.in_flight >= count, timeout=timeout)

    def wait_until(
        self, look: Callable[[], _Result], *, timeout: float = 10
    ) -> _Result:
        """Return the first true answer of `look`, which runs in Telegram's thread.

        It is asked again after every request and act. Raises TimeoutError.
        """
        return self._await(self.local.wait_until(look, seconds=timeout))

    def call(self, act: Callable[[], _Result]) -> _Result:
        """Run something in Telegram's own thread and return its result."""

        async def run() -> _Result:
            return act()

        return self._await(run())

    # Inside

    def _written(self, chat_id: int) -> list[Json]:
        state = self.local.state
        chat = state.chats.get(chat_id)
        kept = chat.messages.values() if chat else ()
        return [message for message in kept if message["from"] is state.bot]

    def _await(self, work: Coroutine[Any, Any, _Result]) -> _Result:
        if not self._thread.is_alive():
            work.close()
            raise RuntimeError("this Telegram is not running")
        return asyncio.run_coroutine_threadsafe(work, self._loop.result()).result()

    def _run(self) -> None:
        # The runner ends what is left over and closes the loop, all in this thread.
        with asyncio.Runner() as runner:
            runner.run(self._live())

    async def _live(self) -> None:
        self._stop = asyncio.Event()
        self._loop.set_result(asyncio.get_running_loop())
        await self._stop.wait()
        await close_connections()

    def _end(self) -> None:
        self._loop.result().call_soon_threadsafe(self._stop.set)
        self._thread.join()
