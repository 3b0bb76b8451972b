"""Reads a tutorial in Markdown and does what it says, in a folder of its own.

A comment right above a block of code says what the block is:

    <!-- file: PATH -->    the whole text of a file
    <!-- append: PATH -->  what to add at the end of a file
    <!-- change: PATH -->  a change, as `diff` shows it
    <!-- run -->           commands for the shell
    <!-- worker --> <!-- site --> <!-- telegram -->
                        one command that goes on until it is stopped
    <!-- output -->        what the last worker wrote

"(optional)" at the end of a comment marks a step that a reader may skip.
In an output "…" at the end of a line stands for its rest, alone for any lines; times
and process ids may be others.
"""

import contextlib
import os
import re
import shlex
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "django_workers" / "README.md"
RUSSIAN_README = ROOT / "django_workers" / "README.ru.md"

STOPPING_SECONDS = 20.0
# What a reader's shell may know; nothing of the configuration of these tests.
INHERITED = (
    "HOME",
    "LANG",
    "LC_ALL",
    "TMPDIR",
    "TEST_FOLDER",
    "COVERAGE_PROCESS_START",
)
# The environment stands ready: the packages are those of the running interpreter.
PREPARED = ("python3 -m venv ", ". .venv/bin/activate", "pip install ")

_FENCE = re.compile(
    r"(?:^<!-- (?P<marker>.+?) -->\n)?"
    r"^```(?P<language>\w*)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
_MARKER = re.compile(r"(?P<kind>\w+)(?:: (?P<path>\S+))?(?P<optional> \(optional\))?")
_TIME = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}", re.MULTILINE)
_WORKER = re.compile(r"Worker \d+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A block of code; `kind` is empty when no comment says what it is."""

    kind: str
    path: str
    is_optional: bool
    language: str
    text: str

    @property
    def commands(self) -> list[str]:
        """Return the commands of a block for the shell, a line each."""
        lines = self.text.replace("\\\n", " ").splitlines()
        return [line for line in lines if line and not line.startswith("#")]


def read_blocks(document: Path) -> list[Block]:
    """Return the blocks of code of a document, in order."""
    return [_read_block(found) for found in _FENCE.finditer(document.read_text())]


def _read_block(found: re.Match[str]) -> Block:
    marker = _MARKER.fullmatch(found["marker"]) if found["marker"] else None
    assert marker or not found["marker"], f"nobody understands {found['marker']!r}"
    return Block(
        kind=marker["kind"] if marker else "",
        path=(marker["path"] or "") if marker else "",
        is_optional=bool(marker and marker["optional"]),
        language=found["language"],
        text=found["text"],
    )


def says(documented: str, written: str) -> bool:
    """Tell whether a program wrote what the document shows."""
    lines = [_line_pattern(line) for line in _timeless(documented).splitlines()]
    return re.fullmatch("".join(lines), _timeless(written)) is not None


def _line_pattern(line: str) -> str:
    if line == "…":
        return r"(?:.*\n)*?"
    if line.endswith("…"):
        return re.escape(line.removesuffix("…")) + r".*\n"
    return re.escape(line) + r"\n"


def _timeless(text: str) -> str:
    return _WORKER.sub("Worker N", _TIME.sub("TIME", text))


class Process:
    """A command of the tutorial that goes on; what it writes is kept."""

    def __init__(self, popen: subprocess.Popen[str]) -> None:
        self.popen = popen
        self.written = ""
        self._is_killed = False

    def read_until(self, text: str) -> None:
        """Read on until a line has `text` in it; the test's timeout is the limit."""
        assert self.popen.stdout is not None
        for line in self.popen.stdout:
            self.written += line
            if text in line:
                return
        raise AssertionError(f"it ended without {text!r}:\n{self.written}")

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Signal the process, read the rest of what it writes, return its exit code."""
        self.popen.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        """Return the exit code of a process that ends by itself."""
        rest, _ = self.popen.communicate(timeout=STOPPING_SECONDS)
        self.written += rest
        return self.popen.returncode

    def kill(self) -> None:
        """End the process and its children, whatever state they are in."""
        if self._is_killed:
            return
        self._is_killed = True
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.popen.pid, signal.SIGKILL)
        if self.popen.stdout is not None:
            self.popen.stdout.close()
        self.popen.wait()


class Project:
    """The reader's project. As a context manager it ends what was started in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._processes: list[Process] = []

    def __enter__(self) -> "Project":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for process in self._processes:
            process.kill()

    @property
    def environment(self) -> dict[str, str]:
        bin_folder = Path(sys.executable).parent
        return {
            **{name: os.environ[name] for name in INHERITED if name in os.environ},
            "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}",
            "REPOSITORY": str(ROOT),
            "PYTHONUNBUFFERED": "1",
            "PYTHONWARNINGS": "error",
        }

    def follow(self, blocks: Iterable[Block]) -> None:
        """Do all that does not go on until it is stopped."""
        for block in blocks:
            self.do(block)

    def do(self, block: Block) -> None:
        match block.kind:
            case "file":
                path = self.folder / block.path
                path.write_text(block.text)
            case "append":
                with (self.folder / block.path).open("a") as file:
                    file.write(f"\n{block.text}")
            case "change":
                self._change(block)
            case "run":
                self._run_all(block.text)
            case kind:
                raise AssertionError(f"{kind!r} cannot be done, only shown:\n{block}")

    def _change(self, block: Block) -> None:
        lines = [(line[0], line[1:]) for line in block.text.splitlines(keepends=True)]
        before = "".join(line for sign, line in lines if sign != "+")
        after = "".join(line for sign, line in lines if sign != "-")
        path = self.folder / block.path
        text = path.read_text()
        assert text.count(before) == 1, f"{before!r} is not once in {block.path}"
        path.write_text(text.replace(before, after))

    def _run_all(self, text: str) -> None:
        lines = [line for line in text.splitlines() if not line.startswith(PREPARED)]
        done = self.run("sh", "-ec", "\n".join(lines))
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def start(self, command: str) -> Process:
        """Start a command that goes on."""
        process = Process(
            subprocess.Popen(
                shlex.split(command),
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
        )
        self._processes.append(process)
        return process

    def configure(self, **values: str) -> None:
        """Write values into `.env`, as a reader does with a text editor."""
        path = self.folder / ".env"
        found = dict(line.split("=", 1) for line in path.read_text().splitlines())
        lines = [f"{name}={value}\n" for name, value in (found | values).items()]
        path.write_text("".join(lines))

    def add_notification(self, **values: Any) -> None:
        """Insert a row past Django, as any other client of the database may."""
        names = ", ".join(values)
        places = ", ".join("?" * len(values))
        with self._database() as database:
            database.execute(
                f"INSERT INTO notifications_ordernotification ({names}) "
                f"VALUES ({places})",
                list(values.values()),
            )

    def notifications(self) -> list[Mapping[str, Any]]:
        """Return all rows as they are committed, oldest first."""
        with self._database() as database:
            return [
                dict(row)
                for row in database.execute(
                    "SELECT * FROM notifications_ordernotification ORDER BY id"
                )
            ]

    @contextlib.contextmanager
    def _database(self) -> Iterator[sqlite3.Connection]:
        with contextlib.closing(
            sqlite3.connect(self.folder / "db.sqlite3")
        ) as database:
            database.row_factory = sqlite3.Row
            with database:
                yield database

    def copy_to(self, folder: Path) -> "Project":
        """Return a project of its own that stands where this one stands."""
        return Project(Path(shutil.copytree(self.folder, folder)))


def set_up(folder: Path, blocks: Sequence[Block]) -> Project:
    """Follow the steps up to the first notification, and make both queues."""
    project = Project(folder)
    first_row = next(i for i, b in enumerate(blocks) if "objects.create" in b.text)
    project.follow(block for block in blocks[:first_row] if block.kind != "telegram")
    project.follow(b for b in blocks if b.path == "notifications/fast_task_queues.py")
    return project
