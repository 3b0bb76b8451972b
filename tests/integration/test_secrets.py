"""Whatever goes wrong while sending, no secret is logged, shown or kept."""

import logging
from collections.abc import Iterator

import pytest
from django.apps import apps
from django.urls import reverse

from notifications.models import DeliveryAttempt, OrderNotification
from tests.support.proxies import PASSWORD, HttpProxy, Socks5Proxy
from tests.support.raw_server import Peer, RawServer, answer
from tests.support.sending import finish, notify, point_to, sending
from tests.support.telegram import ANNA, RunningTelegram
from tests.support.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

SECRET = "AAG-x9yQm_Zt4rWvKp2LdJc7NfBhUeTsOiY"
TOKEN = f"123456789:{SECRET}"
TROUBLE: list[tuple[str, dict[str, object]]] = [
    ("flood", {"retry_after": 1}),
    ("server_error", {"code": 502, "html": True}),
    ("server_error", {"code": 500}),
    ("refuse", {"code": 400, "description": "Bad Request: chat not found"}),
    ("refuse", {"code": 404, "description": "Not Found"}),
    ("cut_before", {}),
    ("cut_after", {}),
    ("half_answer", {}),
    ("hang_after", {}),
]


@pytest.fixture
def telegram(settings, caplog) -> Iterator[RunningTelegram]:
    caplog.set_level(logging.DEBUG)
    for name in ("httpx", "httpcore", "aiohttp", "asyncio", "notifications"):
        caplog.set_level(logging.DEBUG, logger=name)
    with RunningTelegram(token=TOKEN) as telegram:
        telegram.press_start(ANNA)
        point_to(telegram, settings)
        # Longer than an answer takes on a busy machine.
        settings.NOTIFICATIONS_READ_TIMEOUT = 2.0
        yield telegram


def everything_kept() -> str:
    """Return every value of every row of every table."""
    return "\n".join(
        repr(row)
        for model in apps.get_models()
        for row in model._default_manager.values_list()
    )


def everything_shown(client) -> str:
    """Return the lists of the admin, and the page of each notification."""
    models = ["notifications_order", "notifications_customer"]
    models += ["notifications_ordernotification"]
    models += [f"django_workers_{name}" for name in ("queue", "worker", "claim")]
    addresses = [reverse(f"admin:{model}_changelist") for model in models]
    addresses += [
        reverse("admin:notifications_ordernotification_change", args=[pk])
        for pk in OrderNotification.objects.values_list("pk", flat=True)
    ]
    responses = [client.get(address) for address in addresses]
    assert {response.status_code for response in responses} == {200}
    return "\n".join(response.content.decode() for response in responses)


def assert_no_secret(*texts: str) -> None:
    for text in texts:
        for secret in (SECRET, PASSWORD):
            place = text.find(secret)
            assert place < 0, text[max(0, place - 500) : place + 100]


@pytest.mark.parametrize("uncertain", ["retry", "hold"])
def test_no_trouble_of_telegram_s_gives_away_the_token(
    telegram, settings, admin_client, caplog, uncertain
):
    settings.NOTIFICATIONS_UNCERTAIN = uncertain
    with sending():
        for kind, fields in TROUBLE:
            telegram.add_fault(kind, times=1, **fields)
            finish(notify(ANNA))
        telegram.set_faults(revoked=True)
        waiting = notify(ANNA)
        wait_until(waiting.attempts.exists, what="the rejection")
        telegram.set_faults(revoked=False, down=True)
        wait_until(lambda: "unreachable" in caplog.text, what="the outage")
        telegram.come_back()
        finish(waiting)

    seen = set(DeliveryAttempt.objects.values_list("error_code", flat=True))
    assert {"flood", "server_error", "token_rejected", "connection_cut"} <= seen
    assert_no_secret(caplog.text, everything_kept(), everything_shown(admin_client))
    # The search looks at the right things.
    assert "Bad Gateway" in everything_kept()


def test_a_server_that_repeats_the_address_gives_nothing_away(
    telegram, settings, admin_client, caplog
):
    async def echo(peer: Peer) -> None:
        head = await peer.read_head()
        path = head.split(b" ")[1]
        page = b'{"ok":false,"error_code":400,"description":"no ' + path + b'"}'
        await peer.send(answer(page, status="400 Bad Request"))

    with RawServer(echo) as server:
        settings.TG_API_URL = server.url
        with sending():
            notification = notify(ANNA)
            finish(notification)

    assert notification.is_given_up
    assert "/bot***/sendMessage" in notification.last_error
    assert_no_secret(caplog.text, everything_kept(), everything_shown(admin_client))


@pytest.mark.parametrize("proxy_class", [HttpProxy, Socks5Proxy])
@pytest.mark.parametrize("password", [PASSWORD, "wrong" + PASSWORD])
def test_a_proxy_s_password_is_given_away_by_nothing(
    telegram, settings, admin_client, caplog, proxy_class, password
):
    with proxy_class() as proxy:
        settings.TG_PROXY_URL = proxy.url(password)
        with sending():
            notification = notify(ANNA)
            if password == PASSWORD:
                finish(notification)
            else:
                wait_until(notification.attempts.exists, what="the refusal")

    assert notification.failed_attempts_number == 0
    assert_no_secret(caplog.text, everything_kept(), everything_shown(admin_client))
