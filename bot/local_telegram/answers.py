"""How does the Bot API put a result or an error into words?"""

import json
from typing import Any

from aiohttp import web

_JSON = "application/json"
_dumps = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class ApiError(Exception):
    """A request that Telegram refuses, in Telegram's own words."""

    def __init__(
        self, code: int, description: str, parameters: dict[str, Any] | None = None
    ) -> None:
        super().__init__(description)
        self.code = code
        self.description = description
        self.parameters = parameters


def bad_request(reason: str) -> ApiError:
    return ApiError(400, f"Bad Request: {reason}")


def too_many_requests(retry_after: int) -> ApiError:
    return ApiError(
        429,
        f"Too Many Requests: retry after {retry_after}",
        {"retry_after": retry_after},
    )


def success(result: Any) -> bytes:
    return f'{{"ok":true,"result":{_dumps(result)}}}'.encode()


def answer(body: bytes) -> web.Response:
    return web.Response(body=body, content_type=_JSON)


def refusal(error: ApiError) -> web.Response:
    content: dict[str, Any] = {
        "ok": False,
        "error_code": error.code,
        "description": error.description,
    }
    headers = {}
    if error.parameters:
        content["parameters"] = error.parameters
        if "retry_after" in error.parameters:
            headers["Retry-After"] = str(error.parameters["retry_after"])
    return web.Response(
        status=error.code,
        headers=headers,
        body=_dumps(content).encode(),
        content_type=_JSON,
    )


def front_page_error(code: int) -> web.Response:
    """Return what the web server in front of Telegram says when Telegram fails."""
    reason = {500: "Internal Server Error", 502: "Bad Gateway", 504: "Gateway Time-out"}
    title = f"{code} {reason.get(code, 'Service Temporarily Unavailable')}"
    return web.Response(
        status=code,
        content_type="text/html",
        text=f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n"
        f"<center><h1>{title}</h1></center>\r\n<hr><center>nginx/1.18.0</center>\r\n"
        f"</body>\r\n</html>\r\n",
    )
