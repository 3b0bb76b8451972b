"""Every address of the project, from its own list: a new page is included by itself."""

import re
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.urls import URLPattern, reverse
from playwright.sync_api import BrowserContext

from tests.support.admin_pages import patterns
from tests.support.desk import Desk

# To a question that only a form may ask, to what is not for this person, and to pages
# that lead elsewhere or would have to be told more.
NO_PAGE = {302, 400, 403, 404, 405}


@dataclass(frozen=True, slots=True)
class WholePage:
    """A page that opens for whoever asks, and under which name it is known."""

    name: str
    url: str


def whole_pages(window: BrowserContext, desk: Desk) -> list[WholePage]:
    """Return the pages that open for whoever is logged in there, each with a row.

    Parts of pages, which scripts ask for, and mere buttons are left out.
    """
    root = desk.url.removesuffix("/admin/")
    found = []
    for name, path in sorted(addresses(desk).items()):
        answer = window.request.get(root + path, max_redirects=0)
        assert answer.status == 200 or answer.status in NO_PAGE, (path, answer.status)
        if answer.status == 200 and "<html" in answer.text()[:300]:
            found.append(WholePage(name, root + path))
    return found


def addresses(desk: Desk) -> dict[str, str]:
    """Return the paths by their names, made of the newest row of each model."""
    return {
        name: path
        for route, pattern in patterns()
        for name, path in [_address(route, pattern, desk)]
        if name
    }


def _address(route: str, pattern: URLPattern, desk: Desk) -> tuple[str, str]:
    if not pattern.name or pattern.name == "logout":
        return "", ""
    space = "admin:" if _is_of_the_admin(route, pattern) else ""
    arguments: dict[str, Any] = {
        name: _argument(name, route, desk) for name in pattern.pattern.regex.groupindex
    }
    return pattern.name, reverse(space + pattern.name, kwargs=arguments)


def _is_of_the_admin(route: str, pattern: URLPattern) -> bool:
    return route.startswith("admin/") and pattern.name != "dashboard"


def _argument(name: str, route: str, desk: Desk) -> Any:
    """Return what stands there in the address; fail for what nobody has thought of."""
    if name == "app_label":
        return "notifications"
    if name == "content_type_id":
        return desk.product.query(
            "SELECT id FROM django_content_type WHERE model = 'order'"
        )[0][0]
    model = re.match(r"admin/(\w+)/(\w+)/", route)
    if name not in ("object_id", "pk", "id", "customer_id", "order_id"):
        raise AssertionError(f"What is {name!r} of {route}? Say it here.")
    table = (
        apps.get_model(".".join(model.groups()))
        if model
        else apps.get_model("auth.User")
    )
    key = table._meta.pk.column
    rows = desk.product.query(
        f'SELECT "{key}" FROM "{table._meta.db_table}" ORDER BY "{key}" DESC LIMIT 1'
    )
    value = rows[0][0]
    # On SQLite a UUID is kept as its digits.
    return table._meta.pk.to_python(value)
