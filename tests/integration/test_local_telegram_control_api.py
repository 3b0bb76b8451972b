"""The control API plays people and faults, for this page and for nobody else's."""

import json
import threading

import httpx
import pytest

from bot.local_telegram import PortInUse
from tests.support.telegram import ANNA, IVAN, RunningTelegram


@pytest.fixture
def telegram():
    with RunningTelegram() as running:
        yield running


@pytest.fixture
def client(telegram):
    with httpx.Client(base_url=telegram.page_url) as client:
        yield client


def post(client, path, **body):
    return client.post(f"/control/{path}", json=body)


def test_people_act_by_http(telegram, client):
    assert post(client, f"users/{ANNA}/start", code="abc").status_code == 200
    assert post(client, f"users/{ANNA}/text", text="привет").status_code == 200
    sticker = {"sticker": {"file_id": "x"}}
    assert post(client, f"users/{ANNA}/message", **sticker).status_code == 200
    assert post(client, f"users/{ANNA}/contact").status_code == 200
    assert post(client, f"users/{ANNA}/block").status_code == 200
    assert post(client, f"users/{ANNA}/unblock").status_code == 200
    group = post(client, "groups", title="Склад", added_by=ANNA).json()["id"]
    assert (
        post(client, f"users/{ANNA}/text", text="x", chat_id=group).status_code == 200
    )
    assert post(client, f"groups/{group}/upgrade").json()["type"] == "supergroup"
    assert post(client, "updates", poll={"id": "1"}).status_code == 200
    assert post(client, f"users/{ANNA}/deactivate").status_code == 200

    messages = client.get(f"/control/chats/{ANNA}/messages").json()["messages"]
    texts = [message.get("text") for message in messages]
    assert texts == ["/start abc", "привет", None, None]
    assert telegram.pending_updates() == 11


def test_the_bot_s_own_address_opens_the_page_with_the_code(client):
    username = client.get("/control/state").json()["bot"]["username"]

    answer = client.get(f"/{username.upper()}?start=abc-_1")

    assert (answer.status_code, answer.headers["Location"]) == (302, "/?start=abc-_1")
    assert client.get("/another_bot?start=abc").status_code == 404


def test_a_new_phone_appears_with_only_what_was_given(telegram, client):
    added = post(client, "users", first_name="Ким", last_name="").json()
    post(client, f"users/{added['id']}/start")

    state = client.get("/control/state").json()
    update = httpx.get(telegram.method_url("getUpdates")).json()["result"][0]

    shown = next(user for user in state["users"] if user["id"] == added["id"])
    assert (shown["name"], shown["state"]) == ("Ким", "active")
    sender = {"id": added["id"], "is_bot": False, "first_name": "Ким"}
    assert update["message"]["from"] == sender


def test_faults_are_switched_by_http(telegram, client):
    post(client, "faults", slow_seconds=0.01, down=True)
    with pytest.raises(httpx.ConnectError):
        httpx.get(telegram.method_url("getMe"))
    shown = post(client, "faults/rules", kind="flood", chat_id=IVAN).json()
    rule = shown["rules"][0]
    assert (shown["down"], shown["slow_seconds"], rule["chat_id"]) == (True, 0.01, IVAN)
    assert post(client, f"faults/rules/{rule['id']}/remove").json()["rules"] == []
    assert post(client, f"faults/rules/{rule['id']}/remove").status_code == 404

    cleared = post(client, "faults/clear").json()

    assert (cleared["down"], cleared["slow_seconds"]) == (False, 0)
    assert httpx.get(telegram.method_url("getMe")).status_code == 200


def test_the_ledger_is_read_in_pieces(telegram, client):
    for method in ("getMe", "sendMessage", "getMe"):
        httpx.get(telegram.method_url(method))

    all_of_it = client.get("/control/ledger").json()
    later = client.get("/control/ledger?since=1&method=getme").json()

    assert (all_of_it["last_seq"], len(all_of_it["entries"])) == (3, 3)
    assert [entry["seq"] for entry in later["entries"]] == [3]


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        ("users", {}, 400),
        ("users", {"first_name": " "}, 409),
        ("users", {"first_name": 7}, 400),
        ("users", {"first_name": "x", "id": ANNA}, 409),
        ("users", {"first_name": "x", "nonsense": 1}, 400),
        ("users/1/start", {}, 404),
        (f"users/{ANNA}/dance", {}, 404),
        (f"users/{ANNA}/text", {}, 400),
        (f"users/{ANNA}/text", {"text": " "}, 400),
        (f"users/{ANNA}/start", {"code": 7}, 400),
        (f"users/{ANNA}/block", {}, 409),
        (f"users/{ANNA}/button", {"message_id": 1, "data": "x"}, 409),
        ("groups", {"title": "x"}, 400),
        ("groups/-1/upgrade", {}, 409),
        ("faults", {"down": "yes"}, 400),
        ("faults/rules", {"kind": "nonsense"}, 400),
        ("nowhere", {}, 404),
    ],
)
def test_nonsense_gets_a_sentence(client, path, body, code):
    answer = client.post(f"/control/{path}", json=body)

    assert answer.status_code == code
    assert answer.json()["error"]


@pytest.mark.parametrize("body", ["{", "[]", "7", "[" * 100_000])
def test_a_body_that_is_no_object_gets_a_sentence(client, body):
    headers = {"Content-Type": "application/json"}

    answer = client.post("/control/faults/clear", content=body, headers=headers)

    assert answer.status_code == 400


def test_other_sites_may_not_use_it(telegram, client):
    def status(method="POST", content_type="application/json", **headers):
        headers = {"Content-Type": content_type, **headers}
        path = "/control/faults/clear" if method == "POST" else "/control/state"
        return client.request(method, path, content="{}", headers=headers).status_code

    own = telegram.page_url.rstrip("/")
    assert status(Origin=own) == 200
    assert status(Origin="https://evil.example") == 403
    assert status(Origin="null") == 403
    assert status(Host="evil.example") == 403
    assert status(method="GET", Host="evil.example") == 403
    assert status(content_type="text/plain") == 415
    assert status(content_type="application/x-www-form-urlencoded") == 415
    assert client.get("/control/faults/clear").status_code == 405


def test_the_page_may_load_its_own_files_and_nothing_else(client):
    page = client.get("/")
    policy = page.headers["Content-Security-Policy"]

    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "style=" not in page.text
    assert "http" not in page.text.replace("http-equiv", "")
    for path in ("../server.py", "..%2Fserver.py", "nothing.js"):
        assert client.get(f"/page/{path}").status_code == 404


def test_both_languages_have_the_same_words(client):
    russian = client.get("/page/ru.json").json()
    english = client.get("/page/en.json").json()

    assert list(russian) == list(english)
    assert all(russian.values())
    assert all(english.values())


def test_events_arrive_while_they_happen(telegram, client):
    with client.stream("GET", "/events", timeout=10) as events:
        lines = events.iter_lines()
        assert next(lines) == "retry: 1000"

        telegram.press_start(ANNA)
        httpx.get(telegram.method_url("getMe"))

        data = (json.loads(line[6:]) for line in lines if line.startswith("data: "))
        assert [next(data)["type"], next(data)["type"]] == ["message", "log"]


def test_stopping_ends_open_event_streams(telegram, client):
    with client.stream("GET", "/events", timeout=10) as events:
        lines = events.iter_lines()
        next(lines)

        telegram.stop()

        assert [line for line in lines if line] == []


def test_a_busy_port_is_named_and_nothing_is_left(telegram):
    busy = int(telegram.api_url.rpartition(":")[2])

    with pytest.raises(
        PortInUse, match=f"port {busy} on 127.0.0.1 is in use"
    ) as caught:
        RunningTelegram(page_port=busy).start()
    assert caught.value.port == busy
    with pytest.raises(PortInUse):
        RunningTelegram(api_port=busy).start()


def test_a_stopped_telegram_leaves_no_thread_and_no_port():
    before = set(threading.enumerate())
    with RunningTelegram() as running:
        page = running.page_url
        assert httpx.get(page).status_code == 200

    # One of an earlier test may have ended meanwhile.
    assert set(threading.enumerate()) <= before
    with pytest.raises(httpx.ConnectError):
        httpx.get(page)
    running.stop()
