"""Notices new rows at once; where it cannot, polling finds them a little later."""

import threading
import time
from collections.abc import Callable

from django.db import Error, connections
from django.db.backends.utils import strip_quotes

from .connecting import prepare_connection
from .events import emit

SQLITE_LOOK_SECONDS = 0.04
# How long the watcher may take to notice that it is to end.
LISTEN_SECONDS = 0.25
# The first of many commits is told of at once, those soon after it together.
DEBOUNCE_SECONDS = 0.01
RECONNECT_SECONDS = 1.0
CLOSING_SECONDS = 2.0
CHANNEL = "django_workers"


def announce(using: str) -> None:
    """Have all workers look again once this transaction is committed.

    SQLite's workers notice any commit by themselves.
    """
    connection = connections[using]
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_notify(%s, '')", [CHANNEL])


class Watcher(threading.Thread):
    """Calls `notify`, in its own thread, when `table` may have new rows.

    SQLite is asked for its data version, which any commit of another connection
    changes. PostgreSQL tells by NOTIFY, where the table has the trigger that
    `django_workers.operations.NotifyOnInsert` makes.

    While `is_needed`, which is asked in this thread, says no, SQLite is not asked; what
    came meanwhile is told of when it says yes again. PostgreSQL tells in any case.
    """

    def __init__(
        self,
        using: str,
        table: str,
        notify: Callable[[], None],
        is_needed: Callable[[], bool] = lambda: True,
    ) -> None:
        super().__init__(name="watcher", daemon=True)
        self.using = using
        # Django takes names that are quoted already; the server tells the bare one.
        self.table = strip_quotes(table)
        self._notify = notify
        self.is_needed = is_needed
        self._ended = threading.Event()

    def run(self) -> None:
        prepare_connection(self.using, f"watcher {self.table}")
        vendor = connections[self.using].vendor
        watch = {"sqlite": self._watch_sqlite, "postgresql": self._listen}.get(vendor)
        while watch is not None and not self._ended.is_set():
            try:
                with connections[self.using].wrap_database_errors:
                    watch()
            except Error as error:
                emit("watch.lost", error=str(error).strip())
                connections[self.using].close()
                self._ended.wait(RECONNECT_SECONDS)
        connections.close_all()

    def _watch_sqlite(self) -> None:
        connection = connections[self.using]
        connection.ensure_connection()
        # The driver's own cursor: 25 looks a second must cost next to nothing.
        ask = connection.connection.cursor().execute
        last = None
        while not self._ended.is_set():
            # To wait for `_ended` would cost as much again as the look does.
            time.sleep(SQLITE_LOOK_SECONDS)
            if not self.is_needed():
                # Each look waits some ten times for the lock of a busy interpreter.
                continue
            version = ask("PRAGMA data_version").fetchone()
            if version != last:
                last = version
                self._notify()

    def _listen(self) -> None:
        connection = connections[self.using]
        with connection.cursor() as cursor:
            cursor.execute(f'LISTEN "{CHANNEL}"')
        # What was committed before we listened has told nobody.
        self._notify()
        driver = connection.connection
        while not self._ended.is_set():
            notices = list(driver.notifies(timeout=LISTEN_SECONDS, stop_after=1))
            if any(notice.payload in ("", self.table) for notice in notices):
                self._notify()
                time.sleep(DEBOUNCE_SECONDS)

    def close(self) -> None:
        self._ended.set()
        if self.is_alive():
            # It may wait for a lock; as a daemon it keeps nobody from ending.
            self.join(CLOSING_SECONDS)
