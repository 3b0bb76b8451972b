"""The project's settings, narrowed for tests: a database file of their own."""

import os
import tempfile
from pathlib import Path

_folder = Path(os.environ.get("TEST_FOLDER") or tempfile.gettempdir())
os.environ.update(
    # Nothing of the developer's own configuration may leak into a test, or out of it.
    ENV_FILE=os.devnull,
    SECRET_KEY="only-for-tests",
    TG_BOT_TOKEN="123456789:" + "t" * 35,
    TG_API_URL="http://127.0.0.1:9",
    DATABASE_URL=os.environ.get("TEST_DATABASE_URL")
    or f"sqlite:///{_folder / f'order-notifications-{os.getpid()}.sqlite3'}",
    SQLITE_SYNCHRONOUS="NORMAL",
)

from workers_tutorial.settings import *  # noqa: E402, F403
from workers_tutorial.settings import DATABASES  # noqa: E402

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # Locks behave on a file as they do for users; in memory they do not.
    DATABASES["default"]["TEST"] = {"NAME": str(DATABASES["default"]["NAME"]) + "-test"}
