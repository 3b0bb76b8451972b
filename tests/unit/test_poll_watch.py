"""What the watch on the polling writes down, for the dashboard to judge the bot by."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import pytest
from aiogram import Bot
from aiogram.exceptions import (
    ClientDecodeError,
    TelegramBadRequest,
    TelegramConflictError,
    TelegramNetworkError,
    TelegramNotFound,
    TelegramRetryAfter,
    TelegramUnauthorizedError,
)
from aiogram.methods import GetMe, GetUpdates

from bot.conversation.explaining import explain
from bot.conversation.poll_watch import PollWatch

METHOD = GetUpdates()
CONFLICT = TelegramConflictError(METHOD, "terminated by other getUpdates request")
UNREACHABLE = TelegramNetworkError(METHOD, "Cannot connect")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (CONFLICT, "conflict"),
        (TelegramConflictError(METHOD, "can't use while webhook is active"), "webhook"),
        (TelegramUnauthorizedError(METHOD, "Unauthorized"), "token_rejected"),
        (TelegramNotFound(METHOD, "Not Found"), "token_rejected"),
        (TelegramRetryAfter(METHOD, "Too Many Requests", 5), "flood"),
        (UNREACHABLE, "unreachable"),
        (ClientDecodeError("no JSON", ValueError("x"), "<html>"), "not_telegram"),
        (TelegramBadRequest(METHOD, "strange"), "refused"),
    ],
)
def test_each_trouble_has_a_kind_and_a_line(error: Exception, code: str) -> None:
    trouble = explain(error)

    assert trouble.code == code
    assert str(trouble)
    assert "\n" not in str(trouble)


def watched(
    *answers: Exception | None, write_every: float = 1000.0, method: Any = METHOD
) -> list[dict[str, Any]]:
    """Return what was written while the polls ended as the answers say."""
    written: list[dict[str, Any]] = []

    async def record(**facts: Any) -> None:
        written.append(facts)

    async def run() -> None:
        watch: Any = PollWatch(record, write_every)
        bot = Bot("123456789:" + "t" * 35)
        for answer in answers:
            ending: Any = contextlib.nullcontext()
            with ending if answer is None else pytest.raises(type(answer)):
                await watch(_answering(answer), bot, method)

    asyncio.run(run())
    return written


def _answering(answer: Exception | None) -> Callable[..., Any]:
    async def make_request(bot: Bot, method: Any) -> Any:
        if answer is not None:
            raise answer
        # Not empty: an empty answer is waited for.
        return [object()]

    return make_request


def codes(written: list[dict[str, Any]]) -> list[str]:
    return [facts["last_error_code"] for facts in written]


def test_a_successful_poll_is_written_with_its_time() -> None:
    (facts,) = watched(None)

    assert facts["last_poll_at"].tzinfo is not None
    assert facts["last_error"] == facts["last_error_code"] == ""


def test_polls_are_written_from_time_to_time_only() -> None:
    assert len(watched(None, None, None)) == 1
    assert len(watched(None, None, None, write_every=0)) == 3


def test_trouble_is_written_at_once_and_so_is_its_end() -> None:
    written = watched(None, CONFLICT, UNREACHABLE, None)

    assert codes(written) == ["", "conflict", "unreachable", ""]


def test_trouble_that_lasts_is_written_again_so_that_the_bot_is_seen_to_run() -> None:
    assert codes(watched(CONFLICT, CONFLICT)) == ["conflict"]
    assert codes(watched(CONFLICT, CONFLICT, write_every=0)) == ["conflict"] * 2


def test_a_long_wait_is_written_again_and_again() -> None:
    flood = TelegramRetryAfter(METHOD, "Too Many Requests", 1)

    written = watched(flood, write_every=0.2)

    assert set(codes(written)) == {"flood"}
    assert len(written) >= 3


def test_calls_that_are_no_polls_are_not_written() -> None:
    assert watched(None, UNREACHABLE, method=GetMe()) == []
