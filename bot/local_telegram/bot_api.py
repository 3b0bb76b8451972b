"""How is a request to the Bot API answered, and what goes wrong with it?"""

import asyncio
import logging
import re
import time
from typing import Any

from aiohttp import web

from .answers import (
    ApiError,
    answer,
    front_page_error,
    refusal,
    success,
    too_many_requests,
)
from .bot_methods import BotMethods, Method
from .faults import Faults, Rule
from .hub import Hub
from .ledger import Entry, Ledger
from .parameters import Parameters, read_parameters

_log = logging.getLogger("bot.local_telegram")

_PATH = re.compile(r"/bot([^/]+)/([^/]+)/?")
_TOKEN = re.compile(r"[0-9]+:[A-Za-z0-9_-]+")
_UNFINISHED = ApiError(500, "Internal Server Error: sorry, the local Telegram failed")


class _Visit:
    """One request on its way: what the ledger will say about it."""

    __slots__ = (
        "at",
        "chat_id",
        "fault",
        "is_noted",
        "message_id",
        "method",
        "started",
        "text",
    )

    def __init__(self) -> None:
        self.at = time.time()
        self.started = time.monotonic()
        self.method = ""
        self.chat_id: int | None = None
        self.text: str | None = None
        self.fault = ""
        self.message_id: int | None = None
        self.is_noted = False


class BotApi:
    """Answers /bot<token>/<method>, and writes every request into the ledger."""

    def __init__(
        self,
        *,
        token: str,
        methods: BotMethods,
        faults: Faults,
        ledger: Ledger,
        hub: Hub,
    ) -> None:
        self._token = token
        self._methods = methods
        self._faults = faults
        self._ledger = ledger
        self._hub = hub
        self.in_flight = 0

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request; never a traceback, whatever it contains."""
        visit = _Visit()
        self.in_flight += 1
        self._hub.wake()
        try:
            return await self._answer(request, visit)
        except ApiError as error:
            self._note(visit, error.code, error.description)
            return refusal(error)
        except asyncio.CancelledError:
            # The connection ends with Telegram: it went down, or stops for good.
            if not visit.is_noted:
                visit.fault = visit.fault or "down"
                self._note(visit, 0)
            raise
        except ConnectionError:
            self._note(visit, 0, "the caller went away")
            return _cut(request)
        except Exception:
            _log.exception("A request to %s failed here", visit.method or "the Bot API")
            self._note(visit, _UNFINISHED.code, _UNFINISHED.description)
            return refusal(_UNFINISHED)
        finally:
            self.in_flight -= 1

    async def _answer(
        self, request: web.BaseRequest, visit: _Visit
    ) -> web.StreamResponse:
        method = self._find(request, visit)
        parameters = await read_parameters(request)
        visit.chat_id = parameters.chat_id()
        visit.text = parameters.text("text") or None
        if self._faults.slow_seconds:
            visit.fault = "slow"
            await asyncio.sleep(self._faults.slow_seconds)
        if self._faults.revoked:
            visit.fault = "revoked"
            raise ApiError(401, "Unauthorized")
        rule = self._faults.strike(visit.method, visit.chat_id)
        if rule is not None:
            return await self._go_wrong(rule, request, visit, method, parameters)
        body = await self._process(visit, method, parameters)
        self._note(visit, 200)
        return answer(body)

    def _find(self, request: web.BaseRequest, visit: _Visit) -> Method:
        path = _PATH.fullmatch(request.path)
        if path is None or not _TOKEN.fullmatch(path[1]):
            raise ApiError(404, "Not Found")
        found = self._methods.find(path[2])
        visit.method = found[0] if found else path[2]
        if path[1] != self._token:
            raise ApiError(401, "Unauthorized")
        if found is None or request.method not in ("GET", "POST"):
            raise ApiError(404, "Not Found")
        return found[1]

    async def _process(
        self, visit: _Visit, method: Method, parameters: Parameters
    ) -> bytes:
        result: Any = method(parameters)
        if asyncio.iscoroutine(result):
            result = await result
        if visit.method == "sendMessage":
            visit.message_id = result["message_id"]
        return success(result)

    async def _go_wrong(
        self,
        rule: Rule,
        request: web.BaseRequest,
        visit: _Visit,
        method: Method,
        parameters: Parameters,
    ) -> web.StreamResponse:
        visit.fault = rule.kind
        if self._hub.is_watched:  # Pages show how often each rule has struck.
            self._hub.publish("faults", faults=self._faults.as_json())
        if rule.kind in ("flood", "refuse", "server_error"):
            return self._refuse(rule, visit)
        body = b""
        if rule.kind not in ("cut_before", "hang_before"):
            body = await self._process(visit, method, parameters)
        match rule.kind:
            case "half_answer":
                self._note(visit, 200)
                return await _send_half(request, body)
            case "hang_before" | "hang_after":
                return await self._hang(request, visit)
            case _:
                self._note(visit, 0)
                return _cut(request)

    def _refuse(self, rule: Rule, visit: _Visit) -> web.StreamResponse:
        if rule.kind == "flood":
            raise too_many_requests(rule.retry_after)
        if rule.kind == "refuse":
            raise ApiError(rule.code, rule.description or "Bad Request: refused")
        if not rule.html:
            words = {500: "Internal Server Error", 502: "Bad Gateway"}
            usual = words.get(rule.code, "Service Unavailable")
            raise ApiError(rule.code, rule.description or usual)
        self._note(visit, rule.code, "an HTML page")
        return front_page_error(rule.code)

    async def _hang(
        self, request: web.BaseRequest, visit: _Visit
    ) -> web.StreamResponse:
        self._note(visit, 0)
        await self._faults.cleared.wait()
        return _cut(request)

    def _note(self, visit: _Visit, code: int, description: str = "") -> None:
        visit.is_noted = True
        entry = self._ledger.record(
            visit.method,
            at=visit.at,
            started=visit.started,
            code=code,
            chat_id=visit.chat_id,
            text=visit.text,
            description=description,
            fault=visit.fault,
            message_id=visit.message_id,
        )
        if self._hub.is_watched and is_worth_showing(entry):
            self._hub.publish("log", entry=entry.as_json())
        else:
            self._hub.wake()


def is_worth_showing(entry: Entry) -> bool:
    """Return whether a person wants to see it: an empty poll is not news."""
    return entry.method != "getUpdates" or entry.code not in (0, 200)


def _cut(request: web.BaseRequest) -> web.StreamResponse:
    """Close the connection without a word."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def _send_half(request: web.BaseRequest, body: bytes) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    response.content_length = len(body)
    await response.prepare(request)
    await response.write(body[: len(body) // 2])
    if request.transport is not None:
        request.transport.close()
    return response
