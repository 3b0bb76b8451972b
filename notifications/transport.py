"""httpx's transport interface on aiohttp's connector: fast, and exact about failures.

httpx's own pool spends 4-6 CPU seconds per 1,000 requests at 128 in flight (its
bookkeeping is quadratic, httpcore#1000); aiohttp's spends 0.3. The price is that
aiohttp's exceptions must be told apart here, because "was it sent?" decides whether a
message may be sent again.
"""

import asyncio
import errno
import logging
import socket
import ssl
import sys
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final

import aiohttp
import aiohttp_socks
import httpx
from aiohttp.abc import AbstractStreamWriter
from yarl import URL

from .failures import (
    CONNECTION_LOST,
    NETWORK_TROUBLE,
    NO_CONNECTION,
    TIMED_OUT,
    describe,
    maybe_sent_kind,
    unsent_kind,
)
from .secrecy import Secret, Veil

logger = logging.getLogger("notifications")

# The Bot API itself sleeps up to 8 s on flood control and then sends the message
# (tdlib/td, NetQueryCreator.cpp), so a short read timeout makes duplicates.
DEFAULT_TIMEOUT: Final = httpx.Timeout(5.0, read=25.0)
# Shorter than nginx's default of 75 s, so that as a rule we are the one who closes.
KEEP_ALIVE_SECONDS: Final = 60.0
MAX_ANSWER_BYTES: Final = 1_000_000
# A connection found closed before anything was sent on it is replaced. The first turn
# of the event loop weeds out all such connections of the pool, so three are plenty.
MAX_CONNECTIONS_TRIED: Final = 3
PROXY_SCHEMES: Final = ("http", "https", "socks5", "socks5h")

_TCP_ESTABLISHED: Final = 1  # linux/include/net/tcp_states.h
# aiohttp writes the framing of the request and undoes that of the answer.
_REQUEST_FRAMING: Final = frozenset({b"content-length", b"transfer-encoding"})
_ANSWER_FRAMING: Final = frozenset(
    {b"content-encoding", b"content-length", b"transfer-encoding", b"set-cookie"}
)


class HalfAnswer(Exception):
    """The answer broke off after its headers; `partial` holds what had arrived."""

    partial: httpx.Response


class AnswerCut(HalfAnswer, httpx.RemoteProtocolError):
    """The connection ended, or the answer made no sense, in the middle of the body."""


class AnswerStalled(HalfAnswer, httpx.ReadTimeout):
    """The rest of the body did not come in time."""


class AiohttpTransport(httpx.AsyncBaseTransport):
    """Sends httpx's requests over at most `connections` kept-alive connections.

    A failure is one of httpx's own exceptions, and its class says whether anything was
    sent: `ConnectError`, `ConnectTimeout`, `ProxyError` and `PoolTimeout` mean that
    not one byte was; every other one that somebody may have acted on the request. No
    request is written twice, with the one exception that aiohttp makes for idempotent
    methods, which a POST is not.

    With a `token`, requests go to `…/bot<token>/method` instead of `…/method`. It is
    added below everything that logs, raises or shows a URL, and crossed out in what
    comes back.
    """

    def __init__(
        self,
        *,
        connections: int = 32,
        token: Secret | None = None,
        proxy_url: Secret | None = None,
        keep_alive: float = KEEP_ALIVE_SECONDS,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._proxy = _checked_proxy(proxy_url) if proxy_url else None
        password = self._proxy.password if self._proxy is not None else None
        self._veil = Veil(token or Secret(), Secret(password or ""))
        self._keep_alive = keep_alive
        self._ssl: ssl.SSLContext | bool = ssl_context or True
        self._slots = asyncio.Semaphore(connections)
        self._session: aiohttp.ClientSession | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request and read the answer whole, or raise an httpx exception."""
        limits = request.extensions.get("timeout") or DEFAULT_TIMEOUT.as_dict()
        content = await request.aread()
        await self._take_slot(limits.get("pool"))
        try:
            outcome = await self._exchange(request, content, limits)
        finally:
            self._slots.release()
        if isinstance(outcome, httpx.Response):
            return outcome
        # Raised here, outside of every `except`, so that no exception of aiohttp's,
        # whose text or traceback has the whole URL, is chained to it.
        try:
            raise outcome
        finally:
            del outcome  # or the exception and this frame would hold each other

    async def aclose(self) -> None:
        """Close all connections and wait until they are closed."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _take_slot(self, patience: float | None) -> None:
        if not self._slots.locked():
            await self._slots.acquire()
            return
        try:
            async with asyncio.timeout(patience):
                await self._slots.acquire()
        except TimeoutError:
            raise httpx.PoolTimeout("every connection is busy") from None

    async def _exchange(
        self, request: httpx.Request, content: bytes, limits: dict[str, float | None]
    ) -> httpx.Response | BaseException:
        for _ in range(MAX_CONNECTIONS_TRIED):
            outcome = await self._attempt(request, content, limits)
            if outcome is not None:
                return outcome
            logger.debug("The connection had been closed unused; taking another")
        return httpx.ConnectError("the server closes connections before any request")

    async def _attempt(
        self, request: httpx.Request, content: bytes, limits: dict[str, float | None]
    ) -> httpx.Response | BaseException | None:
        """Return the answer or the exception to raise; None: lost before sending."""
        body = _Body(content) if content else None
        answer = None
        received = bytearray()
        try:
            answer = await self._open().request(
                request.method,
                self._address(request.url),
                headers=_headers_for_aiohttp(request.headers.raw),
                data=body,
                timeout=_timeout_for_aiohttp(**limits),
                allow_redirects=False,
            )
            while chunk := await answer.content.readany():
                received += chunk
                if len(received) > MAX_ANSWER_BYTES:
                    raise aiohttp.ClientPayloadError
            return self._response(answer, received)
        except NETWORK_TROUBLE as error:
            _give_up(answer, body)
            if answer is not None:
                return self._half(error, self._response(answer, received))
            return self._failure(error, body)
        except BaseException as error:
            # Cancelled, interrupted, or a bug.
            _give_up(answer, body)
            return self._veil.without_frames(error)

    def _open(self) -> aiohttp.ClientSession:
        # Only now, because aiohttp wants a running loop.
        if self._session is None:
            # The slots bound the number of connections; aiohttp need not count too.
            connection: dict[str, Any] = {
                "limit": 0,
                "keepalive_timeout": self._keep_alive,
                "ssl": self._ssl,
            }
            proxy = self._proxy
            connector: aiohttp.TCPConnector
            if proxy is not None and proxy.scheme.startswith("socks"):
                # The proxy resolves names (rdns), which is what socks5h asks for.
                connector = aiohttp_socks.ProxyConnector.from_url(
                    str(proxy.with_scheme("socks5")), rdns=True, **connection
                )
                proxy = None
            else:
                connector = aiohttp.TCPConnector(**connection)
            self._session = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                proxy=proxy,
                skip_auto_headers=("Accept", "Accept-Encoding", "User-Agent"),
                trust_env=False,
            )
        return self._session

    def _address(self, url: httpx.URL) -> URL:
        address = str(url)
        if segment := self._veil.path_segment:
            path, mark, query = address.partition("?")
            base, _, method = path.rpartition("/")
            address = f"{base}/{segment}/{method}{mark}{query}"
        return URL(address, encoded=True)

    def _response(
        self, answer: aiohttp.ClientResponse, body: bytearray
    ) -> httpx.Response:
        hide = self._veil.hide
        return httpx.Response(
            answer.status,
            headers=[
                (name, hide(value))
                for name, value in answer.raw_headers
                if name.lower() not in _ANSWER_FRAMING
            ],
            content=hide(bytes(body)),
            extensions={
                "http_version": b"HTTP/1.1",
                "reason_phrase": hide((answer.reason or "").encode("ascii", "replace")),
            },
        )

    def _failure(
        self, error: Exception, body: "_Body | None"
    ) -> httpx.TransportError | None:
        """Translate a failure before the answer's headers; None: try once more."""
        unsent = body is not None and not body.sent
        if isinstance(error, NO_CONNECTION):
            unsent = True
        elif unsent and isinstance(error, CONNECTION_LOST):
            return None
        writing = body is not None and not body.done
        kind = unsent_kind(error) if unsent else maybe_sent_kind(error, writing=writing)
        return kind(self._veil.hide(describe(error).encode()).decode())

    def _half(self, error: Exception, partial: httpx.Response) -> HalfAnswer:
        kind = AnswerStalled if isinstance(error, TIMED_OUT) else AnswerCut
        half = kind(f"the answer broke off: {describe(error)}")
        half.partial = partial
        return half


class _Body(aiohttp.BytesPayload):
    """A request's body that knows whether it was given to the network.

    aiohttp writes headers and body in one go, in `write_with_length`, with no turn of
    the event loop between the check here and the system call.
    """

    transport: asyncio.WriteTransport | None = None
    done = False

    @property
    def sent(self) -> bool:
        return self.transport is not None

    async def write_with_length(
        self, writer: AbstractStreamWriter, content_length: int | None
    ) -> None:
        transport = writer.transport
        if transport is None or transport.is_closing() or _peer_closed(transport):
            raise ConnectionResetError(errno.ECONNRESET, "closed before the request")
        self.transport = transport
        await super().write_with_length(writer, content_length)
        self.done = True


def _give_up(answer: aiohttp.ClientResponse | None, body: _Body | None) -> None:
    """Close the connection of a failed request, if it still is this request's own.

    aiohttp closes politely, which for a peer that does not read means never.
    """
    if answer is not None:
        answer.close()
        if body is None or body.done:
            return  # Perhaps it serves another request already.
    if body is not None and body.transport is not None:
        body.transport.abort()


def _peer_closed(transport: asyncio.BaseTransport) -> bool:
    """Ask the kernel whether the other side has closed, before the loop has noticed.

    A kept-alive connection may have been closed while this process was busy or frozen.
    The state of the socket tells, for TLS too, without reading anything from it.
    """
    sock = transport.get_extra_info("socket")
    if sock is None or sys.platform != "linux":
        return False
    try:
        state: int = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
    except OSError as error:
        return error.errno == errno.EBADF
    return state != _TCP_ESTABLISHED


def _headers_for_aiohttp(raw: Iterable[tuple[bytes, bytes]]) -> list[tuple[str, str]]:
    return [
        (name.decode("ascii"), value.decode("utf-8"))
        for name, value in raw
        if name.lower() not in _REQUEST_FRAMING
    ]


@lru_cache(maxsize=16)
def _timeout_for_aiohttp(
    *,
    connect: float | None = None,
    read: float | None = None,
    write: float | None = None,
    pool: float | None = None,  # our slots' own affair
) -> aiohttp.ClientTimeout:
    """Bound each phase, and all of them together.

    aiohttp has no limit for writing and counts `sock_read` from one packet to the next,
    so only the total ends a peer that does not read, or that answers in drops.
    """
    total = None
    if connect is not None and read is not None and write is not None:
        total = connect + write + read
    return aiohttp.ClientTimeout(
        total=total, connect=connect, sock_connect=connect, sock_read=read
    )


def _checked_proxy(proxy_url: Secret) -> URL:
    """Return the proxy's address.

    Raises ValueError that does not repeat the address, which may hold a password.
    """
    try:
        url = URL(proxy_url)
        valid = url.scheme in PROXY_SCHEMES and bool(url.host) and url.port is not None
    except ValueError:
        valid = False
    if not valid:
        raise ValueError(
            "The proxy must be given as scheme://[login:password@]host:port, "
            f"where the scheme is one of {', '.join(PROXY_SCHEMES)}."
        )
    return url
