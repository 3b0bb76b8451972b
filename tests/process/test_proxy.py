"""The bot behind a proxy: polling and sending both go through it, and nothing else."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.product import RunningProduct
from tests.support.proxies import PASSWORD, HttpProxy, HttpsProxy, Socks5Proxy
from tests.support.raw_server import authority, refusing_port
from tests.support.telegram import ANNA, RunningTelegram
from tests.support.waiting import wait_until

PROXIES = [HttpProxy, HttpsProxy, Socks5Proxy]


@pytest.fixture
def telegram() -> Iterator[RunningTelegram]:
    with RunningTelegram() as telegram:
        yield telegram


def make_product(
    folder: Path, telegram: RunningTelegram, proxy_url: str
) -> RunningProduct:
    certificate = folder / "authority.pem"
    certificate.write_bytes(authority().cert_pem.bytes())
    product = RunningProduct(
        folder,
        "--no-web",
        # Only the proxies of the tests know where this host is.
        TG_API_URL=telegram.api_url.replace("127.0.0.1", "telegram.example"),
        TG_BOT_TOKEN=telegram.token,
        TG_PROXY_URL=proxy_url,
        NOTIFICATIONS_OUTAGE_PAUSES="0.2",
        LOG_LEVEL="DEBUG",
    )
    product.environment["SSL_CERT_FILE"] = str(certificate)
    return product


def place_order(product: RunningProduct, number: str) -> None:
    product.run_django(
        f"customer = Customer.objects.get(tg_user_id={ANNA})\n"
        f"Order.objects.create(number={number!r}, customer=customer)"
    )


def assert_no_secret_in(product: RunningProduct, telegram: RunningTelegram) -> None:
    secrets = (telegram.token.partition(":")[2], PASSWORD)
    for path in product.folder.iterdir():
        content = path.read_bytes()
        for secret in secrets:
            assert secret.encode() not in content, path


@pytest.mark.parametrize("proxy_class", PROXIES, ids=lambda kind: kind.scheme)
def test_polling_and_sending_go_through_the_proxy(
    tmp_path: Path, telegram: RunningTelegram, proxy_class: type[HttpProxy]
) -> None:
    with (
        proxy_class() as proxy,
        make_product(tmp_path, telegram, proxy.url()) as product,
    ):
        product.wait_for_start()
        telegram.press_start(ANNA)
        telegram.wait_for_message(ANNA, "Здравствуйте", timeout=30)
        place_order(product, "1")
        telegram.wait_for_message(ANNA, "заказ номер 1", timeout=30)
        wait_until(
            lambda: product.query(
                "SELECT 1 FROM notifications_ordernotification WHERE processed"
            ),
            what="the record",
        )

        assert all("telegram.example" in target for target in proxy.targets)
        # At least one connection of each process.
        assert len(proxy.targets) >= 2
    assert_no_secret_in(product, telegram)


@pytest.mark.parametrize("scheme", ["http", "https", "socks5"])
def test_a_proxy_that_is_down_uses_up_no_attempts(
    tmp_path: Path, telegram: RunningTelegram, scheme: str
) -> None:
    with (
        refusing_port() as port,
        make_product(
            tmp_path, telegram, f"{scheme}://shop:{PASSWORD}@127.0.0.1:{port}"
        ) as product,
    ):
        product.wait_for_output("up to 16 at once")
        product.run_django(
            f"OrderNotification.objects.create(order_number='1', tg_user_id={ANNA})"
        )
        product.wait_for_output("pauses for")
        product.wait_for_output("Next try in")
        began = time.monotonic()
        wait_until(
            lambda: product.output.count("pauses for") >= 4, 30, "a few more looks"
        )
        assert time.monotonic() - began < 30

    rows = product.query(
        "SELECT processed, failed_attempts_number, last_error_code "
        "FROM notifications_ordernotification"
    )
    assert rows == [(0, 0, "proxy_failed")]
    assert product.query(
        "SELECT DISTINCT counted, outcome FROM notifications_deliveryattempt"
    ) == [(0, "postponed")]
    assert telegram.ledger(method=None) == []
    assert "Traceback" not in product.output
    assert_no_secret_in(product, telegram)
