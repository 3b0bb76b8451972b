"""Who may do what: the groups of the shop's people, and the one table of their rights.

A migration that adds a model is followed by one with `RunPython(grant_roles, noop)`:
it gives the groups whatever this table says of the models that there are by then. It
only ever adds. What a shop has added to a group stays, and a group of such a name that
the shop had made for itself gets our rights beside its own.
"""

from collections.abc import Mapping
from typing import Any

from django.apps.registry import Apps
from django.contrib.auth.management import create_permissions
from django.db import router
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

MANAGER, OPERATOR, OBSERVER = "Менеджер", "Оператор", "Наблюдатель"

# By model: what may be done with it, as Django names its permissions.
Rights = Mapping[str, str]

_OBSERVER: Rights = {
    "notifications.order": "view",
    "notifications.orderstatus": "view",
    "notifications.customer": "view",
    "notifications.ordernotification": "view",
    "notifications.deliveryattempt": "view",
    "notifications.botstatus": "view",
    "django_workers.queue": "view",
    "django_workers.worker": "view",
}
_MANAGER: Rights = {
    "notifications.order": "view add change delete",
    # What customers read is the manager's to write.
    "notifications.orderstatus": "view add change delete",
    "notifications.customer": "view add change delete",
    # To change one is to press Retry; deleting an order deletes its messages.
    "notifications.ordernotification": "view add change delete",
    "notifications.deliveryattempt": "view",
    "notifications.botstatus": "view",
}
_OPERATOR: Rights = {
    **_MANAGER,
    "django_workers.queue": "view pause",
    "django_workers.worker": "view",
    "django_workers.claim": "view",
}

ROLES: Mapping[str, Rights] = {
    MANAGER: _MANAGER,
    OPERATOR: _OPERATOR,
    OBSERVER: _OBSERVER,
}


def permissions_of(role: str) -> set[tuple[str, str]]:
    """Return the app and the code name of each permission of the role."""
    return {
        (app, f"{verb}_{model}")
        for label, verbs in ROLES[role].items()
        for app, model in [label.split(".")]
        for verb in verbs.split()
    }


def grant_roles(apps: Any, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Make the groups, and give them their rights over the models that there are."""
    grant(apps, using=schema_editor.connection.alias)


def grant(apps: Apps, *, using: str) -> None:
    """Do so with the models of `apps`, in one database."""
    group_model = apps.get_model("auth", "Group")
    if not router.allow_migrate_model(using, group_model):
        return
    # Django itself makes them only when all migrations are done.
    for app in {label.split(".")[0] for rights in ROLES.values() for label in rights}:
        _make_permissions(apps, app, using)
    permissions = apps.get_model("auth", "Permission").objects.using(using)
    known = {
        (app, codename): pk
        for pk, app, codename in permissions.values_list(
            "pk", "content_type__app_label", "codename"
        )
    }
    for role in ROLES:
        group, _ = group_model.objects.using(using).get_or_create(name=role)
        granted = [known[name] for name in permissions_of(role) if name in known]
        group.permissions.add(*granted)


def _make_permissions(apps: Apps, app: str, using: str) -> None:
    config: Any = apps.get_app_config(app)
    # The app of a migration does not say that it has models: then it would get none.
    before = getattr(config, "models_module", None)
    config.models_module = before or True
    try:
        create_permissions(config, verbosity=0, using=using, apps=apps)
    finally:
        config.models_module = before
