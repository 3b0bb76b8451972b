"""How do the page and the tests read this Telegram and play its people?

JSON in, JSON out, on the page's port. Errors are {"error": "words"}: 400 for nonsense,
404 for what does not exist, 409 for what a real phone would not offer.

    GET  /control/state                    everything a page shows at first
    GET  /control/chats/ID/messages        ?limit=200, oldest first
    GET  /control/ledger                   ?since=SEQ&method=M&chat_id=ID&limit=N
    GET  /events                           server-sent events, one JSON object each
    GET  /USERNAME?start=CODE              the page with the code at hand, like t.me

    POST /control/users                    first_name [id last_name username
                                           language_code phone is_bot]
    POST /control/users/ID/start           [code]
    POST /control/users/ID/text            text [chat_id]
    POST /control/users/ID/message         any content of a message, say a sticker
    POST /control/users/ID/contact
    POST /control/users/ID/button          message_id data
    POST /control/users/ID/block           and unblock, deactivate, read
    POST /control/groups                   title added_by
    POST /control/groups/ID/upgrade        and leave
    POST /control/updates                  an update of any shape, put before the bot

    POST /control/faults                   [down revoked slow_seconds
                                           messages_per_second seed rules]
    POST /control/faults/rules             kind and more; see faults.Rule
    POST /control/faults/rules/ID/remove
    POST /control/faults/clear             all of the above off, "down" too

Events have a "type": message, edited, deleted, user, bot, faults, log, toast, action,
and reload, after which a page should read the state again.
A POST must be JSON and come from this server's own page or from no page at all.
"""

import asyncio
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from aiohttp import web

from .bot_api import is_worth_showing
from .faults import make_rule
from .page_files import PageFiles, with_safe_headers
from .page_guard import as_json, in_words, only_own_page
from .people import User

if TYPE_CHECKING:
    from .server import LocalTelegram

Json = dict[str, Any]

_LOG_LINES = 60
_KEEP_ALIVE_SECONDS = 15.0


class ControlApi:
    """The page's server; all it does is done by LocalTelegram's own parts."""

    def __init__(self, telegram: "LocalTelegram") -> None:
        self._telegram = telegram
        self._state = telegram.state
        self._faults = telegram.faults
        state = telegram.state
        self._acts: dict[str, Callable[[int, Json], Any]] = {
            "start": lambda user_id, body: state.press_start(
                user_id, _text(body, "code", default="")
            ),
            "text": self._text,
            "message": state.post,
            "contact": lambda user_id, body: state.share_contact(user_id),
            "button": self._button,
            "block": lambda user_id, body: state.block(user_id),
            "unblock": lambda user_id, body: state.unblock(user_id),
            "deactivate": lambda user_id, body: state.deactivate(user_id),
            "read": lambda user_id, body: state.mark_read(user_id),
        }

    def application(self) -> web.Application:
        app = web.Application(middlewares=[only_own_page, in_words])
        files = PageFiles()
        app.router.add_get("/", files.index)
        app.router.add_get("/page/{name}", files.file)
        app.router.add_get("/favicon.ico", files.icon)
        app.router.add_get("/events", self.events)
        app.router.add_get("/{bot:[A-Za-z0-9_]{3,64}}", self.open_bot)
        app.router.add_get("/control/state", self.read_state)
        app.router.add_get("/control/chats/{id:-?[0-9]+}/messages", self.read_messages)
        app.router.add_get("/control/ledger", self.read_ledger)
        app.router.add_post("/control/users", self.add_user)
        app.router.add_post("/control/users/{id:[0-9]+}/{act}", self.act)
        app.router.add_post("/control/groups", self.add_group)
        app.router.add_post("/control/groups/{id:-?[0-9]+}/{act}", self.act_on_group)
        app.router.add_post("/control/updates", self.add_update)
        app.router.add_post("/control/faults", self.set_faults)
        app.router.add_post("/control/faults/rules", self.add_rule)
        app.router.add_post("/control/faults/rules/{id:[0-9]+}/remove", self.drop_rule)
        app.router.add_post("/control/faults/clear", self.clear_faults)
        return app

    # Reading

    async def open_bot(self, request: web.Request) -> web.Response:
        username = str(self._state.bot["username"])
        if request.match_info["bot"].lower() != username.lower():
            raise web.HTTPNotFound(text="there is no such bot")
        page = request.rel_url.with_path("/").with_query(request.query)
        return with_safe_headers(
            web.Response(status=302, headers={"Location": str(page)})
        )

    async def read_state(self, request: web.Request) -> web.Response:
        state = self._state
        entries = self._telegram.ledger.entries(limit=_LOG_LINES * 5)
        shown = [entry.as_json() for entry in entries if is_worth_showing(entry)]
        return as_json(
            {
                "api_url": self._telegram.api_url,
                "bot": state.bot_summary(),
                "users": [state.summary(user) for user in state.users.values()],
                "faults": self._faults.as_json(),
                "log": shown[-_LOG_LINES:],
            }
        )

    async def read_messages(self, request: web.Request) -> web.Response:
        chat = self._state.chats.get(int(request.match_info["id"]))
        if chat is None:
            raise web.HTTPNotFound(text="there is no such chat")
        messages = list(chat.messages.values())
        return as_json({"messages": messages[-_number(request, "limit", 200) :]})

    async def read_ledger(self, request: web.Request) -> web.Response:
        entries = self._telegram.ledger.entries(
            since=_number(request, "since", 0),
            method=request.query.get("method"),
            chat_id=_number(request, "chat_id", 0) or None,
            limit=_number(request, "limit", 0) or None,
        )
        last = self._telegram.ledger.last_seq
        return as_json({"last_seq": last, "entries": [e.as_json() for e in entries]})

    async def events(self, request: web.Request) -> web.StreamResponse:
        response = with_safe_headers(
            web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        )
        queue = self._telegram.hub.listen()
        try:
            await response.prepare(request)
            await response.write(b"retry: 1000\n\n")
            while (text := await _next_event(queue)) is not None:
                await response.write(text.encode())
        except ConnectionError:
            pass  # The page was closed.
        finally:
            self._telegram.hub.leave(queue)
        return response

    # People

    async def add_user(self, request: web.Request) -> web.Response:
        fields = await _body(request)
        known = {
            "first_name": str,
            "last_name": str,
            "username": str,
            "language_code": str,
            "phone": str,
            "id": int,
            "is_bot": bool,
        }
        for name, value in fields.items():
            if name not in known:
                raise ValueError(f"a user has no {name!r}")
            if value is not None and type(value) is not known[name]:
                raise ValueError(f"{name} must be a {known[name].__name__}")
        given = {
            name: value for name, value in fields.items() if value not in (None, "")
        }
        if "first_name" not in given:
            raise ValueError("a user needs a first_name")
        user = User(**{"id": self._state.free_user_id(), **given})
        self._state.add_user(user)
        return as_json(self._state.summary(user))

    async def act(self, request: web.Request) -> web.Response:
        user_id = int(request.match_info["id"])
        if user_id not in self._state.users:
            raise web.HTTPNotFound(text="there is no such user")
        body = await _body(request)
        act = self._acts.get(request.match_info["act"])
        if act is None:
            raise web.HTTPNotFound(text=f"one can {', '.join(self._acts)}")
        return as_json({"result": act(user_id, body)})

    def _text(self, user_id: int, body: Json) -> Json:
        chat_id = body.get("chat_id")
        if chat_id is not None and not isinstance(chat_id, int):
            raise ValueError("chat_id must be a number")
        return self._state.say(user_id, _text(body, "text"), chat_id=chat_id)

    def _button(self, user_id: int, body: Json) -> Json:
        message_id = body.get("message_id")
        if not isinstance(message_id, int):
            raise ValueError("message_id must be a number")
        return self._state.press_button(user_id, message_id, _text(body, "data"))

    async def add_group(self, request: web.Request) -> web.Response:
        body = await _body(request)
        added_by = body.get("added_by")
        if not isinstance(added_by, int):
            raise ValueError("added_by must be a user's id")
        chat = self._telegram.groups.add(_text(body, "title"), added_by=added_by)
        return as_json(chat.facts)

    async def act_on_group(self, request: web.Request) -> web.Response:
        chat_id = int(request.match_info["id"])
        await _body(request)
        match request.match_info["act"]:
            case "upgrade":
                return as_json(self._telegram.groups.upgrade(chat_id).facts)
            case "leave":
                self._telegram.groups.leave(chat_id)
                return as_json({})
        raise web.HTTPNotFound(text="a group can be upgraded or left")

    async def add_update(self, request: web.Request) -> web.Response:
        self._telegram.updates.add_raw(await _body(request))
        return as_json({})

    # Faults

    async def set_faults(self, request: web.Request) -> web.Response:
        body = await _body(request)
        self._faults.set(**body)
        if "down" in body:
            await self._telegram.set_down(body["down"])
        return self._faults_changed()

    async def add_rule(self, request: web.Request) -> web.Response:
        self._faults.add(make_rule(await _body(request)))
        return self._faults_changed()

    async def drop_rule(self, request: web.Request) -> web.Response:
        await _body(request)
        if not self._faults.remove(int(request.match_info["id"])):
            raise web.HTTPNotFound(text="there is no such rule")
        return self._faults_changed()

    async def clear_faults(self, request: web.Request) -> web.Response:
        await _body(request)
        self._faults.clear()
        await self._telegram.set_down(False)
        return self._faults_changed()

    def _faults_changed(self) -> web.Response:
        self._telegram.tell_about_faults()
        return as_json(self._faults.as_json())


async def _body(request: web.Request) -> Json:
    text = await request.text()
    try:
        body = json.loads(text or "{}")
    except (ValueError, RecursionError):
        raise ValueError("the body is no JSON") from None
    if not isinstance(body, dict):
        raise ValueError("the body must be an object")
    return body


def _text(body: Json, name: str, default: str | None = None) -> str:
    value = body.get(name, default)
    if not isinstance(value, str) or (default is None and not value.strip()):
        raise ValueError(f"{name} must be a text")
    return value


def _number(request: web.Request, name: str, default: int) -> int:
    try:
        return int(request.query.get(name, default))
    except ValueError:
        raise ValueError(f"{name} must be a number") from None


async def _next_event(queue: "asyncio.Queue[str | None]") -> str | None:
    """Return all that waits as one piece, a comment when nothing came for long."""
    try:
        first = await asyncio.wait_for(queue.get(), _KEEP_ALIVE_SECONDS)
    except TimeoutError:
        return ": still here\n\n"
    texts = [first]
    while not queue.empty():
        texts.append(queue.get_nowait())
    if None in texts:
        return None
    return "".join(f"data: {text}\n\n" for text in texts)
