"""The statuses that a shop begins with; a manager changes them in the admin."""

from typing import Any

from django.apps import apps
from django.db import router

# code, Russian name, English name
DEFAULT_STATUSES = (
    ("new", "Новый", "New"),
    ("paid", "Оплачен", "Paid"),
    ("packed", "Собран", "Packed"),
    ("shipped", "Отправлен", "Shipped"),
    ("delivered", "Доставлен", "Delivered"),
    ("cancelled", "Отменён", "Cancelled"),
)


def create_default_statuses(model: Any, using: str) -> None:
    """Make the statuses in an empty table; `model` may be that of a migration."""
    statuses = model._default_manager.using(using)
    if statuses.exists():
        return
    statuses.bulk_create(
        model(code=code, name_ru=russian, name_en=english, position=position)
        for position, (code, russian, english) in enumerate(DEFAULT_STATUSES, start=1)
    )


def create_after_flush(using: str, apps: Any = apps, **_: Any) -> None:
    """Make them again when `manage.py flush` emptied the table: orders need one."""
    try:
        model = apps.get_model("notifications", "OrderStatus")
    except LookupError:
        # Migrated back to before there were statuses.
        return
    if using == router.db_for_write(model):
        create_default_statuses(model, using)
