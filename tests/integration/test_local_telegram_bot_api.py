"""The local Bot API answers as Telegram's own server does."""

import json
import threading

import httpx
import pytest

from tests.support.telegram import ANNA, CAT, EMILY, IVAN, MARIA, RunningTelegram


@pytest.fixture
def telegram():
    with RunningTelegram() as running:
        yield running


@pytest.fixture
def call(telegram):
    with httpx.Client(timeout=10) as client:

        def post(method, **parameters):
            return client.post(telegram.method_url(method), json=parameters)

        yield post


def refusal(response):
    body = response.json()
    assert body["ok"] is False
    assert body["error_code"] == response.status_code
    return response.status_code, body["description"]


def poll(call, **parameters):
    return call("getUpdates", **parameters).json()["result"]


def test_a_message_comes_back_whole_and_reaches_the_phone(telegram, call):
    telegram.press_start(ANNA)

    sent = call("sendMessage", chat_id=ANNA, text="  Сформирован заказ номер 7 \n")

    message = sent.json()["result"]
    assert sent.json()["ok"] is True
    assert message["text"] == "Сформирован заказ номер 7"
    assert message["chat"] == {
        "id": ANNA,
        "type": "private",
        "first_name": "Анна",
        "last_name": "Смирнова",
        "username": "anna_smirnova",
    }
    assert message["from"]["is_bot"] is True
    assert telegram.texts(ANNA) == ["Сформирован заказ номер 7"]
    (entry,) = telegram.ledger()
    assert (entry.code, entry.message_id) == (200, message["message_id"])


@pytest.mark.parametrize("form", ["query", "get", "urlencoded", "multipart", "json"])
def test_parameters_may_come_in_every_form(telegram, form):
    telegram.press_start(ANNA)
    url = telegram.method_url("SENDMESSAGE")
    values = {"chat_id": str(ANNA), "text": "Привет, & = +"}

    match form:
        case "query":
            response = httpx.post(url, params=values)
        case "get":
            response = httpx.get(url, params=values)
        case "urlencoded":
            response = httpx.post(url, data=values)
        case "multipart":
            files = {name: (None, value) for name, value in values.items()}
            response = httpx.post(url, files={**files, "f": ("a.txt", b"ignored")})
        case _:
            response = httpx.post(url, json=values)

    assert response.status_code == 200
    assert telegram.texts(ANNA) == ["Привет, & = +"]


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"text": "a"}, (400, "Bad Request: chat_id is empty")),
        ({"chat_id": "", "text": "a"}, (400, "Bad Request: chat_id is empty")),
        ({"chat_id": 42, "text": "a"}, (400, "Bad Request: chat not found")),
        ({"chat_id": "@nobody", "text": "a"}, (400, "Bad Request: chat not found")),
        ({"chat_id": [1], "text": "a"}, (400, "Bad Request: chat not found")),
        ({"chat_id": ANNA}, (400, "Bad Request: message text is empty")),
        ({"chat_id": ANNA, "text": " \n"}, (400, "Bad Request: message text is empty")),
        (
            {"chat_id": ANNA, "text": "<b></b>", "parse_mode": "HTML"},
            (400, "Bad Request: message text is empty"),
        ),
        (
            {"chat_id": ANNA, "text": "я" * 4097},
            (400, "Bad Request: message is too long"),
        ),
        (
            {"chat_id": ANNA, "text": "a", "parse_mode": "word"},
            (400, "Bad Request: unsupported parse_mode"),
        ),
        (
            {"chat_id": ANNA, "text": "a", "reply_markup": "{"},
            (400, "Bad Request: can't parse reply keyboard markup JSON object"),
        ),
        (
            {"chat_id": IVAN, "text": "a"},
            (403, "Forbidden: bot can't initiate conversation with a user"),
        ),
    ],
)
def test_what_telegram_refuses_is_refused_in_its_words(
    telegram, call, parameters, expected
):
    telegram.press_start(ANNA)

    assert refusal(call("sendMessage", **parameters)) == expected
    assert telegram.texts(ANNA) == []


def test_a_text_of_4096_code_points_is_not_too_long(telegram, call):
    telegram.press_start(ANNA)

    assert call("sendMessage", chat_id=ANNA, text="🌸" * 4096).status_code == 200


def test_recipients_that_are_gone_are_refused_each_in_its_way(telegram, call):
    telegram.press_start(ANNA)
    telegram.block(ANNA)
    telegram.press_start(EMILY)
    telegram.deactivate(EMILY)
    robot = telegram.add_user("Robot", is_bot=True, started=False)
    me = int(telegram.token.split(":")[0])

    answers = [
        refusal(call("sendMessage", chat_id=chat, text="a"))
        for chat in (ANNA, EMILY, robot, me)
    ]

    assert answers == [
        (403, "Forbidden: bot was blocked by the user"),
        (403, "Forbidden: user is deactivated"),
        (403, "Forbidden: the bot can't send messages to the bot"),
        (403, "Forbidden: the bot can't send messages to the bot"),
    ]


def test_an_upgraded_group_says_where_it_went(telegram, call):
    group = telegram.add_group("Склад")
    assert call("sendMessage", chat_id=group, text="a").status_code == 200

    new = telegram.upgrade_group(group)
    answer = call("sendMessage", chat_id=group, text="b")

    assert answer.json()["parameters"] == {"migrate_to_chat_id": new}
    assert refusal(answer) == (
        400,
        "Bad Request: group chat was upgraded to a supergroup chat",
    )
    assert call("sendMessage", chat_id=new, text="b").status_code == 200
    telegram.leave_group(new)
    assert refusal(call("sendMessage", chat_id=new, text="c"))[0] == 403


def test_tokens_and_methods_that_do_not_exist(telegram):
    good = telegram.token

    def ask(token, method="getMe"):
        return refusal(httpx.get(f"{telegram.api_url}/bot{token}/{method}"))

    assert ask(good[:-1] + "x") == (401, "Unauthorized")
    assert ask("999:other") == (401, "Unauthorized")
    assert ask("nonsense") == (404, "Not Found")
    assert ask(good, "sendNothing") == (404, "Not Found")
    assert refusal(httpx.get(telegram.api_url + "/")) == (404, "Not Found")
    assert refusal(httpx.delete(telegram.method_url("getMe"))) == (404, "Not Found")


@pytest.mark.parametrize("body", [b"{", b"[1]", b"\xff\xfe", b"[" * 100_000, b"7"])
def test_a_broken_json_body_is_a_bad_request(telegram, body):
    headers = {"Content-Type": "application/json"}

    answer = httpx.post(
        telegram.method_url("sendMessage"), content=body, headers=headers
    )

    code, description = refusal(answer)
    assert code == 400
    assert description.startswith("Bad Request: can't parse JSON object")


def test_a_huge_body_is_refused(telegram):
    answer = httpx.post(
        telegram.method_url("sendMessage"), json={"text": "a" * 2_000_000}
    )

    assert refusal(answer)[0] == 413


def test_a_broken_multipart_body_is_a_bad_request(telegram):
    headers = {"Content-Type": "multipart/form-data; boundary=x"}

    answer = httpx.post(
        telegram.method_url("sendMessage"), content=b"nonsense", headers=headers
    )

    assert answer.status_code == 400


def test_start_with_a_code_is_an_update_with_a_command(telegram, call):
    telegram.press_start(MARIA, "abc-123_X")

    (update,) = poll(call)

    message = update["message"]
    assert message["text"] == "/start abc-123_X"
    assert message["entities"] == [{"type": "bot_command", "offset": 0, "length": 6}]
    assert message["from"] == {
        "id": MARIA,
        "is_bot": False,
        "first_name": "Мария",
        "language_code": "ru",
    }


def test_blocking_and_starting_again_tells_the_bot_in_order(telegram, call):
    telegram.press_start(CAT)
    telegram.block(CAT)
    telegram.block(CAT)
    telegram.press_start(CAT)

    updates = poll(call)

    kinds = [next(key for key in update if key != "update_id") for update in updates]
    assert kinds == ["message", "my_chat_member", "my_chat_member", "message"]
    moves = [
        (
            update["my_chat_member"]["old_chat_member"]["status"],
            update["my_chat_member"]["new_chat_member"]["status"],
        )
        for update in updates[1:3]
    ]
    assert moves == [("member", "kicked"), ("kicked", "member")]


def test_updates_stay_until_an_offset_confirms_them(telegram, call):
    for text in "abc":
        telegram.send_text(ANNA, text)

    first = poll(call, limit=2)
    assert [update["message"]["text"] for update in first] == ["a", "b"]
    assert poll(call, limit=2) == first
    rest = poll(call, offset=first[-1]["update_id"] + 1)
    assert [update["message"]["text"] for update in rest] == ["c"]
    assert telegram.pending_updates() == 1


def test_a_negative_offset_keeps_the_last_updates_only(telegram, call):
    for text in "abc":
        telegram.send_text(ANNA, text)

    assert [u["message"]["text"] for u in poll(call, offset=-1)] == ["c"]
    assert telegram.pending_updates() == 1


def test_allowed_updates_are_remembered_for_later_ones(telegram, call):
    poll(call, allowed_updates=["message"])
    telegram.press_start(ANNA)
    telegram.block(ANNA)

    assert [set(u) for u in poll(call)] == [{"update_id", "message"}]

    poll(call, allowed_updates="[]", offset=-1)
    telegram.unblock(ANNA)

    assert set(poll(call)[-1]) == {"update_id", "my_chat_member"}


def test_a_long_poll_answers_as_soon_as_something_comes(telegram, call):
    result = []
    waiting = threading.Thread(target=lambda: result.extend(poll(call, timeout=30)))
    waiting.start()
    telegram.wait_for_poll()

    telegram.press_start(ANNA)

    waiting.join(5)
    assert [update["message"]["text"] for update in result] == ["/start"]


def test_a_second_poller_ends_the_first_one(telegram, call):
    answers = []
    first = threading.Thread(
        target=lambda: answers.append(refusal(call("getUpdates", timeout=30)))
    )
    first.start()
    telegram.wait_for_poll()

    second = call("getUpdates", timeout=0)

    first.join(5)
    assert second.status_code == 200
    assert answers == [
        (
            409,
            "Conflict: terminated by other getUpdates request; "
            "make sure that only one bot instance is running",
        )
    ]


def test_a_webhook_and_polling_exclude_each_other(telegram, call):
    telegram.press_start(ANNA)
    assert refusal(call("setWebhook", url="http://x.y"))[0] == 400
    call("setWebhook", url="https://x.y/hook")

    info = call("getWebhookInfo").json()["result"]
    assert (info["url"], info["pending_update_count"]) == ("https://x.y/hook", 1)
    assert refusal(call("getUpdates"))[0] == 409

    call("deleteWebhook", drop_pending_updates=True)
    assert poll(call) == []


def test_buttons_are_pressed_and_answered(telegram, call):
    telegram.press_start(ANNA)
    keyboard = {"inline_keyboard": [[{"text": "Да", "callback_data": "yes"}]]}
    sent = call(
        "sendMessage", chat_id=ANNA, text="?", reply_markup=json.dumps(keyboard)
    ).json()["result"]
    assert sent["reply_markup"] == keyboard

    telegram.press_button(ANNA, sent["message_id"], "yes")

    query = poll(call)[-1]["callback_query"]
    assert (query["data"], query["from"]["id"]) == ("yes", ANNA)
    assert call("answerCallbackQuery", callback_query_id=query["id"]).json()["result"]
    assert refusal(call("answerCallbackQuery", callback_query_id=query["id"]))[0] == 400


@pytest.mark.parametrize(
    "markup",
    [
        {"inline_keyboard": [[{"text": "a"}]]},
        {"inline_keyboard": [[{"text": "a", "callback_data": "я" * 33}]]},
        {"inline_keyboard": {"text": "a"}},
        {"keyboard": [[{"nonsense": 1}]]},
        [1],
    ],
)
def test_buttons_that_make_no_sense_are_refused(telegram, call, markup):
    telegram.press_start(ANNA)

    answer = call("sendMessage", chat_id=ANNA, text="?", reply_markup=markup)

    assert answer.status_code == 400


def test_a_message_is_edited_once_and_deleted_once(telegram, call):
    theirs = telegram.press_start(ANNA)["message_id"]
    sent = call("sendMessage", chat_id=ANNA, text="a").json()["result"]
    this = {"chat_id": ANNA, "message_id": sent["message_id"]}

    edited = call("editMessageText", **this, text="b").json()["result"]
    assert edited["text"] == "b"
    again = refusal(call("editMessageText", **this, text="b"))
    assert again[1].startswith("Bad Request: message is not modified")
    assert telegram.texts(ANNA) == ["b"]
    other = call("editMessageText", chat_id=ANNA, message_id=theirs, text="c")
    assert refusal(other)[1] == "Bad Request: message can't be edited"

    assert call("deleteMessage", **this).json()["result"] is True
    assert refusal(call("deleteMessage", **this))[0] == 400
    assert refusal(call("editMessageText", **this, text="c"))[0] == 400
    assert telegram.texts(ANNA) == []


def test_a_reply_carries_what_it_answers(telegram, call):
    start = telegram.press_start(ANNA)["message_id"]

    reply = call(
        "sendMessage", chat_id=ANNA, text="a", reply_parameters={"message_id": start}
    ).json()["result"]
    lost = call(
        "sendMessage", chat_id=ANNA, text="a", reply_parameters={"message_id": 999}
    )

    assert reply["reply_to_message"]["message_id"] == start
    assert refusal(lost) == (400, "Bad Request: message to be replied not found")


def test_the_bot_describes_itself_per_language(telegram, call):
    commands = [{"command": "start", "description": "Начать"}]
    call("setMyCommands", commands=commands)
    call("setMyCommands", commands=commands * 2, language_code="en")
    call("setMyDescription", description="Заказы")
    call("setMyName", name="Shop", language_code="en")

    assert call("getMyCommands").json()["result"] == commands
    assert len(call("getMyCommands", language_code="en").json()["result"]) == 2
    assert call("getMyDescription", language_code="en").json()["result"] == {
        "description": "Заказы"
    }
    assert call("getMyName").json()["result"] == {"name": "Магазин"}
    assert call("getMyName", language_code="en").json()["result"] == {"name": "Shop"}
    call("deleteMyCommands")
    assert call("getMyCommands").json()["result"] == []


def test_an_unforeseen_error_is_logged_and_shown_without_a_traceback(
    telegram, call, caplog
):
    telegram.call(
        lambda: setattr(telegram.local.state, "chat_to_write_to", lambda i: 1 / 0)
    )

    code, description = refusal(call("sendMessage", chat_id=ANNA, text="a"))

    assert code == 500
    assert "Traceback" not in description
    assert "ZeroDivisionError" in caplog.text
