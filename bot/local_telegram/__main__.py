"""Runs a local Telegram until SIGTERM or SIGINT: `python -m bot.local_telegram`.

Prints one line of JSON with api_url, page_url and token as soon as both ports answer.
"""

import argparse
import asyncio
import json
import signal
import socket
import sys

from .ports import PortInUse
from .server import DEFAULT_TOKEN, LocalTelegram


async def serve(telegram: LocalTelegram) -> None:
    """Serve until a signal asks to stop."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop.set)
    async with telegram:
        ready = {
            "api_url": telegram.api_url,
            "page_url": telegram.page_url,
            "token": telegram.token,
        }
        sys.stdout.write(json.dumps(ready) + "\n")
        sys.stdout.flush()
        await stop.wait()


def main() -> int:
    """Return 0 after a stop that was asked for, 2 for a busy port or wrong options."""
    parser = argparse.ArgumentParser(
        prog="python -m bot.local_telegram", description=__doc__
    )
    parser.add_argument(
        "--host", default="127.0.0.1", help="an address of this machine"
    )
    parser.add_argument("--api-port", type=int, default=0, help="0 picks a free one")
    parser.add_argument("--page-port", type=int, default=0, help="0 picks a free one")
    parser.add_argument(
        "--page-descriptor",
        type=int,
        help="a socket that listens already, instead of --page-port",
    )
    parser.add_argument("--token", default=DEFAULT_TOKEN, help="the bot's token")
    parser.add_argument("--seed", type=int, default=0, help="makes chance repeatable")
    options = parser.parse_args()
    try:
        telegram = LocalTelegram(
            token=options.token,
            host=options.host,
            api_port=options.api_port,
            page_port=options.page_port,
            page_socket=_inherited(options.page_descriptor),
            seed=options.seed,
        )
        asyncio.run(serve(telegram))
    except (PortInUse, ValueError) as error:
        sys.stderr.write(f"{parser.prog}: {error}\n")
        return 2
    return 0


def _inherited(descriptor: int | None) -> socket.socket | None:
    """Return the listening socket that whoever started this process passed on."""
    if descriptor is None:
        return None
    inherited = socket.socket(fileno=descriptor)
    inherited.setblocking(False)
    return inherited


if __name__ == "__main__":
    sys.exit(main())
