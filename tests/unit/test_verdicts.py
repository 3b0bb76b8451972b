"""The judge, case by case, with the texts of the real Bot API server."""

import json
from typing import Any

import pytest

from notifications.exchanges import Answer, Exchange, NoAnswer, Phase
from notifications.judging import (
    DEFAULT_FLOOD_WAIT_SECONDS,
    MAX_FLOOD_WAIT_SECONDS,
    judge,
)
from notifications.verdicts import REASON_CODES, Kind, Verdict

NGINX_502 = (
    b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n"
    b"<center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>nginx/1.18.0</center>"
    b"\r\n</body>\r\n</html>\r\n"
)
PORTAL = b"<!DOCTYPE html><title>Free Wi-Fi</title><h1>Please log in</h1>"
ACCEPTED = (
    b'{"ok":true,"result":{"message_id":77,"from":{"id":1,"is_bot":true},'
    b'"chat":{"id":5,"type":"private"},"date":1700000000,"text":"hello"}}'
)
JSON_TYPE = "application/json"


def refusal(code: int, description: str, **parameters: Any) -> Answer:
    reply: dict[str, Any] = {
        "ok": False,
        "error_code": code,
        "description": description,
    }
    if parameters:
        reply["parameters"] = parameters
    return Answer(code, json.dumps(reply).encode(), content_type=JSON_TYPE)


def half(status: int, body: bytes, content_type: str = JSON_TYPE) -> NoAnswer:
    partial = Answer(status, body, content_type=content_type)
    return NoAnswer(Phase.HALF_ANSWER, "the answer broke off", partial)


def brief(verdict: Verdict) -> tuple[Kind, str]:
    return verdict.kind, verdict.reason_code


def test_an_accepted_message_carries_its_id():
    verdict = judge(Answer(200, ACCEPTED))

    assert brief(verdict) == (Kind.ACCEPTED, "accepted")
    assert verdict.message_id == 77
    assert not verdict.counts
    assert not verdict.maybe_delivered


@pytest.mark.parametrize(
    ("code", "description", "reason_code"),
    [
        (403, "Forbidden: bot was blocked by the user", "blocked_by_user"),
        (400, "Bad Request: USER_IS_BLOCKED", "blocked_by_user"),
        (403, "Forbidden: user is deactivated", "user_deactivated"),
        (400, "Bad Request: INPUT_USER_DEACTIVATED", "user_deactivated"),
        (
            403,
            "Forbidden: bot can't initiate conversation with a user",
            "not_started",
        ),
        (403, "Forbidden: bot was kicked from the group chat", "removed_from_chat"),
        (
            403,
            "Forbidden: bot was kicked from the supergroup chat",
            "removed_from_chat",
        ),
        (403, "Forbidden: bot was kicked from the channel chat", "removed_from_chat"),
        (
            403,
            "Forbidden: bot is not a member of the supergroup chat",
            "removed_from_chat",
        ),
        (
            403,
            "Forbidden: bot is not a member of the channel chat",
            "removed_from_chat",
        ),
        (403, "Forbidden: the group chat was deleted", "chat_deleted"),
        (
            403,
            "Forbidden: the bot can't send messages to the bot",
            "recipient_is_bot",
        ),
        (403, "Forbidden: bot can't send messages to bots", "recipient_is_bot"),
        (403, "Forbidden: something quite new", "forbidden"),
        (400, "Bad Request: chat not found", "chat_not_found"),
        (400, "Bad Request: private chat not found", "chat_not_found"),
        (400, "Bad Request: PEER_ID_INVALID", "chat_not_found"),
        (400, "Bad Request: chat_id is empty", "chat_not_found"),
        (400, "Bad Request: message text is empty", "message_empty"),
        (400, "Bad Request: message is too long", "message_too_long"),
        (
            400,
            "Bad Request: can't parse entities: Unsupported start tag at offset 0",
            "bad_formatting",
        ),
        (400, "Bad Request: message thread not found", "topic_closed"),
        (400, "Bad Request: TOPIC_CLOSED", "topic_closed"),
        (400, "Bad Request: TOPIC_DELETED", "topic_closed"),
        (400, "Bad Request: have no write access to the chat", "no_rights"),
        (
            400,
            "Bad Request: not enough rights to send text messages to the chat",
            "no_rights",
        ),
        (400, "Bad Request: CHAT_WRITE_FORBIDDEN", "no_rights"),
        (400, "Bad Request: ALLOW_PAYMENT_REQUIRED_15", "payment_required"),
        (400, "Bad Request: BUTTON_URL_INVALID", "bad_request"),
        (
            400,
            "Bad Request: group chat was upgraded to a supergroup chat",
            "group_upgraded",
        ),
        (
            409,
            "Conflict: terminated by other getUpdates request; make sure that only "
            "one bot instance is running",
            "refused",
        ),
        (
            409,
            "Conflict: can't use getUpdates method while webhook is active; use "
            "deleteWebhook to delete the webhook first",
            "refused",
        ),
        (402, "Payment Required", "refused"),
        (406, "Not Acceptable: FRESH_CHANGE_ADMINS_FORBIDDEN", "refused"),
    ],
)
def test_a_refusal_counts_and_has_its_own_reason(code, description, reason_code):
    verdict = judge(refusal(code, description))

    assert brief(verdict) == (Kind.REFUSED, reason_code)
    assert verdict.description == description
    assert verdict.counts
    assert not verdict.maybe_delivered


@pytest.mark.parametrize(
    ("code", "description"),
    [
        (401, "Unauthorized"),
        (401, "Unauthorized: invalid token specified"),
        (404, "Not Found"),
        (421, "Misdirected Request: unallowed token specified"),
    ],
)
def test_a_rejected_token_uses_up_no_attempt(code, description):
    verdict = judge(refusal(code, description))

    assert brief(verdict) == (Kind.TOKEN_REJECTED, "token_rejected")
    assert not verdict.counts


@pytest.mark.parametrize(
    "answer",
    [
        refusal(500, "Internal Server Error: restart"),
        refusal(500, "Request aborted"),
        refusal(500, "Internal Server Error"),
        refusal(502, "Bad Gateway"),
        Answer(502, NGINX_502, content_type="text/html"),
        Answer(500, b"<html><h1>500 Internal Server Error</h1></html>"),
        Answer(503, b""),
        Answer(504, b"\xff\xfe not text"),
        Answer(520, b"error code: 520"),
        Answer(500, b'{"ok":true,"result":{"message_id":1}}'),
        half(502, b"<html>\r\n<he", "text/html"),
    ],
)
def test_a_server_error_counts_and_may_have_been_delivered(answer):
    verdict = judge(answer)

    assert brief(verdict) == (Kind.UNCERTAIN, "server_error")
    assert verdict.counts
    assert verdict.maybe_delivered


def test_a_message_that_telegram_deleted_at_once_is_not_sent_again():
    verdict = judge(
        refusal(
            500,
            "Internal Server Error: sent message was immediately deleted and can't be "
            "returned",
        )
    )

    assert brief(verdict) == (Kind.ACCEPTED, "sent_then_deleted")
    assert not verdict.counts


def test_an_html_error_is_described_without_its_tags():
    verdict = judge(Answer(502, NGINX_502))

    assert (
        verdict.description == "HTTP 502 502 Bad Gateway 502 Bad Gateway nginx/1.18.0"
    )


@pytest.mark.parametrize(
    "exchange",
    [
        Answer(200, PORTAL, content_type="text/html"),
        Answer(200, b""),
        Answer(200, b"OK"),
        Answer(200, b'["ok", true]'),
        Answer(200, b'"ok"'),
        Answer(200, b"null"),
        Answer(200, b"{}"),
        Answer(200, b'{"login":"https://portal.example"}', content_type=JSON_TYPE),
        Answer(200, b'{"ok":"true","result":{"message_id":1}}'),
        Answer(200, b'{"ok":1}'),
        Answer(204, b""),
        Answer(301, b"", content_type="text/html"),
        Answer(302, PORTAL),
        # Whoever redirects is not Telegram, whatever it says.
        Answer(302, ACCEPTED, content_type=JSON_TYPE),
        Answer(307, b""),
        Answer(401, b'{"error":"invalid_token"}', content_type=JSON_TYPE),
        Answer(403, b"<h1>Blocked by order of the authorities</h1>"),
        Answer(404, b"<html><h1>404 Not Found</h1></html>"),
        Answer(405, b""),
        Answer(407, b"<h1>Proxy Authentication Required</h1>"),
        Answer(451, b"Unavailable For Legal Reasons"),
        Answer(511, PORTAL),
        half(200, PORTAL[:20], "text/html"),
        half(302, b""),
    ],
)
def test_whoever_is_not_telegram_has_delivered_nothing_and_counts_for_nothing(exchange):
    verdict = judge(exchange)

    assert brief(verdict) == (Kind.UNREACHABLE, "not_telegram")
    assert not verdict.counts
    assert not verdict.maybe_delivered


@pytest.mark.parametrize(
    ("status", "reason_code"), [(400, "bad_request"), (413, "message_too_long")]
)
def test_an_answer_that_blames_the_request_counts_even_without_json(
    status, reason_code
):
    verdict = judge(Answer(status, b"<html><h1>Bad Request</h1></html>"))

    assert brief(verdict) == (Kind.REFUSED, reason_code)
    assert verdict.counts


@pytest.mark.parametrize(
    ("exchange", "message_id"),
    [
        (half(200, ACCEPTED[:60]), 77),
        (half(200, ACCEPTED), 77),
        # The number itself was cut: 7 is not its id.
        (half(200, b'{"ok":true,"result":{"message_id":7'), None),
        (half(200, b'{"ok":true,"res'), None),
        (half(200, b'{"ok":true', "text/plain"), None),
        (half(200, b'{ "ok" : true, "result"', ""), None),
        (Answer(200, ACCEPTED[:-3]), 77),
        # Cut before it says so; but Telegram's 200 is always ok:true.
        (half(200, b'{"ok":tr'), None),
        (half(200, b""), None),
    ],
)
def test_a_200_of_telegrams_that_was_cut_is_accepted_without_a_receipt(
    exchange, message_id
):
    verdict = judge(exchange)

    assert verdict.kind is Kind.ACCEPTED
    assert verdict.reason_code in {"accepted", "accepted_no_receipt"}
    assert verdict.message_id == message_id
    assert not verdict.counts


@pytest.mark.parametrize(
    "exchange",
    [
        half(200, b"", "text/html"),
        half(200, b'{"ok', ""),
        NoAnswer(Phase.HALF_ANSWER, "cut"),
    ],
)
def test_a_200_cut_so_early_that_anyone_may_have_sent_it_is_uncertain(exchange):
    verdict = judge(exchange)

    assert brief(verdict) == (Kind.UNCERTAIN, "half_answer")
    assert verdict.counts
    assert verdict.maybe_delivered


@pytest.mark.parametrize(
    ("exchange", "expected"),
    [
        (
            half(
                403, b'{"ok":false,"error_code":403,"description":"Forbidden: bot was b'
            ),
            (Kind.REFUSED, "forbidden"),
        ),
        (
            half(
                403,
                b'{"ok":false,"error_code":403,"description":"Forbidden: bot was '
                b"blocked by the user",
            ),
            (Kind.REFUSED, "blocked_by_user"),
        ),
        (half(401, b'{"ok":false,"error_'), (Kind.TOKEN_REJECTED, "token_rejected")),
        (half(429, b'{"ok":false,"error_'), (Kind.FLOOD, "flood")),
        (half(500, b'{"ok":false,"error_'), (Kind.UNCERTAIN, "server_error")),
        (half(400, b""), (Kind.REFUSED, "bad_request")),
    ],
)
def test_a_refusal_that_was_cut_is_judged_by_its_status_and_what_is_left(
    exchange, expected
):
    assert brief(judge(exchange)) == expected


FLOOD_TEXT = "Too Many Requests: retry after 17"


@pytest.mark.parametrize(
    ("answer", "seconds"),
    [
        (refusal(429, FLOOD_TEXT, retry_after=17), 17.0),
        (refusal(429, "Too Many Requests", retry_after=0.5), 0.5),
        # As text.
        (refusal(429, "Too Many Requests", retry_after="23"), 23.0),
        # Only in words, or in the header, or nowhere.
        (refusal(429, FLOOD_TEXT), 17.0),
        (Answer(429, b"", "31"), 31.0),
        (Answer(429, b"<h1>429 Too Many Requests</h1>", "31"), 31.0),
        (Answer(429, b'{"ok":false,"description":"Too Many Requests"}', "9"), 9.0),
        (refusal(429, "Too Many Requests"), DEFAULT_FLOOD_WAIT_SECONDS),
        (Answer(429, b""), DEFAULT_FLOOD_WAIT_SECONDS),
        # Nonsense is as good as missing, and falls back to the next best.
        (refusal(429, FLOOD_TEXT, retry_after=-3), 17.0),
        (refusal(429, FLOOD_TEXT, retry_after="soon"), 17.0),
        (refusal(429, FLOOD_TEXT, retry_after=True), 17.0),
        (refusal(429, FLOOD_TEXT, retry_after=None), 17.0),
        (refusal(429, FLOOD_TEXT, retry_after=[1]), 17.0),
        (refusal(429, FLOOD_TEXT, retry_after=float("nan")), 17.0),
        (refusal(429, "Too Many", retry_after=0), DEFAULT_FLOOD_WAIT_SECONDS),
        (Answer(429, b"", "Wed, 21 Oct 2065 07:28:00 GMT"), DEFAULT_FLOOD_WAIT_SECONDS),
        (Answer(429, b'{"ok":false,"parameters":7}', "12"), 12.0),
        # Half an hour, five hours and a day are all respected to the second.
        (refusal(429, "Too Many Requests", retry_after=18053), 18053.0),
        (refusal(429, "Too Many Requests", retry_after=86400), 86400.0),
        # Beyond any wait that was ever seen.
        (refusal(429, "Too Many", retry_after=10**9), MAX_FLOOD_WAIT_SECONDS),
        (refusal(429, "Too Many", retry_after=10**400), MAX_FLOOD_WAIT_SECONDS),
        (refusal(429, "Too Many", retry_after=float("inf")), MAX_FLOOD_WAIT_SECONDS),
    ],
)
def test_a_flood_waits_as_long_as_told_and_uses_up_no_attempt(answer, seconds):
    verdict = judge(answer)

    assert brief(verdict) == (Kind.FLOOD, "flood")
    assert verdict.retry_after == seconds
    assert not verdict.counts
    assert not verdict.maybe_delivered


def test_of_two_waits_told_the_longer_one_is_taken():
    body = refusal(429, FLOOD_TEXT, retry_after=17).body

    assert judge(Answer(429, body, "60")).retry_after == 60.0
    assert judge(Answer(429, body, "3")).retry_after == 17.0


@pytest.mark.parametrize("new_id", [-1001234567890, "-1001234567890"])
def test_a_group_that_became_a_supergroup_moves_at_once(new_id):
    verdict = judge(
        refusal(
            400,
            "Bad Request: group chat was upgraded to a supergroup chat",
            migrate_to_chat_id=new_id,
        )
    )

    assert brief(verdict) == (Kind.MIGRATED, "migrated")
    assert verdict.migrate_to_chat_id == -1001234567890
    assert not verdict.counts


@pytest.mark.parametrize("new_id", [0, None, True, "elsewhere", 2**63, [5]])
def test_a_migration_to_nowhere_is_an_ordinary_refusal(new_id):
    verdict = judge(refusal(400, "Bad Request: something", migrate_to_chat_id=new_id))

    assert brief(verdict) == (Kind.REFUSED, "bad_request")
    assert verdict.migrate_to_chat_id is None


@pytest.mark.parametrize(
    ("phase", "reason_code"),
    [
        (Phase.NOT_CONNECTED, "unreachable"),
        (Phase.CONNECT_TIMEOUT, "unreachable"),
        (Phase.PROXY_FAILED, "proxy_failed"),
        (Phase.NO_FREE_CONNECTION, "no_free_connection"),
    ],
)
def test_what_was_never_sent_does_not_count(phase, reason_code):
    verdict = judge(NoAnswer(phase, "Connection refused"))

    assert brief(verdict) == (Kind.UNREACHABLE, reason_code)
    assert verdict.description == "Connection refused"
    assert not verdict.counts
    assert not verdict.maybe_delivered


@pytest.mark.parametrize(
    ("phase", "reason_code"),
    [
        (Phase.WRITE_FAILED, "write_failed"),
        (Phase.WRITE_TIMEOUT, "write_failed"),
        (Phase.READ_TIMEOUT, "read_timeout"),
        (Phase.CONNECTION_CUT, "connection_cut"),
        (Phase.HALF_ANSWER, "half_answer"),
    ],
)
def test_what_may_have_been_sent_counts_and_is_uncertain(phase, reason_code):
    verdict = judge(NoAnswer(phase))

    assert brief(verdict) == (Kind.UNCERTAIN, reason_code)
    assert verdict.counts
    assert verdict.maybe_delivered


def test_every_phase_has_a_verdict():
    assert all(judge(NoAnswer(phase)).reason_code in REASON_CODES for phase in Phase)


def test_the_error_code_in_the_body_wins_over_the_status():
    body = refusal(403, "Forbidden: bot was blocked by the user").body

    assert judge(Answer(200, body)).reason_code == "blocked_by_user"
    assert judge(Answer(400, body)).reason_code == "blocked_by_user"


@pytest.mark.parametrize("error_code", ["403", 403])
def test_an_error_code_written_as_text_is_understood(error_code):
    body = {"ok": False, "error_code": error_code, "description": "Forbidden: new"}

    verdict = judge(Answer(200, json.dumps(body).encode()))

    assert verdict.reason_code == "forbidden"


@pytest.mark.parametrize("error_code", [None, "x", {}, -5, 10**30, 5000])
def test_an_absurd_error_code_is_still_a_refusal(error_code):
    body = json.dumps({"ok": False, "error_code": error_code}).encode()

    assert judge(Answer(418, body)).kind is Kind.REFUSED


def test_a_description_is_one_bounded_line_that_a_database_takes():
    verdict = judge(refusal(400, "Bad\n Request:\0\t x \ud800" + "y" * 900))

    assert verdict.description.startswith("Bad Request: x ?y")
    assert len(verdict.description) == 500


@pytest.mark.parametrize("description", [None, 5, ["x"], {"a": 1}])
def test_a_description_that_is_no_text_does_no_harm(description):
    body = json.dumps({"ok": False, "error_code": 403, "description": description})

    assert judge(Answer(403, body.encode())).reason_code == "forbidden"


@pytest.mark.parametrize(
    "body", [b"[" * 100_000, b'{"ok":' * 9_000, b"9" * 10_000, b"\xff\xfe\x00"]
)
def test_a_body_made_to_hurt_the_parser_is_not_telegrams(body):
    # A warning of an open socket that fails this is another test's: the parser's many
    # objects make Python look for garbage, and what that test left is found here.
    assert judge(Answer(200, body)).reason_code == "not_telegram"


@pytest.mark.parametrize(
    "result",
    [True, None, [], {"message_id": "x"}, {"message_id": 2**70}, {"id": 1}],
)
def test_an_acceptance_without_a_usable_id_is_still_an_acceptance(result):
    body = json.dumps({"ok": True, "result": result}).encode()

    verdict = judge(Answer(200, body))

    assert brief(verdict) == (Kind.ACCEPTED, "accepted")
    assert verdict.message_id is None


def test_a_verdict_depends_on_nothing_but_the_exchange():
    exchange: Exchange = refusal(429, FLOOD_TEXT, retry_after=17)

    assert judge(exchange) == judge(exchange)
