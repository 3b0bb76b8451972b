"""The project's settings, narrowed for tests: a database and files of their own."""

import os
import secrets
import tempfile
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent

# All files of one run of the tests; tests/conftest.py makes the folder and removes it.
# The processes that a run starts find it here, and are known by it.
FOLDER = Path(
    os.environ.setdefault(
        "TEST_FOLDER",
        str(Path(tempfile.gettempdir(), f"order-notifications-{secrets.token_hex(8)}")),
    )
)

# Nothing of the developer's own configuration may leak into a test, or out of it.
for _line in (BASE_DIR / ".env.example").read_text(encoding="utf-8").splitlines():
    if not _line.startswith("#"):
        os.environ.pop(_line.partition("=")[0], None)
os.environ.update(
    ENV_FILE=os.devnull,
    SECRET_KEY="only-for-tests",
    TG_BOT_TOKEN="123456789:" + "t" * 35,
    TG_API_URL="http://127.0.0.1:9",
    DATABASE_URL=os.environ.get("TEST_DATABASE_URL")
    or f"sqlite:///{FOLDER / 'unused.sqlite3'}",
    SQLITE_SYNCHRONOUS="NORMAL",
)

from workers_tutorial.settings import *  # noqa: E402, F403
from workers_tutorial.settings import DATABASES, INSTALLED_APPS  # noqa: E402

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # Locks behave on a file as they do for users; in memory they do not.
    DATABASES["default"]["TEST"] = {"NAME": str(FOLDER / "test.sqlite3")}

INSTALLED_APPS = [*INSTALLED_APPS, "tests.shop"]
