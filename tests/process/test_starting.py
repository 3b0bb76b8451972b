"""What `python -m bot` says to whoever starts it in a wrong way, and what it makes."""

import os
import re
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.product import ROOT, RunningProduct, run_to_end
from tests.support.telegram import RunningTelegram

TOKEN = "987654321:no-one-asks-for-it"


@pytest.fixture(scope="module")
def telegram() -> Iterator[RunningTelegram]:
    with RunningTelegram() as telegram:
        yield telegram


# --- files ----------------------------------------------------------------------------


def test_a_new_database_is_for_its_owner_s_eyes_alone(
    tmp_path: Path, telegram: RunningTelegram
) -> None:
    settings = {"TG_API_URL": telegram.api_url, "TG_BOT_TOKEN": telegram.token}
    before = os.umask(0o022)
    try:
        with RunningProduct(tmp_path, "--no-web", **settings) as product:
            product.wait_for_start()
            modes = {
                path.name: stat.S_IMODE(path.stat().st_mode)
                for path in tmp_path.glob("db.sqlite3*")
            }
    finally:
        os.umask(before)

    assert "db.sqlite3-wal" in modes
    assert set(modes.values()) == {0o600}, modes


def test_a_database_that_was_opened_to_others_stays_so(tmp_path: Path) -> None:
    database = tmp_path / "db.sqlite3"
    database.touch()
    database.chmod(0o660)

    subprocess.run(
        [sys.executable, "-m", "bot", "prepare"],
        cwd=ROOT,
        env=RunningProduct(tmp_path, TG_BOT_TOKEN=TOKEN).environment,
        check=True,
        timeout=60,
    )

    assert database.stat().st_size > 0
    assert stat.S_IMODE(database.stat().st_mode) == 0o660


@pytest.mark.parametrize(
    ("settings", "synchronous"),
    [({}, "(2,)"), ({"SQLITE_SYNCHRONOUS": "NORMAL"}, "(1,)")],
)
def test_what_is_recorded_outlasts_a_power_cut_unless_speed_is_asked_for(
    tmp_path: Path, settings: dict[str, str], synchronous: str
) -> None:
    environment = RunningProduct(tmp_path, TG_BOT_TOKEN=TOKEN).environment
    del environment["SQLITE_SYNCHRONOUS"]
    ask = "cursor = connection.cursor().execute('PRAGMA synchronous')"

    told = subprocess.run(
        [
            *(sys.executable, "-c"),
            "import django; django.setup(); from django.db import connection; "
            f"{ask}; print(cursor.fetchone())",
        ],
        cwd=ROOT,
        env=environment | settings,
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert told.stdout.strip() == synchronous


# --- databases ------------------------------------------------------------------------


@pytest.mark.parametrize("url", ["sqlite://:memory:", "sqlite://"])
def test_a_database_in_memory_is_refused(tmp_path: Path, url: str) -> None:
    ended = run_to_end(tmp_path, "--no-web", TG_BOT_TOKEN=TOKEN, DATABASE_URL=url)

    assert ended.returncode == 2
    assert "DATABASE_URL" in ended.stdout
    assert "each process would have one of its own" in ended.stdout
    assert "Traceback" not in ended.stdout


@pytest.mark.parametrize("url", ["mysql://me:s3cret@db/shop", "oracle://me@db/shop"])
def test_a_database_that_is_not_supported_is_refused(tmp_path: Path, url: str) -> None:
    ended = run_to_end(tmp_path, "--no-web", TG_BOT_TOKEN=TOKEN, DATABASE_URL=url)

    assert ended.returncode == 2
    assert ended.stdout.count("DATABASE_URL: Must be like sqlite:") == 1
    assert "s3cret" not in ended.stdout
    assert "Traceback" not in ended.stdout


# --- .env -----------------------------------------------------------------------------


def test_an_env_file_in_another_encoding_is_told_with_its_line(tmp_path: Path) -> None:
    text = "# first\nTG_BOT_TOKEN=\n# Токен бота\n"
    (tmp_path / "env").write_bytes(text.encode("cp1251"))

    ended = run_to_end(tmp_path, "--no-web")

    assert ended.returncode == 2
    assert f"{tmp_path / 'env'} is not UTF-8 text: see line 3." in ended.stdout
    assert "Traceback" not in ended.stdout


# --- the command line -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--port", "1"], "--port"),
        (["--no-web"], "--no-web"),
        (["--host=::1", "--port=0"], "--host"),
    ],
)
def test_options_before_demo_are_refused(
    tmp_path: Path, options: list[str], named: str
) -> None:
    ended = run_to_end(tmp_path, *options, "demo", "--check")

    assert ended.returncode == 2
    assert f"{named} " in ended.stdout
    assert "after it: python -m bot demo" in ended.stdout
    assert "Traceback" not in ended.stdout


@pytest.mark.parametrize("part", ["prepare", "polling", "worker", "web", "story"])
@pytest.mark.parametrize("option", ["--help", "-h"])
def test_a_part_of_the_product_tells_that_it_is_one(
    tmp_path: Path, part: str, option: str
) -> None:
    ended = run_to_end(tmp_path, part, option)

    assert ended.returncode == 0
    assert f"{part}: a part of `python -m bot`, which starts it" in ended.stdout
    assert len(ended.stdout.splitlines()) == 1


def test_a_part_with_arguments_that_it_does_not_take_says_so(tmp_path: Path) -> None:
    ended = run_to_end(tmp_path, "prepare", "everything", TG_BOT_TOKEN=TOKEN)

    assert ended.returncode == 2
    assert "Traceback" not in ended.stdout
    assert "a part of `python -m bot`" in ended.stdout


def test_a_demo_whose_listener_went_away_ends_well(tmp_path: Path) -> None:
    product = RunningProduct(tmp_path, TMPDIR=str(tmp_path))
    read_end, write_end = os.pipe()
    os.close(read_end)
    try:
        ended = subprocess.run(
            [*_DEMO, "--check", "--port=0", "--telegram-port=0"],
            cwd=ROOT,
            env=product.environment,
            stdin=subprocess.DEVNULL,
            stdout=write_end,
            stderr=subprocess.PIPE,
            text=True,
            timeout=90,
            check=False,
        )
    finally:
        os.close(write_end)

    assert ended.stderr == ""
    assert ended.returncode == 0


_DEMO = [sys.executable, "-m", "bot", "demo"]


def test_demos_that_are_started_at_once_have_telegrams_of_their_own(
    tmp_path: Path,
) -> None:
    """Each asks for the same free port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    demos = []
    for number in range(2):
        folder = tmp_path / str(number)
        folder.mkdir()
        options = ("--port=0", f"--telegram-port={port}")
        demos.append(RunningProduct(folder, "demo", *options, TMPDIR=str(folder)))
    with demos[0], demos[1]:
        for demo in demos:
            demo.wait_for_output("Ctrl-C stops it")
        outputs = [demo.output for demo in demos]

    phones = [re.findall(r"Phones +(\S+)", output) for output in outputs]
    assert len({url for (url,) in phones}) == 2
    assert not [line for line in outputs if "Traceback" in line or "in use" in line]
