"""The transport against servers that fail at every phase of a request.

Two questions are asked of each failure: is the phase right, and was the request
written at most once?
"""

import asyncio
import contextlib
import gc
import gzip
import io
import json
import logging
import socket
import threading
import traceback
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import httpx
import pytest

from notifications.exchanges import Answer, Exchange, NoAnswer, Phase
from notifications.judging import judge
from notifications.secrecy import Secret
from notifications.telegram import BotApiClient
from notifications.transport import MAX_ANSWER_BYTES, AiohttpTransport
from notifications.verdicts import Kind
from tests.support.proxies import PASSWORD, HttpProxy, HttpsProxy, Socks5Proxy
from tests.support.raw_server import (
    Peer,
    RawServer,
    Script,
    TlsServer,
    answer,
    answer_everything,
    full_backlog,
    refusing_port,
    trusting_context,
)

SECRET = "AAG-x9yQm_Zt4rWvKp2LdJc7NfBhUeTsOiY"
TOKEN = f"123456789:{SECRET}"
# Long enough for a busy machine, short enough to wait for where waiting is the point.
BRIEF = 0.3


@contextlib.asynccontextmanager
async def client_of(url: str, **options: Any) -> AsyncIterator[BotApiClient]:
    client = BotApiClient(api_url=url, token=TOKEN, **options)
    try:
        yield client
    finally:
        await client.aclose()


def send_once(url: str, text: str = "Сформирован заказ номер 1234", **options):
    async def main() -> Exchange:
        async with client_of(url, **options) as client:
            return await client.send_message(5, text)

    return asyncio.run(main())


def phase_of(exchange: Exchange) -> Phase:
    assert isinstance(exchange, NoAnswer), exchange
    return exchange.phase


# --- When all goes well -------------------------------------------------------------


def test_a_message_is_posted_as_json_to_the_bots_own_address():
    seen = []

    async def script(peer: Peer) -> None:
        seen.append(await peer.read_request())
        await peer.send(answer())

    with RawServer(script) as server:
        exchange = send_once(f"{server.url}/some/path/", "Привет <b>&\ud800")

    head = server.received.split(b"\r\n\r\n")[0].decode().lower()
    assert f"POST /some/path/bot{TOKEN}/sendMessage HTTP/1.1".lower() in head
    assert "content-type: application/json\r\n" in head
    assert "cookie" not in head
    assert json.loads(seen[0]) == {
        "chat_id": 5,
        "text": "Привет <b>&\ud800",
        "link_preview_options": {"is_disabled": True},
    }
    assert isinstance(exchange, Answer)
    assert judge(exchange).message_id == 1


def test_a_quiet_message_says_so():
    seen = []

    async def script(peer: Peer) -> None:
        seen.append(json.loads(await peer.read_request()))
        await peer.send(answer())

    async def main() -> None:
        async with client_of(server.url) as client:
            await client.send_message(5, "hello", disable_notification=True)

    with RawServer(script) as server:
        asyncio.run(main())

    assert seen[0]["disable_notification"] is True


def test_a_send_leaves_nothing_for_the_garbage_collector():
    async def main() -> int:
        async with client_of(server.url) as client:
            await client.send_message(5, "the first one connects")
            gc.collect()
            gc.disable()
            for _ in range(10):
                await client.send_message(5, "hello")
            return gc.collect()

    with RawServer(answer_everything) as server:
        try:
            found = asyncio.run(main())
        finally:
            gc.enable()

    # A circle in each of them would be some objects for each.
    assert found < 10


def test_get_me_asks_who_the_bot_is():
    async def main() -> Exchange:
        async with client_of(server.url) as client:
            return await client.get_me()

    with RawServer(answer_everything) as server:
        exchange = asyncio.run(main())

    assert f"POST /bot{TOKEN}/getMe HTTP/1.1".encode() in server.received
    assert judge(exchange).kind is Kind.ACCEPTED


def test_one_connection_serves_one_message_after_the_other():
    async def main() -> None:
        async with client_of(server.url) as client:
            for _ in range(5):
                assert judge(await client.send_message(5, "hello")).message_id == 1

    with RawServer(answer_everything) as server:
        asyncio.run(main())

    assert len(server.peers) == 1
    assert server.requests_written == 5


def test_there_are_never_more_connections_than_slots():
    async def main() -> None:
        async with client_of(server.url, connections=3) as client:
            sends = (client.send_message(5, "hello") for _ in range(20))
            verdicts = [judge(e).kind for e in await asyncio.gather(*sends)]
            assert verdicts == [Kind.ACCEPTED] * 20

    with RawServer(answer_everything) as server:
        asyncio.run(main())

    assert len(server.peers) == 3
    assert server.requests_written == 20


def test_who_finds_no_free_slot_in_time_has_sent_nothing():
    request_read = threading.Event()

    async def script(peer: Peer) -> None:
        await peer.read_request()
        request_read.set()
        await peer.wait_until_client_closes()

    async def main() -> Exchange:
        options = {"connections": 1, "connect_timeout": BRIEF}
        async with client_of(server.url, **options) as client:
            first = asyncio.create_task(client.send_message(5, "hello"))
            await asyncio.to_thread(request_read.wait)
            second = await client.send_message(6, "hello")
            first.cancel()
            return second

    with RawServer(script) as server:
        assert phase_of(asyncio.run(main())) is Phase.NO_FREE_CONNECTION

    assert server.requests_written == 1


@pytest.mark.parametrize(
    ("status", "text"), [("302 Found", "moved"), ("307 Temporary Redirect", "moved")]
)
def test_a_redirect_is_an_answer_and_is_not_followed(status, text):
    async def script(peer: Peer) -> None:
        await peer.read_request()
        location = f"Location: {server.url}/elsewhere\r\n".encode()
        await peer.send(answer(text.encode(), status=status, headers=location))
        await peer.wait_until_client_closes()

    with RawServer(script) as server:
        exchange = send_once(server.url)

    assert judge(exchange).reason_code == "not_telegram"
    assert server.requests_written == 1


def test_a_cookie_is_not_kept():
    async def script(peer: Peer) -> None:
        for _ in range(2):
            await peer.read_request()
            await peer.send(answer(headers=b"Set-Cookie: track=1; Path=/\r\n"))

    async def main() -> None:
        async with client_of(server.url) as client:
            await client.send_message(5, "hello")
            await client.send_message(5, "hello")

    with RawServer(script) as server:
        asyncio.run(main())

    assert server.requests_written == 2
    assert b"track" not in server.received


def test_the_wait_of_a_flood_is_read_from_the_header_too():
    async def script(peer: Peer) -> None:
        await peer.read_request()
        await peer.send(
            answer(b"", status="429 Too Many Requests", headers=b"Retry-After: 31\r\n")
        )

    with RawServer(script) as server:
        assert judge(send_once(server.url)).retry_after == 31.0


def test_a_packed_answer_is_unpacked_once():
    async def script(peer: Peer) -> None:
        await peer.read_request()
        body = gzip.compress(b'{"ok":true,"result":{"message_id":9}}')
        await peer.send(answer(body, headers=b"Content-Encoding: gzip\r\n"))

    with RawServer(script) as server:
        assert judge(send_once(server.url)).message_id == 9


def test_an_answer_in_chunks_is_put_together():
    async def script(peer: Peer) -> None:
        await peer.read_request()
        await peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for chunk in (b'{"ok":true,"', b'result":{"message_id":10}}', b""):
            await peer.send(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n")

    with RawServer(script) as server:
        assert judge(send_once(server.url)).message_id == 10


# --- Nothing was sent ---------------------------------------------------------------


def test_a_refused_connection_has_sent_nothing():
    with refusing_port() as port:
        exchange = send_once(f"http://127.0.0.1:{port}")

    assert phase_of(exchange) is Phase.NOT_CONNECTED
    assert "Connect call failed" in judge(exchange).description


def test_an_unknown_name_has_sent_nothing():
    exchange = send_once("http://no-such-host.invalid")

    # A resolver that is itself out of reach takes its time.
    assert phase_of(exchange) in {Phase.NOT_CONNECTED, Phase.CONNECT_TIMEOUT}


def test_a_connection_that_is_never_accepted_has_sent_nothing():
    with full_backlog() as port:
        exchange = send_once(f"http://127.0.0.1:{port}", connect_timeout=BRIEF)

    assert phase_of(exchange) is Phase.CONNECT_TIMEOUT


async def speaks_no_tls(peer: Peer) -> None:
    await peer.read_some()
    await peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")


async def closes_in_the_handshake(peer: Peer) -> None:
    await peer.read_some()


async def resets_in_the_handshake(peer: Peer) -> None:
    await peer.read_some()
    peer.reset()


@pytest.mark.parametrize(
    "script", [speaks_no_tls, closes_in_the_handshake, resets_in_the_handshake]
)
def test_a_failed_tls_handshake_has_sent_nothing(script):
    with RawServer(script) as server:
        exchange = send_once(server.url.replace("http:", "https:"))

    assert phase_of(exchange) is Phase.NOT_CONNECTED
    assert server.requests_written == 0


def test_a_tls_handshake_that_never_ends_has_sent_nothing():
    with RawServer(Peer.wait_until_client_closes) as server:
        exchange = send_once(
            server.url.replace("http:", "https:"), connect_timeout=BRIEF
        )

    assert phase_of(exchange) is Phase.CONNECT_TIMEOUT


def test_an_untrusted_certificate_has_sent_nothing():
    with TlsServer() as server:
        exchange = send_once(server.url)

    assert phase_of(exchange) is Phase.NOT_CONNECTED
    assert "certificate" in judge(exchange).description
    assert server.requests_written == 0


# --- It may have been sent ----------------------------------------------------------


async def accepts_and_closes(peer: Peer) -> None:
    peer.close()


async def accepts_and_resets(peer: Peer) -> None:
    peer.reset()


@pytest.mark.parametrize("script", [accepts_and_closes, accepts_and_resets])
def test_a_server_that_closes_at_once_gets_each_byte_at_most_once(script):
    with RawServer(script) as server:
        exchange = send_once(server.url)

    # Whether our request or its farewell was faster is not ours to decide.
    assert phase_of(exchange) in {
        Phase.NOT_CONNECTED,
        Phase.CONNECTION_CUT,
        Phase.WRITE_FAILED,
    }
    assert server.requests_written == 0


async def resets_after_the_head(peer: Peer) -> None:
    await peer.read_head()
    peer.reset()


async def resets_after_the_body(peer: Peer) -> None:
    await peer.read_request()
    peer.reset()


async def closes_after_the_body(peer: Peer) -> None:
    await peer.read_request()


async def sends_half_the_headers(peer: Peer) -> None:
    await peer.read_request()
    await peer.send(b"HTTP/1.1 200 OK\r\nContent-Len")


async def sends_something_that_is_not_http(peer: Peer) -> None:
    await peer.read_request()
    await peer.send(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")
    await peer.wait_until_client_closes()


@pytest.mark.parametrize(
    "script",
    [
        resets_after_the_head,
        resets_after_the_body,
        closes_after_the_body,
        sends_half_the_headers,
        sends_something_that_is_not_http,
    ],
)
def test_a_connection_cut_after_the_request_may_have_delivered_it(script):
    with RawServer(script) as server:
        exchange = send_once(server.url)

    assert phase_of(exchange) is Phase.CONNECTION_CUT
    assert server.requests_written == 1


async def stays_silent(peer: Peer) -> None:
    await peer.read_request()
    await peer.wait_until_client_closes()


async def stops_in_the_headers(peer: Peer) -> None:
    await peer.read_request()
    await peer.send(b"HTTP/1.1 200 OK\r\nContent-Len")
    await peer.wait_until_client_closes()


@pytest.mark.parametrize("script", [stays_silent, stops_in_the_headers])
def test_no_answer_in_time_may_have_delivered_it(script):
    with RawServer(script) as server:
        exchange = send_once(server.url, read_timeout=BRIEF)

    assert phase_of(exchange) is Phase.READ_TIMEOUT
    assert server.requests_written == 1


def test_an_answer_in_drops_ends_when_all_time_is_used_up():
    async def script(peer: Peer) -> None:
        await peer.read_request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while True:
            await peer.send(b" ")
            await asyncio.sleep(BRIEF / 10)

    with RawServer(script) as server:
        exchange = send_once(
            server.url, connect_timeout=BRIEF, write_timeout=BRIEF, read_timeout=BRIEF
        )

    assert phase_of(exchange) is Phase.HALF_ANSWER


@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")
def test_a_server_that_does_not_read_ends_in_a_write_timeout():
    async def script(peer: Peer) -> None:
        await asyncio.to_thread(over.wait)

    async def main() -> None:
        transport = AiohttpTransport()
        async with httpx.AsyncClient(transport=transport, timeout=BRIEF) as client:
            # More than the kernel takes off our hands.
            await client.post(f"{server.url}/sendMessage", content=b"x" * 20_000_000)

    over = threading.Event()
    with RawServer(script, receive_buffer=4096) as server:
        with pytest.raises(httpx.WriteTimeout):
            asyncio.run(main())
        over.set()
    # A connection that still waited to be flushed would complain now.
    gc.collect()


HALF = b'{"ok":true,"result":{"message_id":42,"from":{"id":1'


@pytest.mark.parametrize("ending", [Peer.close, Peer.reset, None])
def test_half_an_answer_keeps_the_half_that_came(ending):
    async def script(peer: Peer) -> None:
        await peer.read_request()
        await peer.send(answer(HALF, length=400))
        if ending is None:
            await peer.wait_until_client_closes()
            return
        # Until the client has shown that it holds the first half.
        await asyncio.to_thread(half_arrived.wait)
        ending(peer)

    async def main() -> Exchange:
        async with client_of(server.url, read_timeout=2 * BRIEF) as client:
            sending = asyncio.create_task(client.send_message(5, "hello"))
            await asyncio.sleep(BRIEF)
            half_arrived.set()
            return await sending

    half_arrived = threading.Event()
    with RawServer(script) as server:
        exchange = asyncio.run(main())

    assert phase_of(exchange) is Phase.HALF_ANSWER
    assert judge(exchange).reason_code == "accepted_no_receipt"
    assert judge(exchange).message_id == 42
    assert server.requests_written == 1


def test_half_an_answer_that_ends_with_the_connection_is_kept_too():
    async def script(peer: Peer) -> None:
        await peer.read_request()
        await peer.send(answer(HALF, length=400))

    with RawServer(script) as server:
        exchange = send_once(server.url)

    assert phase_of(exchange) is Phase.HALF_ANSWER
    assert judge(exchange).message_id == 42


@pytest.mark.parametrize("packed", [False, True])
def test_an_answer_without_end_is_not_read_to_its_end(packed):
    async def script(peer: Peer) -> None:
        await peer.read_request()
        body = b" " * (MAX_ANSWER_BYTES + 1)
        if packed:
            body = gzip.compress(body)
            await peer.send(answer(body, headers=b"Content-Encoding: gzip\r\n"))
        else:
            await peer.send(answer(body))
        await peer.wait_until_client_closes()

    with RawServer(script) as server:
        assert phase_of(send_once(server.url)) is Phase.HALF_ANSWER


def test_an_answer_that_cannot_be_unpacked_is_half_an_answer():
    async def script(peer: Peer) -> None:
        await peer.read_request()
        await peer.send(answer(b"not packed", headers=b"Content-Encoding: gzip\r\n"))
        await peer.wait_until_client_closes()

    with RawServer(script) as server:
        assert phase_of(send_once(server.url)) is Phase.HALF_ANSWER


# --- Kept-alive connections ---------------------------------------------------------


def answers_then(ending: Callable[[Peer], None], ended: threading.Event) -> Script:
    """Answer the first connection once and end it; serve the others for ever."""
    first = True

    async def script(peer: Peer) -> None:
        nonlocal first
        if not first:
            await answer_everything(peer)
        first = False
        await peer.read_request()
        await peer.send(answer())
        ending(peer)
        ended.set()

    return script


@pytest.mark.parametrize("ending", [Peer.close, Peer.reset])
@pytest.mark.parametrize("loop_is", ["running", "blocked"])
def test_a_connection_closed_while_idle_is_replaced_unnoticed(ending, loop_is):
    async def main() -> None:
        async with client_of(server.url) as client:
            assert judge(await client.send_message(5, "one")).kind is Kind.ACCEPTED
            if loop_is == "blocked":
                # The farewell is in the kernel, and the loop has not seen it.
                ended.wait()
            else:
                await asyncio.to_thread(ended.wait)
            assert judge(await client.send_message(5, "two")).kind is Kind.ACCEPTED

    ended = threading.Event()
    with RawServer(answers_then(ending, ended)) as server:
        asyncio.run(main())

    assert len(server.peers) == 2
    assert server.requests_written == 2


@pytest.mark.parametrize("ending", [Peer.close, Peer.reset])
def test_a_pool_full_of_closed_connections_is_replaced_unnoticed(ending):
    size = 8
    everybody_is_here, everybody_has_gone = threading.Event(), threading.Event()
    gone: list[Peer] = []

    async def script(peer: Peer) -> None:
        await peer.read_request()
        if everybody_has_gone.is_set():
            await peer.send(answer())
            await answer_everything(peer)
        if len(server.peers) == size:
            everybody_is_here.set()
        # One connection for each: the first is not free before the last has come.
        await asyncio.to_thread(everybody_is_here.wait)
        await peer.send(answer())
        ending(peer)
        gone.append(peer)
        if len(gone) == size:
            everybody_has_gone.set()

    async def send_to_all(client: BotApiClient) -> None:
        sends = (client.send_message(5, "hello") for _ in range(size))
        for exchange in await asyncio.gather(*sends):
            assert judge(exchange).kind is Kind.ACCEPTED

    async def main() -> None:
        async with client_of(server.url, connections=size) as client:
            await send_to_all(client)
            everybody_has_gone.wait()
            await send_to_all(client)

    with RawServer(script) as server:
        asyncio.run(main())

    assert server.requests_written == 2 * size


def test_a_reused_connection_that_ends_after_the_request_is_not_tried_again():
    async def script(peer: Peer) -> None:
        await peer.read_request()
        await peer.send(answer())
        await peer.read_request()

    async def main() -> Exchange:
        async with client_of(server.url) as client:
            await client.send_message(5, "one")
            return await client.send_message(5, "two")

    with RawServer(script) as server:
        exchange = asyncio.run(main())

    assert phase_of(exchange) is Phase.CONNECTION_CUT
    assert server.requests_written == 2
    assert len(server.peers) == 1


@pytest.mark.parametrize("loop_is", ["running", "blocked"])
def test_a_tls_connection_closed_while_idle_is_replaced_unnoticed(loop_is):
    async def main() -> None:
        transport = AiohttpTransport(
            token=Secret(TOKEN), ssl_context=trusting_context()
        )
        async with httpx.AsyncClient(transport=transport) as client:
            for _ in range(3):
                response = await client.post(f"{server.url}/sendMessage", content="{}")
                assert response.json()["ok"] is True
                if loop_is == "blocked":
                    server.closed_idle.wait()
                else:
                    await asyncio.to_thread(server.closed_idle.wait)
                server.closed_idle.clear()

    with TlsServer(requests_per_connection=1) as server:
        asyncio.run(main())

    assert server.connections == 3
    assert server.requests_written == 3


def test_connections_that_rest_too_long_are_closed_by_us():
    async def main() -> None:
        transport = AiohttpTransport(keep_alive=0.0)
        async with httpx.AsyncClient(transport=transport) as client:
            await client.post(f"{server.url}/sendMessage", content="{}")
            await client.post(f"{server.url}/sendMessage", content="{}")

    with RawServer(answer_everything) as server:
        asyncio.run(main())

    assert len(server.peers) == 2


# --- Endings ------------------------------------------------------------------------


def test_a_cancelled_send_closes_its_connection_and_frees_its_slot():
    request_read, client_closed = threading.Event(), threading.Event()

    async def script(peer: Peer) -> None:
        await peer.read_request()
        if len(server.peers) > 1:
            await peer.send(answer())
            return
        request_read.set()
        await peer.wait_until_client_closes()
        client_closed.set()

    async def main() -> Exchange:
        async with client_of(server.url, connections=1) as client:
            sending = asyncio.create_task(client.send_message(5, "one"))
            await asyncio.to_thread(request_read.wait)
            sending.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sending
            await asyncio.to_thread(client_closed.wait)
            return await client.send_message(5, "two")

    with RawServer(script) as server:
        assert judge(asyncio.run(main())).kind is Kind.ACCEPTED

    assert server.requests_written == 2


def test_a_send_may_be_given_a_deadline_from_outside():
    async def main() -> None:
        async with client_of(server.url) as client, asyncio.timeout(BRIEF):
            await client.send_message(5, "hello")

    with RawServer(stays_silent) as server, pytest.raises(TimeoutError):
        asyncio.run(main())


def test_closing_leaves_nothing_open():
    async def main() -> None:
        async with client_of(server.url) as client:
            await asyncio.gather(*(client.send_message(5, "x") for _ in range(4)))

    with (
        RawServer(answer_everything) as server,
        warnings.catch_warnings(record=True) as caught,
    ):
        warnings.simplefilter("always")
        asyncio.run(main(), debug=True)
        gc.collect()

    assert [str(warning.message) for warning in caught] == []


def test_a_client_that_was_never_used_can_be_made_and_closed():
    client = BotApiClient(api_url="https://api.telegram.org", token=TOKEN)

    asyncio.run(client.aclose())


@pytest.mark.parametrize(
    "api_url",
    [
        "",
        "api.telegram.org",
        "ftp://api.telegram.org",
        "https://",
        "http:///bot",
        "https://api.telegram.org:port",
        "https://api.telegram.org/?a=b",
        "https://api.telegram.org/#a",
        "replace_me",
        "http://[::1",
    ],
)
def test_an_address_that_is_none_is_refused_in_clear_words(api_url):
    with pytest.raises(ValueError, match=r"must look like https://api\.telegram\.org"):
        BotApiClient(api_url=api_url, token=TOKEN)


def test_an_empty_token_is_refused():
    with pytest.raises(ValueError, match="token is empty"):
        BotApiClient(api_url="https://api.telegram.org", token="  ")


@pytest.mark.parametrize(
    "proxy_url",
    [f"ftp://u:{PASSWORD}@host:1", f"socks5://u:{PASSWORD}@:99999999", PASSWORD],
)
def test_a_proxy_that_is_none_is_refused_without_repeating_its_password(proxy_url):
    with pytest.raises(ValueError, match="proxy must be given as") as caught:
        BotApiClient(
            api_url="https://api.telegram.org", token=TOKEN, proxy_url=proxy_url
        )

    assert PASSWORD not in str(caught.value)


# --- Proxies ------------------------------------------------------------------------


@pytest.mark.parametrize("proxy_class", [HttpProxy, Socks5Proxy])
def test_a_message_goes_through_a_proxy_with_a_password(proxy_class):
    with RawServer(answer_everything) as server, proxy_class() as proxy:
        exchange = send_once(
            f"http://telegram.example:{server.port}", proxy_url=proxy.url()
        )

    assert judge(exchange).kind is Kind.ACCEPTED
    assert "telegram.example" in proxy.targets[0]
    assert server.requests_written == 1


@pytest.mark.parametrize("proxy_class", [HttpProxy, HttpsProxy, Socks5Proxy])
def test_tls_goes_through_a_proxy_and_hides_the_token_from_it(proxy_class):
    async def main() -> None:
        transport = AiohttpTransport(
            token=Secret(TOKEN),
            proxy_url=Secret(proxy.url()),
            ssl_context=trusting_context(),
        )
        async with httpx.AsyncClient(transport=transport) as client:
            for _ in range(2):
                response = await client.post(f"{server.url}/sendMessage", content="{}")
                assert response.json()["ok"] is True

    with TlsServer() as server, proxy_class() as proxy:
        asyncio.run(main())

    assert proxy.targets == [f"127.0.0.1:{server.port}"]
    assert server.requests_written == 2


@pytest.mark.parametrize("scheme", ["http", "https", "socks5", "socks5h"])
@pytest.mark.parametrize("target", ["http", "https"])
def test_a_proxy_that_is_down_has_sent_nothing(scheme, target):
    with refusing_port() as port:
        exchange = send_once(
            f"{target}://telegram.example",
            proxy_url=f"{scheme}://shop:{PASSWORD}@127.0.0.1:{port}",
        )

    assert phase_of(exchange) is Phase.PROXY_FAILED
    assert judge(exchange).kind is Kind.UNREACHABLE
    assert PASSWORD not in str(exchange)


@pytest.mark.parametrize("proxy_class", [HttpProxy, Socks5Proxy])
def test_a_proxy_that_refuses_the_password_has_sent_nothing(proxy_class):
    with proxy_class() as proxy:
        exchange = send_once(
            "https://telegram.example", proxy_url=proxy.url("wrong-password-0815")
        )

    assert phase_of(exchange) is Phase.PROXY_FAILED
    assert "wrong-password" not in str(exchange)


def test_a_socks_proxy_that_cannot_reach_telegram_has_sent_nothing():
    with Socks5Proxy() as proxy, refusing_port() as port:
        exchange = send_once(f"http://127.0.0.1:{port}", proxy_url=proxy.url())

    assert phase_of(exchange) is Phase.PROXY_FAILED


async def hangs_up_on_the_proxy_request(peer: Peer) -> None:
    await peer.read_some()


@pytest.mark.parametrize("scheme", ["http", "socks5"])
def test_a_proxy_that_hangs_up_has_sent_nothing(scheme):
    with RawServer(hangs_up_on_the_proxy_request) as proxy:
        exchange = send_once(
            "https://telegram.example", proxy_url=f"{scheme}://127.0.0.1:{proxy.port}"
        )

    assert judge(exchange).kind is Kind.UNREACHABLE
    assert proxy.requests_written == 0


@pytest.mark.parametrize("scheme", ["http", "socks5"])
def test_a_proxy_that_stays_silent_has_sent_nothing(scheme):
    with RawServer(Peer.wait_until_client_closes) as proxy:
        exchange = send_once(
            "https://telegram.example",
            proxy_url=f"{scheme}://127.0.0.1:{proxy.port}",
            connect_timeout=BRIEF,
        )

    assert phase_of(exchange) is Phase.CONNECT_TIMEOUT


@pytest.mark.parametrize(
    "server_class", [TlsServer, HttpProxy, HttpsProxy, Socks5Proxy]
)
def test_the_servers_of_these_tests_leave_nothing_open_wherever_they_end(server_class):
    """An open socket would be reported in the test during which it becomes garbage."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(20):
            with contextlib.ExitStack() as clients, server_class() as server:
                for _ in range(5):
                    address = ("127.0.0.1", server.port)
                    clients.enter_context(socket.create_connection(address))
        gc.collect()

    assert [str(warning.message) for warning in caught] == []


# --- The token ----------------------------------------------------------------------


async def echoes_the_address(peer: Peer) -> None:
    """Answer as Apache does: "The requested URL … was not found"."""
    head = await peer.read_head()
    path = head.split(b" ")[1]
    page = b"<h1>Not Found</h1>The requested URL " + path
    page += b" or " + path.replace(b":", b"%3A") + b" was not found"
    headers = b"Location: https://elsewhere" + path + b"\r\nX-Path: " + path + b"\r\n"
    await peer.send(answer(page, status="404 Not Found", headers=headers))


TROUBLE: list[Script] = [
    answer_everything,
    echoes_the_address,
    accepts_and_closes,
    accepts_and_resets,
    resets_after_the_head,
    resets_after_the_body,
    closes_after_the_body,
    sends_half_the_headers,
    sends_something_that_is_not_http,
    stays_silent,
    stops_in_the_headers,
]


@contextlib.contextmanager
def everything_logged() -> Iterator[io.StringIO]:
    """Log all loggers at DEBUG, with the variables of every traceback."""
    output = io.StringIO()

    class Formatter(logging.Formatter):
        def formatException(self, ei):  # logging's own name
            return "".join(
                traceback.TracebackException(*ei, capture_locals=True).format()
            )

    handler = logging.StreamHandler(output)
    handler.setFormatter(Formatter("%(name)s %(levelname)s %(message)s %(args)r"))
    names = [None, *logging.root.manager.loggerDict]
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
    logging.getLogger().addHandler(handler)
    try:
        yield output
    finally:
        logging.getLogger().removeHandler(handler)
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


async def tell_everything(call: Awaitable[Any], *objects: object) -> str:
    """Return all that can be said of the call's result, or of its exception."""
    loop = asyncio.get_running_loop()
    # In debug mode this logs every single callback, with its arguments.
    loop.slow_callback_duration = 0
    parts = [repr(thing) for thing in objects]
    try:
        result = await call
    except BaseException as error:
        told = traceback.TracebackException.from_exception(error, capture_locals=True)
        parts += [repr(error), str(error), repr(vars(error)), *told.format()]
        parts += [repr(error.__cause__), repr(error.__context__)]
    else:
        parts += [repr(result), str(result)]
        if isinstance(result, httpx.Response):
            parts += [repr(result.headers.raw), result.text, repr(result.request.url)]
        else:
            parts.append(repr(judge(result)))
    return "\n".join(parts)


async def tell_all_of(url: str, **options) -> str:
    """Send through the client, through the bare transport, and cancel a send."""
    client = BotApiClient(api_url=url, token=TOKEN, read_timeout=BRIEF, **options)
    told = [await tell_everything(client.send_message(5, "hello"), client)]
    told.append(await tell_everything(asyncio.wait_for(client.get_me(), 0.01), client))
    await client.aclose()

    proxy_url = options.get("proxy_url")
    transport = AiohttpTransport(
        token=Secret(TOKEN), proxy_url=Secret(proxy_url) if proxy_url else None
    )
    async with httpx.AsyncClient(transport=transport, timeout=BRIEF) as bare:
        call = bare.post(f"{url}/sendMessage", content="{}")
        told.append(await tell_everything(call, transport, bare))
        # A mistake in our own program: a header that cannot be sent.
        call = bare.post(f"{url}/sendMessage", headers={"X-Bad": "a\x00b"})
        told.append(await tell_everything(call, transport, bare))
    return "\n".join(told)


def assert_no_secret_in(text: str) -> None:
    for secret in (SECRET, PASSWORD):
        position = text.find(secret)
        assert position < 0, text[max(0, position - 2000) : position + 200]


@pytest.mark.parametrize("script", TROUBLE, ids=lambda script: script.__name__)
def test_the_token_is_in_nothing_that_a_failure_leaves_behind(script):
    with everything_logged() as log, RawServer(script) as server:
        told = asyncio.run(tell_all_of(server.url), debug=True)
    gc.collect()

    assert_no_secret_in(told)
    assert_no_secret_in(log.getvalue())
    # The search looked at the right thing: the loop's own callbacks are there.
    assert "asyncio WARNING Executing <Task" in log.getvalue()


@pytest.mark.parametrize(
    ("api_url", "proxy_url"),
    [
        ("http://127.0.0.1:1", None),
        ("https://127.0.0.1:1", None),
        ("http://no-such-host.invalid", None),
        ("http://127.0.0.1:1", f"http://shop:{PASSWORD}@127.0.0.1:1"),
        ("https://127.0.0.1:1", f"http://shop:{PASSWORD}@127.0.0.1:1"),
        ("https://127.0.0.1:1", f"socks5://shop:{PASSWORD}@127.0.0.1:1"),
    ],
)
def test_the_token_is_in_nothing_that_a_missing_connection_leaves_behind(
    api_url, proxy_url
):
    with everything_logged() as log:
        told = asyncio.run(tell_all_of(api_url, proxy_url=proxy_url), debug=True)
    gc.collect()

    assert_no_secret_in(told)
    assert_no_secret_in(log.getvalue())


def test_the_token_is_in_no_complaint_about_the_configuration():
    with pytest.raises(ValueError, match="must look like") as caught:
        BotApiClient(api_url="nonsense", token=str(TOKEN))

    # The test's own frame is not ours to guard.
    told = traceback.TracebackException.from_exception(
        caught.value, capture_locals=True
    )
    assert_no_secret_in("".join(list(told.format())[2:]))
