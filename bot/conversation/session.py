"""aiogram's session, made to survive an update that it cannot read."""

import logging
from typing import Any

from aiogram import Bot
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.exceptions import ClientDecodeError
from aiogram.methods import GetUpdates, Response, TelegramMethod
from aiogram.methods.base import TelegramType
from aiogram.types import Update
from pydantic import ValidationError

GET_UPDATES = GetUpdates.__api_method__

_logger = logging.getLogger(__name__)


class PatientSession(AiohttpSession):
    """One unreadable update does not keep the others from being read, for ever."""

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
