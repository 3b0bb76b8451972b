"""The settings of a chaos run's processes: the engine's events go to the ledger."""

from typing import Any, cast

from tests.settings import *  # noqa: F403
from tests.settings import LOGGING

_logging = cast("dict[str, Any]", LOGGING)
_logging["handlers"]["ledger"] = {"class": "tests.soak.points.EngineEvents"}
_logging["handlers"]["console"]["level"] = "INFO"
# task.started is told at this level: the moment at which a start was decided.
_logging["loggers"]["django_workers"] = {"level": "DEBUG", "handlers": ["ledger"]}

# Workers are started all the time here: they load what the engine needs, no more.
INSTALLED_APPS = ["django_workers", "tests.shop"]
