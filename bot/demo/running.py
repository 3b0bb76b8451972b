"""`python -m bot demo`: the same product, with a Telegram of its own."""

import os
import secrets
import time

from bot.demo.saying import say
from bot.demo.throwaway import throwaway_folder
from bot.processes import logs, ports, product
from bot.processes.parts import Part
from bot.processes.supervisor import Supervisor

_HOST = "127.0.0.1"
# What one has configured for the real bot is not for the demo.
NOT_INHERITED = frozenset(
    {
        "ALLOWED_HOSTS",
        "CSRF_TRUSTED_ORIGINS",
        "DEBUG",
        "HTTPS_ONLY",
        "NOTIFICATIONS_CONCURRENCY",
        "NOTIFICATIONS_CONNECT_TIMEOUT",
        "NOTIFICATIONS_COUNT_EVERY_FAILURE",
        "NOTIFICATIONS_FLOOD_JITTER",
        "NOTIFICATIONS_FLOOD_WINDOW",
        "NOTIFICATIONS_MAX_AGE_DAYS",
        "NOTIFICATIONS_OUTAGE_AFTER",
        "NOTIFICATIONS_RATE",
        "NOTIFICATIONS_READ_TIMEOUT",
        "NOTIFICATIONS_RETRY_DELAYS",
        "NOTIFICATIONS_UNCERTAIN",
        "TG_PROXY_URL",
    }
)


def run(*, port: int, telegram_port: int, is_check: bool) -> int:
    """Run until Ctrl-C, or with `is_check` until an order was delivered."""
    os.environ.setdefault("LOG_LEVEL", "WARNING")
    logs.configure_supervisor()
    with (
        throwaway_folder() as folder,
        ports.listen_near(_HOST, port) as listening,
        # Held from here on: another demo may be looking for a port at this moment.
        ports.listen_near(_HOST, telegram_port) as page,
    ):
        # This one vanishes when Telegram is switched off, so nobody can hold it.
        api_port = ports.find_free(_HOST)
        page_port = ports.port_of(page)
        web_port = ports.port_of(listening)
        _mention_other_port(port, web_port)
        _mention_other_port(telegram_port, page_port)

        token = f"{secrets.randbelow(10**9) + 10**9}:{secrets.token_urlsafe(26)[:35]}"
        environment = {
            name: value
            for name, value in os.environ.items()
            if name not in NOT_INHERITED
        } | {
            "ENV_FILE": os.devnull,
            "SECRET_KEY": secrets.token_urlsafe(50),
            "TG_BOT_TOKEN": token,
            "TG_API_URL": ports.url_of(_HOST, api_port),
            "TG_LINK_URL": ports.url_of(_HOST, page_port),
            "DATABASE_URL": f"sqlite:///{folder / 'demo.sqlite3'}",
            # Nobody minds when a power cut takes the latest of a demo.
            "SQLITE_SYNCHRONOUS": "NORMAL",
            # Who switches Telegram off and on again wants to see what happens.
            "NOTIFICATIONS_OUTAGE_PAUSES": "1,2,3",
            "NOTIFICATIONS_TOKEN_PAUSE": "3",
        }
        story = Part(
            "story",
            ports.url_of(_HOST, page_port),
            ports.url_of(_HOST, web_port),
            repr(time.time()),
            restarts=False,
            environment=environment,
        )
        telegram = Part(
            "telegram",
            *("--api-port", str(api_port), "--page-descriptor", str(page.fileno())),
            environment=environment,
            descriptors=[page.fileno()],
            is_quiet=True,
        )
        supervisor = Supervisor(
            [*product.make_parts(listening.fileno(), environment), story, telegram],
            preparation=Part("prepare-demo", restarts=False, environment=environment),
            finishes=story if is_check else None,
        )
        return supervisor.run()


def _mention_other_port(wanted: int, found: int) -> None:
    if wanted not in (0, found):
        say(f"Port {wanted} is busy, so it is {found} instead.")
