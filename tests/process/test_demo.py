"""`python -m bot demo`: everything, without a token, and nothing left behind."""

import re
import signal
import socket
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.demo import running as demo
from tests.support.product import ROOT, SETTINGS, RunningProduct
from tests.support.waiting import wait_until


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    """The folder that the demo takes for the system's temporary one."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    return folder


@pytest.fixture
def checkout() -> Iterator[None]:
    """Fail a test that changes the files beside the code."""
    before = files_of_checkout()
    yield
    assert files_of_checkout() == before


def files_of_checkout() -> set[tuple[str, int]]:
    wanted = [*ROOT.glob("*.sqlite3*"), *ROOT.glob(".env")]
    return {(path.name, path.stat().st_mtime_ns) for path in wanted}


def make_demo(folder: Path, temporary: Path, *options: str) -> RunningProduct:
    # What is configured for the real bot must not get into the demo.
    mine = {
        "TG_BOT_TOKEN": "1:mine",
        "TG_API_URL": "http://127.0.0.1:9",
        "TG_PROXY_URL": "http://127.0.0.1:9",
        "DATABASE_URL": "sqlite:////nowhere/db.sqlite3",
        "ALLOWED_HOSTS": "shop.example",
        "HTTPS_ONLY": "true",
        "LANGUAGE_CODE": "ru",
        "TMPDIR": str(temporary),
    }
    return RunningProduct(folder, "demo", *options, **mine)


@pytest.mark.usefixtures("checkout")
def test_the_check_delivers_an_order_and_leaves_nothing(
    tmp_path: Path, temporary: Path
) -> None:
    with make_demo(
        tmp_path, temporary, "--check", "--port=0", "--telegram-port=0"
    ) as product:
        assert product.wait(60) == 0
        assert product.family() == []
    assert re.search(r"delivered to her phone in 0\.\d\d s", product.output)
    assert list(temporary.iterdir()) == []
    assert "Traceback" not in product.output


@pytest.mark.usefixtures("checkout")
def test_it_steps_over_busy_ports_and_serves_both_pages_until_ctrl_c(
    tmp_path: Path, temporary: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        options = (f"--port={port}", f"--telegram-port={port}")
        with make_demo(tmp_path, temporary, *options) as product:
            product.wait_for_output("Ctrl-C stops it")
            assert product.output.count(f"Port {port} is busy") == 2
            assert "login manager, password manager" in product.output
            urls = re.findall(r"http://127\.0\.0\.1:\d+/\S*", product.output)
            assert len(set(urls)) == 2
            for url in urls:
                with urllib.request.urlopen(url, timeout=10) as response:
                    assert response.status == 200

            product.press_ctrl_c()

            assert product.wait(15) == 0
            assert product.family() == []
    assert list(temporary.iterdir()) == []


def test_a_killed_demo_leaves_no_process(tmp_path: Path, temporary: Path) -> None:
    with make_demo(tmp_path, temporary, "--port=0", "--telegram-port=0") as product:
        product.wait_for_output("Ctrl-C stops it")
        product.send_signal(signal.SIGKILL)
        wait_until(lambda: product.family() == [], 30, "the end of all children")


def test_every_setting_is_either_kept_from_the_demo_or_meant_for_it() -> None:
    replaced = {
        "DATABASE_URL",
        "SECRET_KEY",
        "SQLITE_SYNCHRONOUS",
        "NOTIFICATIONS_OUTAGE_PAUSES",
        "NOTIFICATIONS_TOKEN_PAUSE",
        "TG_API_URL",
        "TG_LINK_URL",
        "TG_BOT_TOKEN",
    }
    kept = {"LANGUAGE_CODE", "TIME_ZONE", "LOG_LEVEL"}

    assert set(SETTINGS) == demo.NOT_INHERITED | replaced | kept
