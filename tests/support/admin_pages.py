"""All pages that the project has, as its addresses tell."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver, reverse

# They lead to another page, or say that there is none; what is there is checked there.
ONLY_REDIRECTS = {
    "",
    "admin/<model>/<path:object_id>/",
    "admin/(?P<url>.*)$",
}


def page_names() -> set[str]:
    """Return the names of all pages; an address without a name under its route."""
    found = set()
    for route, pattern in patterns():
        bare = re.sub(r"^admin/\w+/\w+/(?=<path)", "admin/<model>/", route)
        if pattern.name or bare not in ONLY_REDIRECTS:
            found.add(pattern.name or route)
    return found


def address_of(name: str, keys: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the address of a page of ours.

    `keys` has what addresses are made of, by the name of a page or its beginning.
    """
    (found,) = ((route, p) for route, p in patterns() if p.name == name)
    route, pattern = found
    space = "admin:" if route.startswith("admin/") and name != "dashboard" else ""
    wanted = pattern.pattern.regex.groupindex
    of_page = max((key for key in keys if name.startswith(key)), key=len, default="")
    arguments = {key: keys[of_page][key] for key in wanted}
    return reverse(space + name, kwargs=arguments)


def patterns(
    resolver: URLResolver | None = None, before: str = ""
) -> Iterator[tuple[str, URLPattern]]:
    """Yield every address of the project with its route."""
    for pattern in (resolver or get_resolver()).url_patterns:
        route = before + str(pattern.pattern)
        if isinstance(pattern, URLPattern):
            yield route, pattern
        else:
            yield from patterns(pattern, route)
