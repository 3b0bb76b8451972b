"""What did the caller of a Bot API method pass, in whichever form it came?"""

import json
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web

from .answers import ApiError, bad_request


class Parameters:
    """A request's parameters, read the lenient way the Bot API reads them."""

    def __init__(self, values: dict[str, Any]) -> None:
        self._values = values

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def text(self, name: str) -> str:
        value = self._values.get(name)
        if value is None:
            return ""
        if isinstance(value, str):
            return value
        return (
            json.dumps(value) if isinstance(value, bool | list | dict) else f"{value}"
        )

    def whole(self, name: str, default: int = 0) -> int:
        try:
            return int(self.text(name))
        except ValueError:
            return default

    def flag(self, name: str) -> bool:
        return self.text(name).strip().lower() in ("true", "yes", "1")

    def structure(self, name: str, words: str) -> Any:
        """Return a value that is JSON, also inside a form; None when there is none."""
        value = self._values.get(name)
        if not isinstance(value, str):
            return value
        if not value.strip():
            return None
        try:
            return json.loads(value)
        except ValueError:
            raise bad_request(f"can't parse {words} JSON object") from None

    def chat_id(self) -> int | None:
        """Return the number of the chat, None when what was passed is no number."""
        try:
            return int(self.text("chat_id"))
        except ValueError:
            return None


async def read_parameters(request: web.BaseRequest) -> Parameters:
    """Return the parameters of query and body; raise ApiError for a broken body."""
    values: dict[str, Any] = dict(request.query) if request.query_string else {}
    if request.method == "POST" and request.can_read_body:
        try:
            values.update(await _read_body(request))
        except web.HTTPRequestEntityTooLarge:
            raise ApiError(413, "Request Entity Too Large") from None
    return Parameters(values)


async def _read_body(request: web.BaseRequest) -> dict[str, Any]:
    kind = request.content_type
    if kind == "multipart/form-data":
        return await _read_multipart(request)
    body = await request.read()
    if kind == "application/json":
        return _read_json(body)
    if kind in ("application/x-www-form-urlencoded", "application/octet-stream"):
        pairs = parse_qsl(body.decode(errors="replace"), keep_blank_values=True)
        return dict(pairs)
    return {}


def _read_json(body: bytes) -> dict[str, Any]:
    if not body.strip():
        return {}
    try:
        values = json.loads(body)
    except (ValueError, RecursionError):
        raise bad_request("can't parse JSON object") from None
    if not isinstance(values, dict):
        raise bad_request("can't parse JSON object: object expected")
    return values


async def _read_multipart(request: web.BaseRequest) -> dict[str, Any]:
    try:
        form = await request.post()
    except web.HTTPException:
        raise
    except (ValueError, AssertionError, RuntimeError):
        raise bad_request("can't parse multipart form data") from None
    values = {}
    for name, value in form.items():
        if isinstance(value, str):
            values[name] = value
        elif isinstance(value, web.FileField):
            value.file.close()
    return values
