#!/usr/bin/env python
"""Django's command line for this project."""

import os
import sys

from bot.processes import redaction


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "workers_tutorial.settings")
    try:
        from django.conf import settings
        from django.core.exceptions import ImproperlyConfigured
        from django.core.management import execute_from_command_line
    except ImportError:
        sys.exit(
            "Django is missing. Run `make setup`, then .venv/bin/python manage.py."
        )
    try:
        settings._setup()  # type: ignore[misc]  # read early: a mistake is one message
    except ImproperlyConfigured as error:
        sys.exit(str(error))
    names = ("TG_BOT_TOKEN", "TG_PROXY_URL", "DATABASE_URL")
    token, *urls = (getattr(settings, name, "") for name in names)
    redaction.clean_records(redaction.secrets_of(token=token, urls=urls))
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
