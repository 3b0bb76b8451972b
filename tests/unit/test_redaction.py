"""Secrets stay out of every log record, whoever makes it."""

import io
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.processes import redaction

TOKEN = "123456789:AAE-secret_half_of_the_token-xyz"
SECRET = TOKEN.partition(":")[2]


@pytest.fixture
def output(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What a logger writes in a process where redaction is installed."""
    make_record = logging.getLogRecordFactory()
    for name in ("excepthook", "unraisablehook"):
        monkeypatch.setattr(sys, name, getattr(sys, name))
    monkeypatch.setattr("threading.excepthook", None)
    redaction.install(redaction.secrets_of(token=TOKEN))
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    logger = logging.getLogger("tests.redaction")
    logger.addHandler(handler)
    yield stream
    logger.removeHandler(handler)
    logging.captureWarnings(capture=False)
    logging.setLogRecordFactory(make_record)


logger = logging.getLogger("tests.redaction")


@pytest.mark.parametrize(
    ("message", "arguments"),
    [
        (f"POST https://api.telegram.org/bot{TOKEN}/getMe", ()),
        ("POST %s", (f"https://api.telegram.org/bot{TOKEN}/getMe",)),
        ("%(url)s", ({"url": f"/bot{TOKEN}/getMe"},)),
        ("%r", (ValueError(TOKEN),)),
        ("quoted %s", (TOKEN.replace(":", "%3A"),)),
        ("%d of %d", (TOKEN,)),
    ],
)
def test_a_message_shows_no_token_however_it_came_in(
    output: io.StringIO, message: str, arguments: tuple[object, ...]
) -> None:
    logger.error(message, *arguments)

    assert SECRET not in output.getvalue()
    assert redaction.MASK in output.getvalue()


def test_a_traceback_shows_no_token_and_stays_a_traceback(output: io.StringIO) -> None:
    def fail() -> None:
        raise ValueError(f"cannot reach /bot{TOKEN}/getMe")

    try:
        try:
            fail()
        except ValueError as error:
            raise RuntimeError("outer") from error
    except RuntimeError:
        logger.exception("It failed", stack_info=True)

    text = output.getvalue()
    assert SECRET not in text
    assert "cannot reach /bot123456789:***/getMe" in text
    assert "RuntimeError: outer" in text
    assert "in fail" in text


def test_a_clean_record_is_left_alone(output: io.StringIO) -> None:
    logger.warning("%s of %s", 1, 2)

    assert output.getvalue() == "WARNING 1 of 2\n"


def test_passwords_of_addresses_are_secrets_too() -> None:
    secrets = redaction.secrets_of(
        token=TOKEN, urls=["socks5://me:long%40password@proxy:1080", "", "sqlite:///x"]
    )

    assert secrets == {SECRET, "long%40password", "long@password"}


def test_words_too_short_to_be_secrets_are_no_secrets() -> None:
    assert redaction.secrets_of(token="", urls=["http://a:b@proxy"]) == frozenset()


def test_what_nobody_caught_is_logged_without_the_token(tmp_path: Path) -> None:
    program = f"""
import logging, threading, warnings
from bot.processes import redaction
logging.basicConfig(format="%(name)s %(message)s")
redaction.install(redaction.secrets_of(token={TOKEN!r}))
def fail():
    raise ValueError({TOKEN!r})
thread = threading.Thread(target=fail)
thread.start()
thread.join()
warnings.warn({TOKEN!r})
class Broken:
    def __del__(self):
        fail()
del Broken
class Broken:
    def __del__(self):
        fail()
Broken()
fail()
"""
    script = tmp_path / "program.py"
    script.write_text(program)
    root = str(Path(__file__).parents[2])

    ended = subprocess.run(
        [sys.executable, "-c", f"exec(open({str(script)!r}).read())"],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 1
    # The program's own lines are what tracebacks quote; here they hold the token.
    assert SECRET not in ended.stderr
    assert ended.stderr.count("ValueError: 123456789:***") == 3
    assert "UserWarning: 123456789:***" in ended.stderr


def test_what_a_command_of_manage_py_logs_shows_no_token(tmp_path: Path) -> None:
    """`manage.py run_worker` may drain any queue, also one that has it in its URLs."""
    root = Path(__file__).parents[2]
    program = "import logging; logging.getLogger('shop').error('/bot%s/', {!r})"
    settings = {
        "ENV_FILE": str(tmp_path / "env"),
        "DATABASE_URL": "sqlite://:memory:",
        "DJANGO_SETTINGS_MODULE": "workers_tutorial.settings",
        "TG_BOT_TOKEN": TOKEN,
    }

    ended = subprocess.run(
        [sys.executable, "manage.py", "shell", "-c", program.format(TOKEN)],
        cwd=root,
        env=os.environ | settings,
        capture_output=True,
        text=True,
        check=True,
    )

    assert SECRET not in ended.stderr
    assert "shop: /bot123456789:***/" in ended.stderr
