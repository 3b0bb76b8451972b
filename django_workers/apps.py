"""How Django finds this app."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class DjangoWorkersConfig(AppConfig):
    name = "django_workers"
    default_auto_field = "django.db.models.BigAutoField"
    verbose_name = _("Queues")

    def ready(self) -> None:
        from . import checks  # noqa: F401 - registers them, once the apps are ready
