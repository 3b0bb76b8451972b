"""Every fault looks to a client as the real one would, and the ledger tells all."""

import contextlib
import gc
import socket
import threading
import warnings
from urllib.parse import urlsplit

import httpx
import pytest

from tests.support.telegram import ANNA, IVAN, RunningTelegram


@pytest.fixture
def telegram():
    with RunningTelegram() as running:
        running.press_start(ANNA)
        yield running


def send(telegram, chat_id=ANNA, timeout=10.0, text="a"):
    body = {"chat_id": chat_id, "text": text}
    return httpx.post(telegram.method_url("sendMessage"), json=body, timeout=timeout)


def test_a_flood_says_how_long_to_wait_in_body_and_header(telegram):
    telegram.add_fault("flood", times=1, retry_after=17)

    answer = send(telegram)

    assert answer.status_code == 429
    assert answer.headers["Retry-After"] == "17"
    assert answer.json() == {
        "ok": False,
        "error_code": 429,
        "description": "Too Many Requests: retry after 17",
        "parameters": {"retry_after": 17},
    }
    assert send(telegram).status_code == 200


def test_a_refusal_may_be_any_code_and_words_for_one_chat(telegram):
    telegram.press_start(IVAN)
    telegram.add_fault("refuse", chat_id=IVAN, code=400, description="Bad Request: x")

    assert send(telegram, IVAN).json()["description"] == "Bad Request: x"
    assert send(telegram, ANNA).status_code == 200


def test_server_errors_are_json_or_a_web_servers_page(telegram):
    telegram.add_fault("server_error", times=1, code=502)
    telegram.add_fault("server_error", times=1, code=502, html=True)

    first, second = send(telegram), send(telegram)

    assert first.json()["error_code"] == 502
    assert second.status_code == 502
    assert second.headers["Content-Type"].startswith("text/html")
    assert "<center><h1>502 Bad Gateway</h1></center>" in second.text
    assert telegram.texts(ANNA) == []


@pytest.mark.parametrize(
    ("kind", "is_delivered"),
    [("cut_before", False), ("cut_after", True), ("half_answer", True)],
)
def test_a_cut_connection_may_have_delivered(telegram, kind, is_delivered):
    telegram.add_fault(kind, times=1)

    with pytest.raises(httpx.RemoteProtocolError):
        send(telegram)

    assert telegram.texts(ANNA) == ["a"] * is_delivered
    entry = telegram.ledger()[-1]
    assert entry.fault == kind
    assert (entry.message_id is not None) == is_delivered


@pytest.mark.parametrize(
    ("kind", "is_delivered"), [("hang_before", 0), ("hang_after", 1)]
)
def test_silence_lasts_until_it_is_switched_off(telegram, kind, is_delivered):
    telegram.add_fault(kind)

    with pytest.raises(httpx.ReadTimeout):
        send(telegram, timeout=0.2)
    outcome = []

    def hang():
        try:
            send(telegram)
        except httpx.HTTPError as error:
            outcome.append(type(error))

    waiting = threading.Thread(target=hang)
    waiting.start()
    telegram.wait_until(lambda: telegram.last_seq == 2)
    telegram.clear_faults()

    waiting.join(5)
    assert outcome == [httpx.RemoteProtocolError]
    assert len(telegram.texts(ANNA)) == 2 * is_delivered


def test_a_slow_telegram_delivers_though_the_client_gave_up(telegram):
    telegram.set_faults(slow_seconds=0.4)

    with pytest.raises(httpx.ReadTimeout):
        send(telegram, timeout=0.1)

    telegram.wait_for_message(ANNA, "a")
    assert telegram.ledger()[-1].fault == "slow"


def test_a_revoked_token_is_refused_until_it_is_restored(telegram):
    telegram.set_faults(revoked=True)
    assert send(telegram).status_code == 401
    assert httpx.get(telegram.method_url("getMe")).status_code == 401

    telegram.set_faults(revoked=False)
    assert send(telegram).status_code == 200


def test_down_refuses_connections_cuts_live_ones_and_keeps_the_port(telegram):
    url = telegram.api_url
    outcome = []

    def poll():
        try:
            httpx.get(
                telegram.method_url("getUpdates?timeout=30&offset=1999999999999"),
                timeout=30,
            )
        except httpx.HTTPError as error:
            outcome.append(type(error))

    waiting = threading.Thread(target=poll)
    waiting.start()
    telegram.wait_for_poll()

    telegram.go_down()

    waiting.join(5)
    assert outcome == [httpx.RemoteProtocolError]
    with pytest.raises(httpx.ConnectError):
        send(telegram)
    assert httpx.get(telegram.page_url + "control/state").json()["faults"]["down"]
    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind(("127.0.0.1", int(url.rpartition(":")[2])))

    telegram.come_back()
    assert telegram.api_url == url
    assert send(telegram).status_code == 200


def test_whoever_connects_while_it_goes_down_is_cut_too(telegram):
    address = ("127.0.0.1", urlsplit(telegram.api_url).port)
    for _ in range(40):
        with contextlib.ExitStack() as clients:
            arriving = [
                clients.enter_context(socket.create_connection(address, timeout=5))
                for _ in range(5)
            ]
            telegram.set_faults(down=True)
            for client in arriving:
                with contextlib.suppress(ConnectionError):
                    assert client.recv(1) == b""
        telegram.come_back()


def test_whoever_connects_while_it_ends_leaves_nothing_open():
    """An open socket would be reported in the test during which it becomes garbage."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(20):
            with contextlib.ExitStack() as clients, RunningTelegram() as running:
                for url in [running.api_url, running.page_url] * 3:
                    address = ("127.0.0.1", urlsplit(url).port)
                    clients.enter_context(socket.create_connection(address))
        gc.collect()

    assert [str(warning.message) for warning in caught] == []


def test_going_down_undoes_nothing_and_does_nothing_of_waiting_requests(telegram):
    telegram.set_faults(slow_seconds=30)
    outcome = []

    def wait():
        try:
            send(telegram, timeout=30)
        except httpx.HTTPError as error:
            outcome.append(type(error))

    waiting = threading.Thread(target=wait)
    waiting.start()
    telegram.wait_for_requests()
    telegram.go_down()
    waiting.join(5)
    telegram.clear_faults()

    # Which one depends on how much of the request had been read.
    assert outcome[0] in (httpx.RemoteProtocolError, httpx.ReadError)
    assert telegram.texts(ANNA) == []
    assert send(telegram, text="b").status_code == 200


def test_down_and_up_many_times(telegram):
    for _ in range(20):
        telegram.go_down()
        telegram.go_down()
        telegram.come_back()
        telegram.come_back()

    assert send(telegram).status_code == 200


def test_the_ledger_tells_every_request_in_order(telegram):
    httpx.get(telegram.method_url("getMe"))
    since = telegram.last_seq
    send(telegram, 42)
    send(telegram, text="b")

    entries = telegram.ledger(since=since)
    assert [(e.method, e.chat_id, e.text, e.code) for e in entries] == [
        ("sendMessage", 42, "a", 400),
        ("sendMessage", ANNA, "b", 200),
    ]
    assert entries[0].description == "Bad Request: chat not found"
    assert entries[0].started <= entries[0].finished <= entries[1].started
    assert telegram.ledger(method=None)[0].method == "getMe"
