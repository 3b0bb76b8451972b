"""The one door to the Bot API for sending.

Nothing else of this package knows that Telegram speaks HTTP. What the answers mean is
decided in `judging`.
"""

import json
import logging
from typing import Any, Final

import httpx

from .exchanges import Answer, Exchange, NoAnswer, Phase
from .secrecy import Secret
from .transport import DEFAULT_TIMEOUT, AiohttpTransport, HalfAnswer

logger = logging.getLogger("notifications")

_HEADERS: Final = httpx.Headers(
    {
        "Content-Type": "application/json",
        "Accept": "application/json",
        # Answers are a few hundred bytes; packing them saves nothing.
        "Accept-Encoding": "identity",
        "User-Agent": "order-notifications",
    }
)

# The first class that fits tells how far the request had got. Whatever else httpx may
# raise for a request comes from a mistake in this program, and is not caught.
_PHASES: Final[tuple[tuple[type[httpx.TransportError], Phase], ...]] = (
    (httpx.PoolTimeout, Phase.NO_FREE_CONNECTION),
    (httpx.ConnectTimeout, Phase.CONNECT_TIMEOUT),
    (httpx.ConnectError, Phase.NOT_CONNECTED),
    (httpx.ProxyError, Phase.PROXY_FAILED),
    (httpx.WriteTimeout, Phase.WRITE_TIMEOUT),
    (httpx.WriteError, Phase.WRITE_FAILED),
    (httpx.ReadTimeout, Phase.READ_TIMEOUT),
    (httpx.ReadError, Phase.CONNECTION_CUT),
    (httpx.RemoteProtocolError, Phase.CONNECTION_CUT),
)
_NO_ANSWER: Final = tuple(kind for kind, _ in _PHASES)


class BotApiClient:
    """Sends to the Bot API at `api_url` in the name of the bot with this token.

    Make one for the life of a worker: it keeps `connections` connections open, so that
    many sends may be in flight at once and none pays for a handshake. Use it from one
    event loop, and close it there.

    Trouble of the network is a value, `NoAnswer`, never an exception. The token is in
    no URL, log line, exception or repr.
    """

    _base_url = ""  # for the repr, should the constructor fail

    def __init__(
        self,
        *,
        api_url: str,
        token: str,
        proxy_url: str | None = None,
        connections: int = 32,
        connect_timeout: float = DEFAULT_TIMEOUT.connect or 5.0,
        write_timeout: float = DEFAULT_TIMEOUT.write or 5.0,
        read_timeout: float = DEFAULT_TIMEOUT.read or 25.0,
    ) -> None:
        """Raise ValueError when an address cannot be one; connect to nothing yet."""
        # First of all, for a traceback may show the variables of this frame.
        token, proxy_url = Secret(token.strip()), Secret(proxy_url or "")
        if not token:
            raise ValueError("The bot's token is empty.")
        self._base_url = _checked_api_url(api_url)
        transport = AiohttpTransport(
            connections=connections, token=token, proxy_url=proxy_url
        )
        self._methods: dict[str, httpx.URL] = {}
        self._extensions = {
            "timeout": httpx.Timeout(
                connect=connect_timeout,
                write=write_timeout,
                read=read_timeout,
                pool=connect_timeout,
            ).as_dict()
        }
        self._client = httpx.AsyncClient(transport=transport, trust_env=False)

    def __repr__(self) -> str:
        return f"<BotApiClient of {self._base_url}>"

    async def send_message(
        self, chat_id: int, text: str, *, disable_notification: bool = False
    ) -> Exchange:
        """Send a plain text, without link previews, and return what came back.

        Never sends twice. When the task is cancelled, nobody knows whether the message
        went out.
        """
        message: dict[str, Any] = {
            "chat_id": chat_id,
            "text": text,
            "link_preview_options": {"is_disabled": True},
        }
        if disable_notification:
            message["disable_notification"] = True
        return await self._call("sendMessage", message)

    async def get_me(self) -> Exchange:
        """Ask who the bot is: it tells whether Telegram answers and knows the token."""
        return await self._call("getMe", {})

    async def aclose(self) -> None:
        """Close the connections; the client cannot be used afterwards."""
        await self._client.aclose()

    async def _call(self, method: str, payload: dict[str, Any]) -> Exchange:
        # Built by hand: the client's `build_request` merges cookies, parameters and
        # headers that we do not have, for a tenth of the time of a whole call.
        request = httpx.Request(
            "POST",
            self._method_url(method),
            headers=_HEADERS,
            # Escaped to ASCII, so that half a surrogate pair in a name is Telegram's
            # to refuse and not an exception here.
            content=json.dumps(payload).encode("ascii"),
            extensions=self._extensions,
        )
        try:
            response = await self._client.send(request)
            # It has been read, and holds its stream, which holds it: without this
            # circle it is freed at once, and the garbage collector hardly ever runs.
            del response.stream
            return _answer(response)
        except HalfAnswer as error:
            return NoAnswer(Phase.HALF_ANSWER, str(error), _answer(error.partial))
        except _NO_ANSWER as error:
            phase = next(phase for kind, phase in _PHASES if isinstance(error, kind))
            return NoAnswer(phase, str(error))

    def _method_url(self, method: str) -> httpx.URL:
        url = self._methods.get(method)
        if url is None:
            url = self._methods[method] = httpx.URL(f"{self._base_url}/{method}")
        return url


def _answer(response: httpx.Response) -> Answer:
    return Answer(
        status=response.status_code,
        body=response.content,
        retry_after_header=response.headers.get("Retry-After"),
        content_type=response.headers.get("Content-Type", ""),
    )


def _checked_api_url(api_url: str) -> str:
    """Return the address without a trailing slash, or raise ValueError."""
    try:
        url = httpx.URL(api_url.strip())
        usable = url.scheme in {"http", "https"} and bool(url.host)
    except httpx.InvalidURL:
        usable = False
    if not usable or url.query or url.fragment:
        raise ValueError(
            "The address of the Bot API must look like https://api.telegram.org, "
            f"not like {api_url!r}."
        )
    return str(url).rstrip("/")
