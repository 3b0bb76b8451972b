"""The parts of the product, and a run of all of them."""

import logging
from collections.abc import Mapping

from bot import exit_codes
from bot.processes import ports
from bot.processes.parts import Part
from bot.processes.supervisor import Supervisor

# All of them together stay below the 30 s that a stop may take when Telegram is silent.
_POLLING_STOP_SECONDS = 4.0
_WORKER_DRAIN_SECONDS = 21.0
_WORKER_STOP_SECONDS = 23.0
_WEB_STOP_SECONDS = 2.5

_logger = logging.getLogger(__name__)


def make_parts(
    web_descriptor: int | None, environment: Mapping[str, str] | None = None
) -> list[Part]:
    """Return the parts in the order in which they are stopped.

    The web server, if wanted, serves on a socket that listens already.
    """
    parts = [
        Part("polling", stop_seconds=_POLLING_STOP_SECONDS, environment=environment),
        Part(
            "worker",
            str(_WORKER_DRAIN_SECONDS),
            stop_seconds=_WORKER_STOP_SECONDS,
            environment=environment,
        ),
    ]
    if web_descriptor is not None:
        web = Part(
            "web",
            str(web_descriptor),
            stop_seconds=_WEB_STOP_SECONDS,
            environment=environment,
            descriptors=[web_descriptor],
        )
        parts.append(web)
    return parts


def run(*, host: str, port: int, with_web: bool) -> int:
    """Run the product until a signal comes; return the exit code."""
    preparation = Part("prepare", restarts=False)
    if not with_web:
        return Supervisor(make_parts(None), preparation=preparation).run()
    try:
        listening = ports.listen(host, port)
    except (OSError, OverflowError) as error:
        _logger.critical(
            "The admin cannot use port %s on %s: %s. Stop the program that has it, or "
            "choose another one: python -m bot --port %s",
            port,
            host,
            getattr(error, "strerror", None) or error,
            port + 1 if port < 65535 else 8000,
        )
        return exit_codes.MISCONFIGURED
    with listening:
        url = ports.url_of(host, ports.port_of(listening))
        parts = make_parts(listening.fileno())
        supervisor = Supervisor(
            parts,
            preparation=preparation,
            on_started=lambda: _logger.info("The admin is at %s/admin/", url),
        )
        return supervisor.run()
