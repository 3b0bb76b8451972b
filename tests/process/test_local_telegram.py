"""`python -m bot.local_telegram` starts, says where, and stops when asked."""

import json
import os
import signal
import subprocess
import sys
import time

import httpx
import pytest

COMMAND = (sys.executable, "-m", "bot.local_telegram")


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_it_prints_one_line_serves_and_stops_within_a_second(signum):
    with subprocess.Popen(
        [*COMMAND, "--token", "77:abc"], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        me = httpx.get(f"{ready['api_url']}/bot77:abc/getMe").json()["result"]
        with httpx.stream("GET", ready["page_url"] + "events") as events:
            next(events.iter_raw())
            asked = time.monotonic()
            process.send_signal(signum)
            code = process.wait(timeout=5)
            took = time.monotonic() - asked
        rest = process.stdout.read()

    assert (me["id"], code, rest) == (77, 0, "")
    assert took < 1


def test_wrong_options_are_one_clear_line():
    def run(*options):
        done = subprocess.run(
            [*COMMAND, *options], capture_output=True, text=True, timeout=20
        )
        assert done.returncode == 2
        assert done.stdout == ""
        return done.stderr

    assert "127.0.0.1" in run("--host", "0.0.0.0")
    assert "token" in run("--token", "nonsense")
    assert "70000" in run("--api-port", "70000")


def test_it_needs_neither_django_nor_aiogram_nor_httpx():
    code = (
        "import sys, bot.local_telegram.__main__; "
        "print(sorted({'django', 'aiogram', 'httpx'} & set(sys.modules)))"
    )

    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=20,
        env={**os.environ, "PYTHONWARNINGS": "error"},
    )

    assert done.stdout == "[]\n"
