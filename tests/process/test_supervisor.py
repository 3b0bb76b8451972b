"""`python -m bot`: real processes, real signals, a Telegram over real HTTP."""

import re
import shutil
import signal
import socket
import sqlite3
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from tests.support.product import RunningProduct, run_to_end
from tests.support.telegram import ANNA, IVAN, RunningTelegram
from tests.support.waiting import wait_until

pytestmark = pytest.mark.takes_minutes

LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (\w+) +([A-Z]+|\|) ")


@pytest.fixture
def telegram() -> Iterator[RunningTelegram]:
    with RunningTelegram() as telegram:
        yield telegram


@pytest.fixture
def product(tmp_path: Path, telegram: RunningTelegram) -> RunningProduct:
    return make_product(tmp_path, telegram)


def make_product(
    folder: Path, telegram: RunningTelegram, *arguments: str, **settings: str
) -> RunningProduct:
    return RunningProduct(
        folder,
        *(arguments or ["--port", "0"]),
        TG_API_URL=telegram.api_url,
        **{"TG_BOT_TOKEN": telegram.token, **settings},
    )


def place_order(product: RunningProduct, number: str, chat_id: int = ANNA) -> None:
    product.run_django(
        f"customer = Customer.objects.get(tg_user_id={chat_id})\n"
        f"Order.objects.create(number={number!r}, customer=customer)"
    )


def read(url: str) -> tuple[int, str]:
    with urllib.request.urlopen(url, timeout=10) as response:
        return response.status, response.read().decode()


def test_the_main_job_and_a_polite_end(
    product: RunningProduct, telegram: RunningTelegram
) -> None:
    with product:
        product.wait_for_start()
        telegram.press_start(ANNA)
        telegram.wait_for_message(ANNA, "Здравствуйте")
        place_order(product, "1001")
        telegram.wait_for_message(ANNA, "заказ номер 1001")
        # Ordered before Start, told after it.
        product.run_django(
            "Order.objects.create(number='77', customer=Customer.objects.create("
            "name='Иван', invite_code='code_of-Ivan'))"
        )
        telegram.press_start(IVAN, "code_of-Ivan")
        telegram.wait_for_message(IVAN, "заказ номер 77")
        assert_admin_has_its_styles(product.admin_url)

        product.send_signal(signal.SIGTERM)

        assert product.wait(10) == 0
        assert product.family() == []
    assert product.query("SELECT processed FROM notifications_ordernotification") == [
        (1,),
        (1,),
    ]
    # Whoever copies the database's file has everything.
    alone = shutil.copy(product.folder / "db.sqlite3", product.folder / "copy.sqlite3")
    with closing(sqlite3.connect(alone)) as copied:
        assert copied.execute(
            "SELECT count(*) FROM notifications_order"
        ).fetchone() == (2,)
    parts = [
        match[1] for match in map(LINE.match, product.output.splitlines()) if match
    ]
    assert {"supervisor", "polling", "worker"} <= set(parts)
    assert len(parts) == len(product.output.splitlines())
    assert "createsuperuser" in product.output
    assert "Warning" not in product.output


def assert_admin_has_its_styles(admin_url: str) -> None:
    status, page = read(admin_url)
    style = re.search(r'href="(/static/[^"]+base[^"]*\.css)"', page)
    assert status == 200
    assert style is not None
    status, text = read(admin_url.removesuffix("/admin/") + style[1])
    assert status == 200
    assert "font" in text


def test_ctrl_c_reaches_the_supervisor_alone_and_sent_twice_at_once_is_one(
    product: RunningProduct,
) -> None:
    with product:
        product.wait_for_start()
        product.press_ctrl_c()
        time.sleep(0.01)  # not a wait for anything: how `timeout` and `uv run` signal
        product.press_ctrl_c()
        assert product.wait(10) == 0
        assert "Traceback" not in product.output
        assert product.family() == []


def test_killed_parts_are_back_and_nothing_is_lost(
    product: RunningProduct, telegram: RunningTelegram
) -> None:
    with product:
        start_and_send(product, telegram, "hang_before", times=1)

        worker = product.part("worker")
        worker.kill()
        worker.wait()
        product.part("polling").kill()
        telegram.press_start(IVAN)

        product.wait_for_output("worker ended (SIGKILL): starting it again now")
        wait_until(
            lambda: product.output.count("up to 16 at once") == 2, 30, "a new worker"
        )
        telegram.wait_for_message(IVAN, "Здравствуйте", timeout=30)
        telegram.wait_for_message(ANNA, "заказ номер 1", timeout=30)
        assert "polling ended (SIGKILL): starting it again now" in product.output


def test_trouble_with_polling_is_told_while_the_rest_keeps_running(
    product: RunningProduct, telegram: RunningTelegram
) -> None:
    with product:
        product.wait_for_start()

        def is_told() -> bool:
            # It takes the messages away only from a poll that waits for them.
            read(telegram.method_url("getUpdates") + "?timeout=0")
            return "ANOTHER PROGRAM READS THE MESSAGES" in product.output

        wait_until(is_told, 30, "the warning")
        product.wait_for_output("Telegram answers again")

        telegram.set_faults(revoked=True)
        telegram.press_start(ANNA)
        product.wait_for_output("Telegram rejects the token")
        product.part("polling").kill()
        product.wait_for_output("polling ended (exit code 78)")

        assert product.is_running
        assert read(product.admin_url)[0] == 200


def test_sigkill_of_the_supervisor_leaves_no_child_even_in_mid_send(
    product: RunningProduct, telegram: RunningTelegram
) -> None:
    with product:
        start_and_send(product, telegram, "hang_before")

        product.send_signal(signal.SIGKILL)

        wait_until(lambda: product.family() == [], 30, "the end of all children")


def test_sigkill_of_the_supervisor_lets_a_send_be_finished_and_recorded(
    product: RunningProduct, telegram: RunningTelegram
) -> None:
    with product:
        product.wait_for_start()
        telegram.press_start(ANNA)
        telegram.wait_for_message(ANNA, "Здравствуйте")
        telegram.set_faults(slow_seconds=1.5)
        place_order(product, "1")
        # That of the next updates, and the send.
        telegram.wait_for_requests(2, timeout=30)

        product.send_signal(signal.SIGKILL)

        wait_until(lambda: product.family() == [], 30, "the end of all children")
        rows = product.query("SELECT processed FROM notifications_ordernotification")
        assert rows == [(1,)]


def start_and_send(
    product: RunningProduct, telegram: RunningTelegram, fault: str, **fields: int
) -> None:
    """Return while a notification is on its way to Telegram, with this fault."""
    product.wait_for_start()
    telegram.press_start(ANNA)
    telegram.wait_for_message(ANNA, "Здравствуйте")
    telegram.add_fault(fault, **fields)
    place_order(product, "1")
    telegram.wait_for_entry(lambda entry: entry.fault == fault)


def test_a_stop_ends_in_time_though_telegram_is_silent(
    product: RunningProduct, telegram: RunningTelegram
) -> None:
    with product:
        start_and_send(product, telegram, "hang_after")

        product.send_signal(signal.SIGTERM)

        assert product.wait(30) == 0
        assert product.query(
            "SELECT outcome FROM notifications_deliveryattempt ORDER BY id DESC LIMIT 1"
        ) == [("uncertain",)]


def test_a_second_signal_kills_at_once(
    product: RunningProduct, telegram: RunningTelegram
) -> None:
    with product:
        start_and_send(product, telegram, "hang_before")

        product.send_signal(signal.SIGTERM)
        product.wait_for_output("Stopping: SIGTERM")
        with pytest.raises(psutil.TimeoutExpired):
            product.wait(1)
        product.send_signal(signal.SIGTERM)

        assert product.wait(2) == 128 + signal.SIGTERM
        assert product.family() == []


def test_a_busy_port_is_named_with_the_way_out(
    tmp_path: Path, telegram: RunningTelegram
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]

        ended = run_to_end(tmp_path, "--port", str(port), TG_BOT_TOKEN=telegram.token)

    assert ended.returncode == 2
    assert f"port {port} " in ended.stdout
    assert "python -m bot --port" in ended.stdout
    assert "Traceback" not in ended.stdout


@pytest.mark.parametrize("token", ["", "replace_me"])
def test_without_a_token_it_says_where_to_get_one(tmp_path: Path, token: str) -> None:
    ended = run_to_end(tmp_path, "--no-web", TG_BOT_TOKEN=token)

    assert ended.returncode == 2
    for hint in ("@BotFather", ".env", "TG_BOT_TOKEN=", "make demo"):
        assert hint in ended.stdout
    assert "Traceback" not in ended.stdout


def test_all_mistakes_of_the_settings_are_told_once(tmp_path: Path) -> None:
    ended = run_to_end(
        tmp_path, "--no-web", TG_BOT_TOKEN="1 2", NOTIFICATIONS_RATE="many"
    )

    assert ended.returncode == 2
    assert ended.stdout.count("TG_BOT_TOKEN:") == 1
    assert ended.stdout.count("NOTIFICATIONS_RATE:") == 1
    assert "Traceback" not in ended.stdout


def test_missing_packages_are_one_line(tmp_path: Path) -> None:
    # -S: Python without the folder where packages are installed.
    ended = run_to_end(tmp_path, interpreter=["-S"])

    assert ended.returncode == 1
    assert len(ended.stdout.splitlines()) == 1
    assert "make setup" in ended.stdout


@pytest.mark.parametrize("token", ["987654321:another-token", "not-a-token"])
def test_a_rejected_token_ends_everything(
    tmp_path: Path, telegram: RunningTelegram, token: str
) -> None:
    with make_product(tmp_path, telegram, TG_BOT_TOKEN=token) as product:
        assert product.wait() == 78
        assert product.family() == []
    assert "@BotFather" in product.output
    assert "Traceback" not in product.output


def test_telegram_down_at_start_is_waited_for_while_the_admin_works(
    product: RunningProduct, telegram: RunningTelegram
) -> None:
    telegram.go_down()
    with product:
        product.wait_for_output("Telegram cannot be reached")
        assert read(product.admin_url)[0] == 200
        wait_until(
            lambda: (
                "Telegram cannot be reached"
                in str(product.query("SELECT last_error FROM notifications_botstatus"))
            ),
            what="the record",
        )

        telegram.come_back()

        telegram.press_start(IVAN)
        telegram.wait_for_message(IVAN, "Здравствуйте", timeout=20)
        wait_until(
            lambda: product.query(
                "SELECT username FROM notifications_botstatus "
                "WHERE last_error = '' AND last_poll_at IS NOT NULL"
            ),
            15,
            "a good status",
        )


def test_a_second_bot_on_one_database_waits_for_the_first(
    tmp_path: Path, telegram: RunningTelegram
) -> None:
    with make_product(tmp_path, telegram) as first:
        first.wait_for_start()
        with make_product(tmp_path, telegram) as second:
            second.wait_for_output("Another `python -m bot`")
            assert "The bot is @" not in second.output
            first.send_signal(signal.SIGTERM)
            second.wait_for_output("The bot is @")


def test_the_token_is_nowhere_in_the_output_of_a_loud_run(
    tmp_path: Path, telegram: RunningTelegram
) -> None:
    secret = telegram.token.partition(":")[2]
    telegram.add_fault("server_error", method="*", times=1, html=True)
    telegram.add_fault("cut_after", method="*", times=1)
    with make_product(tmp_path, telegram, LOG_LEVEL="DEBUG") as product:
        product.wait_for_start()
        telegram.press_start(ANNA)
        telegram.wait_for_message(ANNA, "Здравствуйте", timeout=30)
        telegram.add_fault("server_error", times=1)
        telegram.add_fault("flood", times=1, retry_after=1)
        place_order(product, "1")
        telegram.wait_for_message(ANNA, "заказ номер 1", timeout=30)
        telegram.go_down()
        product.wait_for_output("Telegram cannot be reached")
        product.send_signal(signal.SIGTERM)
        assert product.wait(30) == 0

    assert secret not in product.output
    assert "aiogram" in product.output
    database = b"".join(
        path.read_bytes() for path in tmp_path.iterdir() if "output" not in path.name
    )
    assert secret.encode() not in database
