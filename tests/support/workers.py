"""Workers for tests: in a thread beside the test, or as processes of their own."""

import asyncio
import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
from django.conf import settings
from django.db import connection, connections

from django_workers import AbstractTaskQueue
from django_workers.models import Claim, Queue
from django_workers.models import Worker as WorkerRow
from django_workers.options import WorkerOptions
from django_workers.worker import Worker
from tests.shop.task_queues import AsyncQueue

from .waiting import wait_until

ENDING_SECONDS = 60.0
LONGER_THAN_BETWEEN_LOOKS = 0.2


def run(worker: Worker) -> None:
    """Run a worker in this thread until it ends by itself."""
    try:
        asyncio.run(worker.run())
    finally:
        connections.close_all()


def drain(queue: AbstractTaskQueue, **options: Any) -> Worker:
    """Run a worker in this thread until nothing is left, and return it."""
    worker = Worker(queue, WorkerOptions(**{"drain": True} | options))
    run(worker)
    return worker


def working(
    queue: AbstractTaskQueue, **options: Any
) -> contextlib.AbstractContextManager[Worker]:
    """Run a worker of `queue` in a thread while the block lasts, then stop it."""
    return working_as(Worker(queue, WorkerOptions(**options)))


def wait_for_rest(worker: Worker) -> None:
    """Return when the worker looked, found nothing more, and waits for news.

    It also waits for moments between two looks, so it rests only when the very same
    wait lasts.
    """
    since, waiter = time.monotonic(), None

    def is_at_rest() -> bool:
        nonlocal since, waiter
        # An event's waiters are private, and the only ones who know.
        now, waiters = time.monotonic(), [*getattr(worker.news, "_waiters")]  # noqa: B009
        if not waiters or waiters[0] is not waiter:
            since, waiter = now, waiters[0] if waiters else None
        return waiter is not None and now - since > LONGER_THAN_BETWEEN_LOOKS

    wait_until(is_at_rest, what="a worker at rest")


@contextlib.contextmanager
def working_as(worker: Worker) -> Iterator[Worker]:
    """Run `worker` in a thread while the block lasts, then stop it.

    What the worker raised is raised here.
    """
    raised: list[BaseException] = []

    def record() -> None:
        try:
            run(worker)
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=record, name="worker")
    thread.start()
    try:
        yield worker
    except BaseException as error:
        # What the block waited for may have failed to come for this reason.
        for ended_by in raised:
            error.add_note(f"The worker had ended already: {ended_by!r}")
        raise
    finally:
        worker.stop()
        thread.join(ENDING_SECONDS)
        if thread.is_alive():
            raise AssertionError("the worker did not end")
    if raised:
        raise raised[0]


def start_of(worker: Worker) -> WorkerRow:
    """Wait until the worker is registered; return its row."""
    rows = WorkerRow.objects.filter(queue=worker.queue.queue_name).order_by("-pk")
    wait_until(rows.exists, what="a worker")
    return rows[0]


class Gated(AsyncQueue):
    """Its handlers begin, and end once it is opened."""

    is_open = False
    begun = 0

    async def handle_task(self, queryset_item: Any) -> None:
        self.begun += 1
        while not self.is_open:
            await asyncio.sleep(0.01)  # It is at work until then.
        await super().handle_task(queryset_item)


def make_queue(queue: AbstractTaskQueue) -> Queue:
    return Queue.objects.get_or_create(pk=queue.queue_name)[0]


def make_worker(queue: AbstractTaskQueue, **values: Any) -> WorkerRow:
    """Insert the row of a worker that nobody runs."""
    make_queue(queue)
    defaults = {"host": "elsewhere", "pid": 1}
    return WorkerRow.objects.create(queue_id=queue.queue_name, **defaults | values)


def events(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the names of what was told in the log."""
    return [record.event for record in caplog.records if hasattr(record, "event")]


def has_no_claims() -> bool:
    return not Claim.objects.exists()


# --- processes ------------------------------------------------------------------------


@dataclass(frozen=True)
class Note:
    """A line of the ledger."""

    at: float
    pid: int
    event: str
    task_id: str


class Ledger:
    """What the handlers of all workers wrote down, outside of any database."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.touch()

    def notes(self, event: str | None = None, task_id: Any = None) -> list[Note]:
        lines = [line.split(" ", 3) for line in self.path.read_text().splitlines()]
        notes = [Note(float(at), int(pid), what, pk) for at, pid, what, pk in lines]
        return [
            note
            for note in notes
            if event in (None, note.event) and task_id in (None, note.task_id)
        ]

    def starts(self, task_id: Any = None) -> list[Note]:
        return self.notes("start", None if task_id is None else str(task_id))


class WorkerProcess:
    """A real `manage.py run_worker`."""

    def __init__(self, popen: subprocess.Popen[str], log: Path) -> None:
        self.popen = popen
        self._log = log

    @property
    def pid(self) -> int:
        return self.popen.pid

    @property
    def log(self) -> str:
        return self._log.read_text()

    def signal(self, number: signal.Signals) -> None:
        self.popen.send_signal(number)

    def wait(self, timeout: float = ENDING_SECONDS) -> int:
        return self.popen.wait(timeout)

    def wait_for(self, text: str, timeout: float = ENDING_SECONDS) -> None:
        def is_there() -> bool:
            if self.popen.poll() is not None and text not in self.log:
                raise AssertionError(f"The worker ended without {text!r}:\n{self.log}")
            return text in self.log

        wait_until(is_there, timeout=timeout, what=f"{text!r} in the log")


def database_url() -> str:
    """Return the address of the test's own database, for other processes."""
    values = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{values['NAME']}"
    host = quote(str(values["HOST"]), safe="")
    port = f":{values['PORT']}" if values["PORT"] else ""
    password = f":{values['PASSWORD']}" if values["PASSWORD"] else ""
    return f"postgres://{values['USER']}{password}@{host}{port}/{values['NAME']}"


class Workers:
    """Starts worker processes, and ends what is left of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ledger = Ledger(folder / "ledger")
        self.heartbeat_seconds = 0.4
        self.settings = "tests.settings"
        self._processes: list[WorkerProcess] = []

    def start(
        self, queue: str = "parcels", *options: str, ready: bool = True
    ) -> WorkerProcess:
        """Start a worker of a queue of tests/shop/task_queues.py."""
        path = queue if "." in queue else f"tests.shop.task_queues.{queue}"
        log = self.folder / f"worker-{len(self._processes)}.log"
        environment = os.environ | {
            "DJANGO_SETTINGS_MODULE": self.settings,
            "TEST_DATABASE_URL": database_url(),
            "LEDGER": str(self.ledger.path),
            "HEARTBEAT_SECONDS": str(self.heartbeat_seconds),
            "PYTHONUNBUFFERED": "1",
            "PYTHONWARNINGS": "error",
        }
        with log.open("w") as output:
            popen = subprocess.Popen(
                [sys.executable, "manage.py", "run_worker", path, *options],
                cwd=settings.BASE_DIR,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
            )
        process = WorkerProcess(popen, log)
        self._processes.append(process)
        if ready:
            process.wait_for(" drains ")
        return process

    def close(self) -> None:
        for process in self._processes:
            if process.popen.poll() is None:
                process.signal(signal.SIGCONT)
                process.signal(signal.SIGKILL)
            process.popen.wait()


# --- other clients of the database ----------------------------------------------------


@contextlib.contextmanager
def locked_database() -> Iterator[None]:
    """Hold the lock that a writer needs, as another program might."""
    with other_client() as client:
        if connection.vendor == "postgresql":
            client.execute("LOCK TABLE django_workers_queue IN EXCLUSIVE MODE")
        yield


@contextlib.contextmanager
def other_client() -> Iterator[Any]:
    """Give a connection of the plain driver, in a transaction that may write."""
    if connection.vendor == "sqlite":
        with contextlib.closing(
            sqlite3.connect(sqlite_file(), isolation_level=None)
        ) as client:
            client.execute("BEGIN IMMEDIATE")
            yield client
            client.execute("COMMIT")
    else:
        # Without `context` and the like, which are for Django's own cursors.
        values = connection.settings_dict
        with psycopg.connect(
            host=values["HOST"],
            user=values["USER"],
            password=values["PASSWORD"],
            port=values["PORT"] or None,
            dbname=values["NAME"],
        ) as client:
            yield client


@contextlib.contextmanager
def sqlite_without_settings() -> Iterator[None]:
    """Have this thread's transactions begin without the right to write, as usual."""
    wrapper: Any = connections["default"]
    # Connecting sets the mode.
    wrapper.ensure_connection()
    mode, wrapper.transaction_mode = wrapper.transaction_mode, None
    try:
        yield
    finally:
        wrapper.transaction_mode = mode


def is_somebody_waiting() -> bool:
    """Tell whether a client of PostgreSQL waits for a lock that another one holds."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT 1 FROM pg_stat_activity "
            "WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return bool(cursor.fetchall())


def sqlite_file() -> str:
    return str(connection.settings_dict["NAME"])


def in_thread(function: Callable[[], Any]) -> threading.Thread:
    """Run something that uses the database beside the test; join it yourself."""

    def run() -> None:
        try:
            function()
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def seconds_since(moment: float) -> float:
    return time.monotonic() - moment
