"""How do the two ports start, stop and vanish, and what hangs on them?"""

import socket
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import TypeVar

from aiohttp import web

from .api_port import GRACE_SECONDS, ApiPort, listen, stop_listening
from .bot_api import BotApi
from .bot_methods import BotMethods
from .control_api import ControlApi
from .faults import Faults
from .groups import Groups
from .hub import Hub
from .ledger import Ledger
from .people import PRESET_USERS, User
from .ports import require_loopback, reserve
from .state import State
from .updates import Updates

DEFAULT_TOKEN = "1000000001:local-telegram-is-not-a-secret"  # noqa: S105
_Found = TypeVar("_Found")


class LocalTelegram:
    """A Bot API server and its chat page, for one bot, on this machine.

    `state` holds people and messages, `groups` changes groups, `faults` is what is
    switched on, `ledger` has every request. All of it belongs to the event loop that
    called `start`.
    """

    def __init__(
        self,
        *,
        token: str = DEFAULT_TOKEN,
        host: str = "127.0.0.1",
        api_port: int = 0,
        page_port: int = 0,
        page_socket: socket.socket | None = None,
        users: Iterable[User] = PRESET_USERS,
        bot_username: str = "local_shop_bot",
        seed: int = 0,
    ) -> None:
        """Serve the page on `page_socket`, if there is one, instead of `page_port`.

        Raises:
            ValueError: the token has a wrong form, or the host is of the world.
        """
        require_loopback(host)
        number, _, secret = token.partition(":")
        if not number.isdecimal() or not secret:
            raise ValueError("a token has the form 123456:letters-and-digits")
        self.host = host
        self.token = token
        self.hub = Hub()
        self.updates = Updates(self.hub)
        self.faults = Faults(seed)
        self.ledger = Ledger()
        self.state = State(
            bot_id=int(number),
            bot_username=bot_username,
            users=users,
            hub=self.hub,
            updates=self.updates,
        )
        self.groups = Groups(self.state)
        self._bot_api = BotApi(
            token=token,
            methods=BotMethods(self.state, self.updates),
            faults=self.faults,
            ledger=self.ledger,
            hub=self.hub,
        )
        self._api_port = api_port
        self._page_port = page_port
        self._page_socket = page_socket
        self._api: ApiPort | None = None
        self._page: web.AppRunner | None = None

    @property
    def in_flight(self) -> int:
        """How many requests to the Bot API are being answered at this moment."""
        return self._bot_api.in_flight

    @property
    def api_port(self) -> int:
        return self._api_port

    @property
    def page_port(self) -> int:
        return self._page_port

    @property
    def api_url(self) -> str:
        """Where the Bot API answers; `TG_API_URL` and aiogram's `from_base` take it."""
        return f"http://{_in_url(self.host)}:{self._api_port}"

    @property
    def page_url(self) -> str:
        return f"http://{_in_url(self.host)}:{self._page_port}/"

    async def start(self) -> None:
        """Listen on both ports; raise PortInUse, taking neither, when one is busy."""
        api = ApiPort(self._bot_api, self.host, self._api_port)
        try:
            self._page_port = await self._start_page()
            await api.open()
        except BaseException:
            await api.close()
            await self._stop_page()
            raise
        self._api = api
        self._api_port = api.port

    async def stop(self) -> None:
        """Close both ports and every connection; harmless when not started."""
        if self._api is not None:
            await self._api.close()
            self._api = None
        await self._stop_page()

    async def set_down(self, is_down: bool) -> None:
        """Let the API port refuse connections, or accept them again.

        Going down cuts every connection, whatever it is doing. The port stays ours.
        """
        if self._api is None:
            raise RuntimeError("the local Telegram is not started")
        self.faults.down = is_down
        if is_down:
            await self._api.vanish()
        else:
            await self._api.open()
        self.tell_about_faults()

    def tell_about_faults(self) -> None:
        """Show changed switches on every open page."""
        self.hub.publish("faults", faults=self.faults.as_json())

    async def wait_until(self, look: Callable[[], _Found], *, seconds: float) -> _Found:
        """Return the first true answer of `look`; raise TimeoutError after `seconds`.

        It is asked now and after each request and each act of a person.
        """
        return await self.hub.wait_until(look, seconds=seconds)

    async def __aenter__(self) -> "LocalTelegram":
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop()

    async def _start_page(self) -> int:
        taken = self._page_socket or reserve(self.host, self._page_port)
        try:
            app = ControlApi(self).application()
            self._page = web.AppRunner(
                app,
                access_log=None,
                handle_signals=False,
                shutdown_timeout=GRACE_SECONDS,
            )
            await self._page.setup()
            await listen(self._page, taken, self.host)
        except BaseException:
            taken.close()
            raise
        return int(taken.getsockname()[1])

    async def _stop_page(self) -> None:
        self.hub.close()
        if self._page is not None:
            await stop_listening(self._page)
            await self._page.cleanup()
            self._page = None


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host
