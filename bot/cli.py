"""What can be asked for on the command line."""

import argparse
from collections.abc import Sequence
from typing import Any

from bot.demo import running as demo
from bot.processes import logs, product

_EPILOG = """\
Settings come from .env and the environment; .env.example explains each.

exit codes:
  0    stopped by SIGTERM or Ctrl-C; a second signal kills at once: 128 + its number
  1    something failed
  2    a mistake in settings or options, no token, or a busy port
  78   Telegram rejects the token
"""


# Not argparse's own: what stood on the command line must be told from them.
_DEFAULTS: dict[str, Any] = {"host": "127.0.0.1", "port": 8000, "no_web": False}


def run(arguments: Sequence[str]) -> int:
    """Do what the arguments ask for; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m bot",
        description="Run the bot, the worker that sends notifications, and the admin.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_product_options(parser)
    commands = parser.add_subparsers(dest="command", title="commands", metavar="")
    _add_demo(commands.add_parser("demo", help="try everything without a token"))
    options = parser.parse_args(arguments)
    if options.command == "demo":
        if misplaced := [name for name in _DEFAULTS if hasattr(options, name)]:
            name = f"--{misplaced[0].replace('_', '-')}"
            parser.error(
                f"{name} stands before `demo`, whose own options stand after it: "
                "python -m bot demo --port 8000"
            )
        return demo.run(
            port=options.demo_port,
            telegram_port=options.telegram_port,
            is_check=options.check,
        )
    logs.configure_supervisor()
    chosen = _DEFAULTS | vars(options)
    return product.run(
        host=chosen["host"], port=chosen["port"], with_web=not chosen["no_web"]
    )


def _add_product_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--host",
        default=argparse.SUPPRESS,
        help=f"where the admin listens ({_DEFAULTS['host']})",
    )
    parser.add_argument(
        "--port",
        type=_port,
        default=argparse.SUPPRESS,
        help=f"its port ({_DEFAULTS['port']}; 0: any free)",
    )
    parser.add_argument(
        "--no-web",
        action="store_true",
        default=argparse.SUPPRESS,
        help="run without the admin",
    )


def _add_demo(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Everything on this machine alone: a Telegram with phones in the browser, and "
        "a database that is thrown away afterwards."
    )
    parser.add_argument(
        "--port",
        dest="demo_port",
        type=_port,
        default=8000,
        help="the admin's port (%(default)s, or the next free one)",
    )
    parser.add_argument(
        "--telegram-port",
        type=_port,
        default=8081,
        help="the phones' port (%(default)s, or the next free one)",
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="exit as soon as an order was delivered: 0; 1 if it takes over a minute",
    )


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65535:
        raise ValueError
    return port


_port.__name__ = "port"  # argparse says: invalid port value
