"""How does the Bot API's port open, and how does it vanish?"""

import asyncio
import socket

from aiohttp import web

from .bot_api import BotApi
from .ports import PortInUse, reserve

# How long a request in progress may go on at the stop. aiohttp takes 0 for "for ever".
GRACE_SECONDS = 0.05
_LARGEST_HEADER = 16 * 1024
_KEEP_ALIVE_SECONDS = 75.0
_TURNS_TO_ACCEPT = 3


class ApiPort:
    """The Bot API's port: open, or refusing connections and yet kept for us."""

    def __init__(self, bot_api: BotApi, host: str, port: int) -> None:
        self._bot_api = bot_api
        self._host = host
        self._reserved: socket.socket | None = reserve(host, port)
        self.port = int(self._reserved.getsockname()[1])
        self._runner: web.ServerRunner | None = None
        self._server: web.Server | None = None

    async def open(self) -> None:
        if self._runner is not None:
            return
        if self._reserved is None:
            self._reserved = reserve(self._host, self.port)
        self._server = web.Server(
            self._bot_api.handle,
            access_log=None,
            keepalive_timeout=_KEEP_ALIVE_SECONDS,
            max_field_size=_LARGEST_HEADER,
        )
        self._runner = web.ServerRunner(
            self._server, handle_signals=False, shutdown_timeout=GRACE_SECONDS
        )
        await self._runner.setup()
        await listen(self._runner, self._reserved, self._host)
        self._reserved = None  # It is the server's now.

    async def vanish(self) -> None:
        if self._runner is None:
            return
        await self._stop_listening()
        self._reserved = reserve(self._host, self.port)

    async def close(self) -> None:
        await self._stop_listening()
        if self._reserved is not None:
            self._reserved.close()
            self._reserved = None

    async def _stop_listening(self) -> None:
        runner, server = self._runner, self._server
        self._runner = self._server = None
        if runner is None or server is None:
            return
        await stop_listening(runner)
        unfinished = []
        for connection in server.connections:
            if connection.transport is not None:
                connection.transport.abort()
            # aiohttp lets a request go on when its client is gone; Telegram's
            # outage must end it before it does anything.
            if connection._task_handler is not None:
                connection._task_handler.cancel()
                unfinished.append(connection._task_handler)
        await asyncio.gather(*unfinished, return_exceptions=True)
        await runner.cleanup()


async def listen(
    runner: web.ServerRunner | web.AppRunner,
    taken: socket.socket,
    host: str,
) -> None:
    try:
        await web.SockSite(runner, taken, backlog=512).start()
    except OSError as error:
        raise PortInUse(host, taken.getsockname()[1]) from error


async def stop_listening(runner: web.ServerRunner | web.AppRunner) -> None:
    """Take no more connections, and have all that were taken among the server's.

    From accepting one, asyncio needs a few turns of its loop until it tells the server;
    were that closed meanwhile, nobody would ever close the connection.
    """
    loop = asyncio.get_running_loop()
    for site in runner.sites:
        listening = getattr(site, "_server", None)
        for sock in listening.sockets if listening is not None else ():
            loop.remove_reader(sock.fileno())
    for _ in range(_TURNS_TO_ACCEPT):
        await asyncio.sleep(0)
    for site in list(runner.sites):
        await site.stop()
