"""The entry point for a WSGI server: `workers_tutorial.wsgi:application`."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "workers_tutorial.settings")

application = get_wsgi_application()
