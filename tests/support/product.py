"""`python -m bot` as a person starts it: a process with a folder of its own."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil

from tests.support.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = [
    line.partition("=")[0]
    for line in (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("#")
]
# From start to everything running, on a machine that is busy with other tests.
START_SECONDS = 80.0
# Inherited by every process of a product, whoever is its parent later.
_MARK = "TESTED_PRODUCT"
_DJANGO = "import django; django.setup()\nfrom notifications.models import *\n"


class RunningProduct:
    """Use it as a context manager: whatever a test did, no process is left."""

    def __init__(self, folder: Path, *arguments: str, **settings: str) -> None:
        self.folder = folder
        self.environment = {
            name: value for name, value in os.environ.items() if name not in SETTINGS
        } | {
            _MARK: str(folder),
            "ENV_FILE": str(folder / "env"),
            "DATABASE_URL": f"sqlite:///{folder / 'db.sqlite3'}",
            "SQLITE_SYNCHRONOUS": "NORMAL",
            "DJANGO_SETTINGS_MODULE": "workers_tutorial.settings",
            **settings,
        }
        self._arguments = arguments
        self._log = folder / f"output-{len(list(folder.glob('output-*')))}.txt"
        self._process: psutil.Popen

    # Life

    def __enter__(self) -> "RunningProduct":
        with self._log.open("wb") as log:
            self._process = psutil.Popen(
                [sys.executable, "-m", "bot", *self._arguments],
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for process in self.family():
            process.kill()
        self._process.wait(5)
        psutil.wait_procs(self.family(), 5)
        if error is not None:
            error.add_note(f"The product said:\n{self.output}")

    def send_signal(self, signum: int) -> None:
        self._process.send_signal(signum)

    def press_ctrl_c(self) -> None:
        """Signal its process group, as a terminal does."""
        os.killpg(self._process.pid, signal.SIGINT)

    def wait(self, timeout: float = START_SECONDS) -> int:
        """Return the exit code."""
        return int(self._process.wait(timeout))

    # Its processes

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def family(self) -> list[psutil.Process]:
        """Return the supervisor and its children, also those that lost it."""
        mark = self.environment[_MARK]
        return [
            process
            for process in psutil.process_iter()
            if _read_environment(process).get(_MARK) == mark
        ]

    def part(self, name: str) -> psutil.Process:
        """Return the running process of this part."""

        def look() -> psutil.Process | None:
            running = (p for p in self.family() if name in _read_command(p)[3:4])
            return next(running, None)

        found = wait_until(look, 10, f"a process of {name}")
        assert found is not None
        return found

    # What it says

    @property
    def output(self) -> str:
        return self._log.read_text(encoding="utf-8")

    def wait_for_output(self, text: str, timeout: float = START_SECONDS) -> None:
        wait_until(
            lambda: text in self.output or not self.is_running, timeout, f"{text!r}"
        )
        assert text in self.output

    def wait_for_start(self) -> None:
        """Return when all parts do their work."""
        self.wait_for_output("polling: The bot is @")
        self.wait_for_output("up to 16 at once")

    @property
    def admin_url(self) -> str:
        self.wait_for_output("The admin is at ")
        return self.output.partition("The admin is at ")[2].split()[0]

    # Its database

    def run_django(self, code: str) -> None:
        """Run code with the models in a process with the product's settings."""
        subprocess.run(
            [sys.executable, "-c", _DJANGO + code],
            cwd=ROOT,
            env=self.environment,
            check=True,
            timeout=30,
        )

    def query(self, sql: str) -> list[Any]:
        """Return the rows of a SELECT."""
        address = f"file:{self.folder / 'db.sqlite3'}?mode=ro"
        connection = sqlite3.connect(address, uri=True, timeout=10)
        try:
            return connection.execute(sql).fetchall()
        finally:
            connection.close()


def run_to_end(
    folder: Path, *arguments: str, interpreter: Sequence[str] = (), **settings: str
) -> subprocess.CompletedProcess[str]:
    """Return how `python -m bot` ended by itself, and what it said."""
    product = RunningProduct(folder, *arguments, **settings)
    return subprocess.run(
        [sys.executable, *interpreter, "-m", "bot", *arguments],
        cwd=ROOT,
        env=product.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=START_SECONDS,
        check=False,
    )


def _read_environment(process: psutil.Process) -> dict[str, str]:
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return {}
        return dict(process.environ())
    except psutil.Error:
        return {}


def _read_command(process: psutil.Process) -> list[str]:
    try:
        return list(process.cmdline())
    except psutil.Error:
        return []
