"""The settings of a project that knows nothing of what SQLite needs under workers."""

from tests.settings import *  # noqa: F403
from tests.settings import DATABASES

DATABASES["default"].pop("OPTIONS", None)
