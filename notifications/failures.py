"""What does an exception of aiohttp's tell, in httpx's words: was anything sent?"""

import asyncio
from typing import Final

import aiohttp
import aiohttp_socks
import httpx

# aiohttp raises these only while there is no connection to write a request to.
NO_CONNECTION: Final = (
    aiohttp.ClientConnectorError,
    aiohttp.ClientConnectorCertificateError,
    aiohttp.ClientHttpProxyError,
    aiohttp.ConnectionTimeoutError,
    aiohttp_socks.ProxyConnectionError,
    aiohttp_socks.ProxyError,
    aiohttp_socks.ProxyTimeoutError,
    asyncio.IncompleteReadError,  # the SOCKS proxy hung up
)
_PROXY_FAILED: Final = (
    aiohttp.ClientHttpProxyError,
    aiohttp.ClientProxyConnectionError,
    aiohttp_socks.ProxyConnectionError,
    aiohttp_socks.ProxyError,
    asyncio.IncompleteReadError,
)
TIMED_OUT: Final = (TimeoutError, aiohttp_socks.ProxyTimeoutError)
CONNECTION_LOST: Final = (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError)
NETWORK_TROUBLE: Final = (aiohttp.ClientError, OSError, *NO_CONNECTION)


def unsent_kind(error: Exception) -> type[httpx.TransportError]:
    """Return the class of a failure that came before the first byte of a request."""
    if isinstance(error, _PROXY_FAILED):
        return httpx.ProxyError
    return httpx.ConnectTimeout if isinstance(error, TIMED_OUT) else httpx.ConnectError


def maybe_sent_kind(error: Exception, *, writing: bool) -> type[httpx.TransportError]:
    """Return the class of a failure after which somebody may have the request."""
    if isinstance(error, TimeoutError):
        return httpx.WriteTimeout if writing else httpx.ReadTimeout
    if writing:
        return httpx.WriteError
    if isinstance(error, aiohttp.ClientOSError):
        return httpx.ReadError
    # Closed without an answer, or an answer that is not HTTP.
    return httpx.RemoteProtocolError


def describe(error: Exception) -> str:
    """Describe the failure without the text of aiohttp's exceptions: it has the URL."""
    if isinstance(error, TIMED_OUT):
        return "timed out"
    if isinstance(error, NO_CONNECTION):
        return _connecting_words(error)
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "the server closed the connection without an answer"
    if isinstance(error, aiohttp.ClientPayloadError):
        return "the server did not finish its answer"
    if isinstance(error, aiohttp.ClientResponseError):
        return "the answer is not HTTP"
    if isinstance(error, OSError) and error.strerror is not None:
        return error.strerror
    return type(error).__name__


def _connecting_words(error: Exception) -> str:
    match error:
        case aiohttp.ClientHttpProxyError():
            return f"the proxy answered {error.status} {error.message}"
        case aiohttp.ClientConnectorCertificateError():
            return f"bad certificate: {error.certificate_error}"
        case aiohttp.ClientConnectorError():
            return f"{error.host}:{error.port}: {error.strerror or error.os_error}"
        case _:
            return f"the proxy failed: {error}"
