"""One stream of log lines for all processes: time, process, level, logger, message."""

import logging
import os
import time

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


def configure_process(part: str) -> None:
    """Make this process, which has its settings, log as all of ours do."""
    from django.conf import settings  # not at the top: the supervisor has no Django

    from bot.processes import redaction

    urls = (settings.TG_PROXY_URL, settings.DATABASE_URL)
    redaction.install(redaction.secrets_of(token=settings.TG_BOT_TOKEN, urls=urls))
    format_lines(part)
    is_debug = settings.LOG_LEVEL == "DEBUG"
    if is_debug:
        for name in ("aiogram", "aiohttp", "asyncio", "uvicorn"):
            logging.getLogger(name).setLevel(logging.DEBUG)
    else:
        # `bot.conversation.poll_watch` says the same in words, and once.
        logging.getLogger("aiogram.dispatcher").setLevel(logging.CRITICAL)


def format_lines(part: str) -> None:
    """Name the part in every line, also after somebody replaced the handlers."""
    for handler in logging.getLogger().handlers:
        handler.setFormatter(_Formatter(part))


def configure_supervisor() -> None:
    """Make the process log that has no settings and no libraries."""
    handler = logging.StreamHandler()
    handler.setFormatter(_Formatter("supervisor"))
    level = os.environ.get("LOG_LEVEL", "INFO")
    logging.basicConfig(
        handlers=[handler], level=level if level in LEVELS else "INFO", force=True
    )


class _Formatter(logging.Formatter):
    """Begins every line, those of a traceback too, with its time and process."""

    def __init__(self, part: str) -> None:
        super().__init__(
            f"{{asctime}}.{{msecs:03.0f}}Z {part:<10} {{levelname:<8}} {{name}}: "
            "{message}",
            datefmt="%Y-%m-%dT%H:%M:%S",
            style="{",
        )
        # Django moves a process to the shop's time zone; the supervisor knows of none.
        self.converter = time.gmtime
        self._part = part

    def format(self, record: logging.LogRecord) -> str:
        first, *others = super().format(record).rstrip().splitlines() or [""]
        if not others:
            return first
        moment = f"{record.asctime}.{record.msecs:03.0f}Z {self._part:<10}"
        return "\n".join([first, *(f"{moment} | {line}" for line in others)])
