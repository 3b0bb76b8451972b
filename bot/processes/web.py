"""The web server of the admin."""

import signal
import socket
from contextlib import suppress
from types import FrameType

import uvicorn

from bot import exit_codes
from bot.processes import logs

# A string: the project plugs the bot in, the bot does not import the project.
APPLICATION = "workers_tutorial.asgi:application"
_STOP_SECONDS = 1


def run(descriptor: str) -> int:
    """Serve on a listening socket until SIGTERM."""
    # uvicorn raises the signal again when it is done: that must not end us half-way.
    signal.signal(signal.SIGTERM, _leave_uvicorn)
    config = uvicorn.Config(
        APPLICATION,
        # Logging is set up already; the admin's requests are nobody's news.
        log_config=None,
        access_log=False,
        lifespan="off",  # Django has none
        ws="none",
        server_header=False,
        timeout_graceful_shutdown=_STOP_SECONDS,
    )
    config.load()
    logs.format_lines("web")  # Django was set up anew by its entry point
    with socket.socket(fileno=int(descriptor)) as listening, suppress(SystemExit):
        uvicorn.Server(config).run(sockets=[listening])
    return exit_codes.OK


def _leave_uvicorn(signum: int, frame: FrameType | None) -> None:
    raise SystemExit(exit_codes.OK)
