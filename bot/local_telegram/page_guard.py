"""Who may use the page's port, and how are mistakes put into words?"""

import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from .page_files import with_safe_headers
from .state import NotPossible

_log = logging.getLogger("bot.local_telegram")

Json = dict[str, Any]
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def only_own_page(request: web.Request, handler: _Handler) -> web.StreamResponse:
    """Refuse other sites' pages: by name (DNS rebinding), by origin, by form."""
    name = request.host.rpartition(":")[0] or request.host
    if name.strip("[]") not in ("127.0.0.1", "localhost", "::1"):
        return _error(403, "open this page as http://127.0.0.1")
    origin = request.headers.get("Origin")
    if origin is not None and origin != f"http://{request.host}":
        return _error(403, "another site's page may not use this one")
    if request.method == "POST" and request.content_type != "application/json":
        return _error(415, "send JSON as application/json")
    return await handler(request)


@web.middleware
async def in_words(request: web.Request, handler: _Handler) -> web.StreamResponse:
    """Turn what went wrong into JSON with a sentence, and never a traceback."""
    try:
        return await handler(request)
    except NotPossible as error:
        return _error(409, str(error))
    except web.HTTPException as error:
        return _error(error.status, error.text or error.reason)
    except (ValueError, TypeError) as error:
        return _error(400, str(error))
    except Exception:
        _log.exception("%s %s failed here", request.method, request.path)
        return _error(500, "the local Telegram failed; its log says why")


def as_json(content: Any, status: int = 200) -> web.Response:
    text = json.dumps(content, ensure_ascii=False)
    return with_safe_headers(
        web.Response(text=text, status=status, content_type="application/json")
    )


def _error(status: int, words: str) -> web.Response:
    return as_json({"error": words}, status)
