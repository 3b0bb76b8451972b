"""The web server's entry point: `uvicorn workers_tutorial.asgi:application`."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "workers_tutorial.settings")

application = get_asgi_application()
