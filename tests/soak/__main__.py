"""Runs workers through a chaos of kills, freezes and cuts, and judges what they did.

make soak ARGS="--seed 7 --minutes 10 --workers 4 --database postgresql"

The seed decides what goes wrong, where and in which order. All that happened is
written to a file, whose path is printed: `--judge FILE` judges it again.
"""

import argparse
import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import django

from tests.support.databases import postgresql

from . import ledger, plan
from .fleet import ROOT, Fleet
from .history import tell
from .ledger import note
from .verdict import judge, tally

ADD_SECONDS = 0.1
SHORT_BEAT = 0.5
LONG_BEAT = 1.0
LONG_MINUTES = 3
# Each fault must have happened once; a machine may be too slow for that.
EXTRA_MINUTES = 3
# A row that kills its workers takes several with it, one after the other.
DRAIN_SECONDS = 300.0
MOST_COMPLAINTS = 40


def main() -> int:
    arguments = _parse()
    if arguments.judge is not None:
        return _report(arguments.judge)
    seed = random.randrange(10_000) if arguments.seed is None else arguments.seed
    results = arguments.results or Path(
        tempfile.gettempdir(), f"soak-{arguments.database}-{seed}.jsonl"
    )
    _say(f"Seed {seed}, {arguments.workers} workers, {arguments.database}.")
    _say(f"Raw results: {results}")
    results.unlink(missing_ok=True)
    os.environ[ledger.VARIABLE] = str(results.absolute())
    # As with Ctrl-C, no process is left behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with (
        tempfile.TemporaryDirectory(prefix="soak-") as folder,
        _database(arguments.database, Path(folder)),
    ):
        _run(arguments, seed, Path(folder))
    return _report(results)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.soak",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--database", choices=["sqlite", "postgresql"], default="sqlite"
    )
    parser.add_argument("--seed", type=int, help="default: one by chance, printed")
    parser.add_argument(
        "--minutes",
        type=float,
        default=5,
        help="for how long, and until each fault happened once; "
        f"from {LONG_MINUTES} on with the slow faults, too (default: %(default)g)",
    )
    parser.add_argument("--workers", type=int, default=4, help="default: %(default)s")
    parser.add_argument("--results", type=Path, metavar="FILE", help="where to write")
    parser.add_argument("--judge", type=Path, metavar="FILE", help="only judge this")
    return parser.parse_args()


def _run(arguments: argparse.Namespace, seed: int, folder: Path) -> None:
    is_long = arguments.minutes >= LONG_MINUTES
    beat = LONG_BEAT if is_long else SHORT_BEAT
    note("opened", beat=beat, seed=seed, command=sys.argv[1:], began=time.time())
    fates = plan.deal(seed, arguments.database, long=is_long)
    fleet = Fleet(folder, arguments.workers, fates, beat)
    cards = plan.cards(arguments.database, long=is_long)
    names = {f"{action} {point or 'at random'}" for action, point in cards}
    begun = time.monotonic()
    with contextlib.closing(fleet):
        with (
            _beside(_add_rows, plan.rows(seed, long=is_long)),
            _beside(_trouble, plan.troubles(seed, arguments.database), fleet),
        ):
            while not _is_over(begun, arguments.minutes, names - fleet.met.keys()):
                fleet.look()
        chaos_seconds = time.monotonic() - begun
        fleet.stop_all()
        is_drained = fleet.drain(DRAIN_SECONDS)
    from .database import note_final_state

    note_final_state()
    note(
        "closed",
        is_drained=is_drained,
        seconds=chaos_seconds,
        met=dict(fleet.met),
        missed=sorted(names - fleet.met.keys()),
    )


def _is_over(begun: float, minutes: float, missing: set[str]) -> bool:
    passed = (time.monotonic() - begun) / 60
    return passed >= minutes and (not missing or passed >= minutes + EXTRA_MINUTES)


@contextlib.contextmanager
def _database(vendor: str, folder: Path) -> Iterator[None]:
    """Make an empty database, and set this process and its children up to use it."""
    with contextlib.ExitStack() as stack:
        url = f"sqlite:///{folder / 'db.sqlite3'}"
        if vendor == "postgresql":
            url = stack.enter_context(postgresql())
        os.environ |= {
            "DJANGO_SETTINGS_MODULE": "tests.soak.settings",
            "TEST_DATABASE_URL": url,
            "TEST_FOLDER": os.environ.get("TEST_FOLDER", str(folder)),
            "PYTHONUNBUFFERED": "1",
        }
        migrate = [sys.executable, "manage.py", "migrate", "-v", "0", "--skip-checks"]
        subprocess.run(migrate, cwd=ROOT, check=True)
        django.setup()
        try:
            yield
        finally:
            django.db.connections.close_all()


@contextlib.contextmanager
def _beside(function: Callable[..., None], *args: Any) -> Iterator[None]:
    """Run a function in a thread, until the event that it is given is set."""
    ended = threading.Event()
    raised: list[BaseException] = []

    def run() -> None:
        try:
            function(ended, *args)
        except BaseException as error:
            raised.append(error)
        finally:
            django.db.connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
    if raised:
        raise raised[0]


def _add_rows(ended: threading.Event, todos: Iterator[str]) -> None:
    from .database import add_rows

    while not ended.wait(ADD_SECONDS):
        with contextlib.suppress(django.db.OperationalError):
            add_rows(todos)


def _trouble(
    ended: threading.Event, troubles: Iterator[plan.Trouble], fleet: Fleet
) -> None:
    from .database import cut_connections, locked

    for trouble in troubles:
        if ended.wait(trouble.after_seconds):
            return
        victims = fleet.alive()
        if trouble.action == "lock":
            note("locked", seconds=trouble.seconds, could=locked(trouble.seconds))
        elif victims:
            victim = victims[int(trouble.victim * len(victims))]
            note("cut", of=victim.pid, action="cut")
            cut_connections(victim.log.stem, trouble.connection)


def _report(results: Path) -> int:
    history = tell(ledger.read(results))
    for name, value in tally(history).items():
        _say(f"{name}: {value}")
    for name, times in sorted(history.summary.get("met", {}).items()):
        _say(f"  {times:4} x {name}")
    complaints = judge(history)
    complaints += [f"never happened: {each}" for each in history.summary["missed"]]
    for complaint in complaints[:MOST_COMPLAINTS]:
        _say(f"WRONG: {complaint}")
    _say(f"{len(complaints)} wrong." if complaints else "All is well.")
    return 1 if complaints else 0


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
