"""The named points at which a worker process does to itself what it was armed with.

SOAK_FAULT=ACTION:POINT:COUNT arms a process: when it is at the point for the COUNT-th
time, the action happens, once. The engine runs unchanged: its hooks, its events and
Django's own instrumentation of SQL say where the process is. The points are in plan.py.
"""

import logging
import os
import signal
import threading
import time
from functools import partial
from typing import Any

from django.db import OperationalError, connection, transaction
from django.db.backends.signals import connection_created

from .ledger import note

VARIABLE = "SOAK_FAULT"

# When each task was started here, by its id: after the engine's last look at its fence.
started_at: dict[Any, float] = {}

_lock = threading.Lock()
_action, _point, _count = (os.environ.get(VARIABLE) or "::0").split(":")
_left = int(_count)


def reach(point: str) -> None:
    """Say that this process is at a point.

    Raises:
        OperationalError: the process is armed to lose the database's answer here.
    """
    global _left
    if point != _point:
        return
    with _lock:
        _left -= 1
        if _left != 0:
            return
    note("fault", action=_action, point=point)
    match _action:
        case "kill":
            die()
        case "freeze":
            os.kill(os.getpid(), signal.SIGSTOP)
        case "lose":
            # What a transaction did is applied, and nobody tells the worker.
            raise OperationalError("the answer to COMMIT was lost")
        case "cut":
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")


def die() -> None:
    """Be gone as if the machine were: nothing is flushed, closed or rolled back."""
    os.kill(os.getpid(), signal.SIGKILL)
    threading.Event().wait()


def reach_after_commit(point: str) -> None:
    """Reach a point right after the transaction that is open now."""
    transaction.on_commit(partial(reach, point))


def watch_claims() -> None:
    """Find the points for which the engine has no hook: around the commit of a claim.

    Of the connections that are made from now on.
    """
    connection_created.connect(_watch_connection)


def _watch_connection(sender: Any, connection: Any, **_: Any) -> None:
    if _watch not in connection.execute_wrappers:
        connection.execute_wrappers.append(_watch)


def _watch(execute: Any, sql: Any, params: Any, many: Any, context: Any) -> Any:
    result = execute(sql, params, many, context)
    if str(sql).startswith("INSERT INTO") and "django_workers_claim" in str(sql):
        reach_after_commit("after_claim")
        reach("in_claim")
    return result


class EngineEvents(logging.Handler):
    """Writes the engine's events into the ledger."""

    def emit(self, record: logging.LogRecord) -> None:
        name = getattr(record, "event", "")
        facts = getattr(record, "facts", {})
        if name == "task.started":
            started_at[facts["task_id"]] = time.monotonic()
        elif name == "worker.lost":
            pid = int(facts["worker"].rpartition(":")[2])
            note("buried", of=pid, claims=facts["claims"])
        elif name == "worker.evicted":
            note("buried", of=os.getpid(), claims=0)
        if name not in ("", "task.started", "task.succeeded"):
            note("engine", name=name, text=record.getMessage()[:300])
        if name == "worker.stopping":
            reach("in_drain")


class StallWatch(threading.Thread):
    """Notes when this process stood still: frozen, or starved by a busy machine."""

    def __init__(self, seconds: float) -> None:
        super().__init__(name="stall-watch", daemon=True)
        self.seconds = seconds

    def run(self) -> None:
        last = time.monotonic()
        while True:
            time.sleep(self.seconds / 4)  # this is the clock that is watched
            now = time.monotonic()
            if now - last > self.seconds:
                note("stalled", since=last)
            last = now
