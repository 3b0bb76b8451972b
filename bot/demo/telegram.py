"""The demo's own Telegram, as a part of the supervisor's."""

import os
import sys

from bot.local_telegram.__main__ import main


def run(*options: str) -> int:
    """Serve until SIGTERM; the options are those of `python -m bot.local_telegram`."""
    token = os.environ["TG_BOT_TOKEN"]
    sys.argv = ["python -m bot.local_telegram", *options, "--token", token]
    return main()
