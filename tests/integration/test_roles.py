"""The groups of the shop's people have exactly the rights of the table."""

import subprocess
import sys
from pathlib import Path

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, Permission, User
from django.contrib.contenttypes.models import ContentType
from django.db import DEFAULT_DB_ALIAS

from notifications.roles import (
    MANAGER,
    OBSERVER,
    OPERATOR,
    ROLES,
    grant,
    permissions_of,
)
from tests.support.product import RunningProduct

pytestmark = pytest.mark.django_db


@pytest.fixture
def groups() -> None:
    """Make the groups anew: tests that empty the database empty them, too."""
    Group.objects.all().delete()
    grant(apps, using=DEFAULT_DB_ALIAS)


def rights_of(role: str) -> set[tuple[str, str]]:
    permissions = Permission.objects.filter(group__name=role)
    return set(permissions.values_list("content_type__app_label", "codename"))


@pytest.mark.parametrize("role", ROLES)
def test_a_group_has_exactly_its_rights(groups: None, role: str) -> None:
    assert rights_of(role) == permissions_of(role)


def test_every_right_of_the_table_exists() -> None:
    every = set(Permission.objects.values_list("content_type__app_label", "codename"))

    for role in ROLES:
        assert permissions_of(role) - every == set()


def test_a_manager_has_no_power_over_queues_and_people() -> None:
    apps_of_a_manager = {app for app, _ in permissions_of(MANAGER)}

    assert apps_of_a_manager == {"notifications"}


def test_an_operator_may_whatever_a_manager_may() -> None:
    assert permissions_of(OPERATOR) > permissions_of(MANAGER)
    assert ("django_workers", "pause_queue") in permissions_of(OPERATOR)


def test_an_observer_only_looks() -> None:
    verbs = {codename.partition("_")[0] for _, codename in permissions_of(OBSERVER)}

    assert verbs == {"view"}


def test_to_grant_again_changes_nothing(groups: None) -> None:
    before = {role: rights_of(role) for role in ROLES}

    grant(apps, using=DEFAULT_DB_ALIAS)

    assert {role: rights_of(role) for role in ROLES} == before
    assert Group.objects.count() == len(ROLES)


def test_a_group_that_the_shop_had_made_keeps_its_people_and_rights() -> None:
    Group.objects.all().delete()
    own = Group.objects.create(name=MANAGER)
    own.permissions.add(Permission.objects.get(codename="view_user"))
    olga = User.objects.create_user("olga")
    olga.groups.add(own)

    grant(apps, using=DEFAULT_DB_ALIAS)

    assert rights_of(MANAGER) == permissions_of(MANAGER) | {("auth", "view_user")}
    assert User.objects.get(pk=olga.pk).has_perm("notifications.add_order")


def test_permissions_that_are_not_there_yet_are_made_as_django_names_them() -> None:
    types = ContentType.objects.filter(
        app_label__in=["notifications", "django_workers"]
    )
    named = set(Permission.objects.values_list("codename", "name"))
    types.delete()
    ContentType.objects.clear_cache()
    Group.objects.all().delete()

    grant(apps, using=DEFAULT_DB_ALIAS)

    assert rights_of(OPERATOR) == permissions_of(OPERATOR)
    assert set(Permission.objects.values_list("codename", "name")) == named
    ContentType.objects.clear_cache()


def test_a_fresh_database_has_the_groups_as_soon_as_it_is_migrated(
    tmp_path: Path,
) -> None:
    shop = RunningProduct(tmp_path)
    root = Path(__file__).resolve().parents[2]

    subprocess.run(
        [sys.executable, "manage.py", "migrate", "--verbosity=0"],
        cwd=root,
        env=shop.environment,
        check=True,
        timeout=100,
    )

    found = shop.query(
        "SELECT g.name, t.app_label, p.codename FROM auth_group g "
        "JOIN auth_group_permissions gp ON gp.group_id = g.id "
        "JOIN auth_permission p ON p.id = gp.permission_id "
        "JOIN django_content_type t ON t.id = p.content_type_id"
    )
    for role in ROLES:
        rights = {(app, codename) for name, app, codename in found if name == role}
        # If this fails: add a migration with RunPython(grant_roles, noop).
        assert rights == permissions_of(role)
