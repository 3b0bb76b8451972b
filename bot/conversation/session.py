"""aiogram's session, made to survive an update that it cannot read."""

import copy
import logging
import ssl
import time
from typing import Any

from aiogram import Bot
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.exceptions import ClientDecodeError, TelegramNetworkError
from aiogram.methods import GetUpdates, Response, TelegramMethod
from aiogram.methods.base import TelegramType
from aiogram.types import Update
from aiohttp_socks import ProxyConnectionError, ProxyError, ProxyTimeoutError
from pydantic import ValidationError

GET_UPDATES = GetUpdates.__api_method__

# An EOFError is a SOCKS proxy that hung up.
_PROXY_TROUBLE = (
    ProxyConnectionError,
    ProxyError,
    ProxyTimeoutError,
    OSError,
    EOFError,
)

_logger = logging.getLogger(__name__)


class PatientSession(AiohttpSession):
    """One unreadable update does not keep the others from being read, for ever.

    `proxy_url` may also be an https:// one, which aiogram alone does not know.
    """

    def __init__(self, *, proxy_url: str = "", **options: Any) -> None:
        speaks_tls = proxy_url.startswith("https:")
        known = proxy_url.replace("https:", "http:", 1) if speaks_tls else proxy_url
        super().__init__(proxy=known or None, **options)
        if speaks_tls:
            self._connector_init["proxy_ssl"] = ssl.create_default_context()

    async def make_request(
        self,
        bot: Bot,
        method: TelegramMethod[TelegramType],
        timeout: int | None = None,
    ) -> TelegramType:
        try:
            return await super().make_request(bot, method, timeout=timeout)
        except _PROXY_TROUBLE as error:
            # aiogram lets through what no HTTP library has raised, and polling would
            # end with it.
            words = f"the proxy failed: {str(error) or type(error).__name__}"
            raise TelegramNetworkError(method=method, message=words) from error

    def check_response(
        self,
        bot: Bot,
        method: TelegramMethod[TelegramType],
        status_code: int,
        content: str,
    ) -> Response[TelegramType]:
        try:
            return super().check_response(bot, method, status_code, content)
        except ClientDecodeError as error:
            if method.__api_method__ != GET_UPDATES or not _is_success(error.data):
                raise
            updates = [_readable(update) for update in error.data["result"]]
            readable = {"ok": True, "result": [u for u in updates if u is not None]}
            content = self.json_dumps(readable)
        return super().check_response(bot, method, status_code, content)


def _is_success(answer: Any) -> bool:
    return (
        isinstance(answer, dict)
        and answer.get("ok") is True
        and isinstance(answer.get("result"), list)
    )


def _readable(update: Any) -> dict[str, Any] | None:
    """Return the update, emptied if it cannot be read; None if it has no number."""
    update = _completed(update)
    try:
        Update.model_validate(update)
    except ValidationError as error:
        number = update.get("update_id") if isinstance(update, dict) else None
        _logger.warning(
            "Update %s cannot be read and is skipped: %s",
            number,
            "; ".join(
                f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}"
                for problem in error.errors(include_input=False, include_url=False)
            ),
        )
        return {"update_id": number} if isinstance(number, int) else None
    result: dict[str, Any] = update
    return result


def _completed(update: Any) -> Any:
    """Return the update with the fields that small Bot API servers leave out."""
    completed = copy.deepcopy(update)
    for kind in ("message", "my_chat_member"):
        event = _part(completed, kind)
        for person in (_part(event, "from"), _part(event, "new_chat_member", "user")):
            _fill(person, is_bot=False, first_name="")
        _fill(_part(event, "old_chat_member", "user"), is_bot=False, first_name="")
        _fill(_part(event, "new_chat_member"), until_date=0)
        _fill(_part(event, "old_chat_member"), until_date=0)
        _fill(_part(event, "chat"), type="private")
        _fill(event, date=int(time.time()))
    _fill(_part(completed, "message"), message_id=0)
    return completed


def _part(whole: Any, *path: str) -> dict[str, Any]:
    """Return the object at `path`, or an empty one that belongs to nothing."""
    for name in path:
        whole = whole.get(name) if isinstance(whole, dict) else None
    return whole if isinstance(whole, dict) else {}


def _fill(part: dict[str, Any], **defaults: Any) -> None:
    if part:
        for name, value in defaults.items():
            part.setdefault(name, value)
