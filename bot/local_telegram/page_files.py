"""Which files make the chat page, and with which headers do they go out?"""

from pathlib import Path
from typing import TypeVar

from aiohttp import web

_FOLDER = Path(__file__).with_name("page")
_TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".json": "application/json",
    ".svg": "image/svg+xml",
}
_SAFE_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_Response = TypeVar("_Response", bound=web.StreamResponse)


class PageFiles:
    """The page's few files, read once: no path from outside reaches the disk."""

    def __init__(self) -> None:
        self._files = {path.name: path.read_bytes() for path in _FOLDER.iterdir()}

    async def index(self, request: web.Request) -> web.Response:
        return self._send("index.html")

    async def icon(self, request: web.Request) -> web.Response:
        return self._send("icon.svg")

    async def file(self, request: web.Request) -> web.Response:
        return self._send(request.match_info["name"])

    def _send(self, name: str) -> web.Response:
        if name not in self._files:
            raise web.HTTPNotFound(text="there is no such file")
        return with_safe_headers(
            web.Response(
                body=self._files[name],
                content_type=_TYPES[Path(name).suffix],
                charset="utf-8",
            )
        )


def with_safe_headers(response: _Response) -> _Response:
    """Allow the page its own files and nothing else, and let nobody keep a copy."""
    response.headers.update(_SAFE_HEADERS)
    return response
