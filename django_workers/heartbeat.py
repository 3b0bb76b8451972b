"""Shows that this worker lives, and notices those that do not any more."""

import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from django.db import Error, connections
from django.db.models import F, QuerySet

from .connecting import prepare_connection
from .database import database_now, limited_wait
from .errors import TaskError
from .models import Worker
from .outcomes import Outcome, Success
from .watchdog import Watchdog

CLOSING_SECONDS = 2.0
DEAD_AFTER_BEATS = 5
# A worker without a heartbeat starts nothing from well before others bury it.
FENCED_AFTER_BEATS = 3


def boot_seconds() -> float:
    """Return a clock that no person sets, and that counts suspension where it can."""
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime(clock)


@dataclass(slots=True)
class _Sight:
    heartbeat: int
    since: float


class Observer:
    """Judges workers by their counters, on its own monotonic clock.

    A worker is dead when its counter was seen to stand still for DEAD_AFTER_BEATS.
    After a gap in the reading (this process slept) every observation starts anew.
    """

    def __init__(self, heartbeat_seconds: float) -> None:
        self.heartbeat_seconds = heartbeat_seconds
        self._sights: dict[int, _Sight] = {}
        self._last_look: float | None = None

    def observe(self, heartbeats: Mapping[int, int], now: float) -> dict[int, int]:
        """Take in the counters by worker id; return those of the dead."""
        slept = (
            self._last_look is not None
            and now - self._last_look > 2 * self.heartbeat_seconds
        )
        self._last_look = now
        known = {} if slept else self._sights
        self._sights = {
            worker_id: known[worker_id]
            if worker_id in known and known[worker_id].heartbeat == heartbeat
            else _Sight(heartbeat, now)
            for worker_id, heartbeat in heartbeats.items()
        }
        return {
            worker_id: sight.heartbeat
            for worker_id, sight in self._sights.items()
            if now - sight.since >= DEAD_AFTER_BEATS * self.heartbeat_seconds
        }


class Heartbeat(threading.Thread):
    """Writes this worker's heartbeat from a thread and a connection of its own.

    `report_dead` is called in this thread with the ids and last counters of dead
    workers; `is_evicted` says that this worker itself was buried by another.
    `others` is how many more workers the queue had at the latest look. `last_error`
    tells why the latest heartbeat could not be written. `clock` is what they are
    judged by. `watchdog` looks after the loop with each beat.
    """

    def __init__(
        self,
        queue_name: str,
        using: str,
        seconds: float,
        report_dead: Callable[[dict[int, int]], None],
        clock: Callable[[], float] = time.monotonic,
        watchdog: Watchdog | None = None,
    ) -> None:
        super().__init__(name="heartbeat", daemon=True)
        self.queue_name = queue_name
        self.using = using
        self.seconds = seconds
        self.handled = 0
        self.failed = 0
        self.worker_id = 0
        self.others = 0
        self.last_error = ""
        self._evicted_id: int | None = None
        self._report_dead = report_dead
        self._clock = clock
        self._watchdog = watchdog
        self._observer = Observer(seconds)
        self._last_written = boot_seconds()
        self._ended = threading.Event()

    def register(self, pid: int) -> int:
        """Add this worker to the queue's live workers; return its id."""
        before = boot_seconds()
        now = database_now(self.using)
        with limited_wait(self.using):
            worker = Worker.objects.using(self.using).create(
                queue_id=self.queue_name,
                host=socket.gethostname()[:255],
                pid=pid,
                started_at=now,
                heartbeat_at=now,
            )
            self.others = self._workers().exclude(pk=worker.pk).count()
        self._last_written = before
        self.worker_id = worker.pk
        return worker.pk

    def unregister(self) -> None:
        """End being a live worker; with claims that were never settled, be a dead one.

        Whoever notices counts those as it counts a crash.
        """
        own = Worker.objects.using(self.using).filter(pk=self.worker_id)
        with limited_wait(self.using):
            own.filter(claims=None).delete()

    def count(self, outcomes: list[Outcome]) -> None:
        """Add settled outcomes to the totals, written with the next heartbeat."""
        endings = [outcome.ending for outcome in outcomes]
        self.handled += sum(isinstance(ending, Success) for ending in endings)
        self.failed += sum(isinstance(ending, TaskError) for ending in endings)

    @property
    def is_evicted(self) -> bool:
        # Judged by id: a heartbeat under way may tell of the one before.
        return self._evicted_id == self.worker_id

    @property
    def silent_seconds(self) -> float:
        """Seconds since the last heartbeat that was surely written."""
        return boot_seconds() - self._last_written

    @property
    def is_fenced(self) -> bool:
        """Whether nothing may be started: others may be about to bury this worker."""
        return self.silent_seconds > FENCED_AFTER_BEATS * self.seconds

    def run(self) -> None:
        prepare_connection(self.using, f"heartbeat {self.queue_name}")
        while not self._ended.wait(self.seconds):
            if self._watchdog is not None:
                self._watchdog.look()
            try:
                self.beat()
            except Error as error:
                self.last_error = str(error).strip()
                connections[self.using].close()
        connections.close_all()

    def beat(self) -> None:
        """Show once that this worker lives, and report those that do not."""
        before, own_id = boot_seconds(), self.worker_id
        workers = self._workers()
        with limited_wait(self.using):
            others = dict(workers.exclude(pk=own_id).values_list("pk", "heartbeat"))
            # Last, since who freezes in between keeps its row locked for a while.
            written = workers.filter(pk=own_id).update(
                heartbeat=F("heartbeat") + 1,
                heartbeat_at=database_now(self.using),
                handled=self.handled,
                failed=self.failed,
            )
        self.others = len(others)
        if written:
            self._last_written = before
        else:
            self._evicted_id = own_id
        if dead := self._observer.observe(others, self._clock()):
            self._report_dead(dead)

    def _workers(self) -> QuerySet[Worker]:
        return Worker.objects.using(self.using).filter(queue=self.queue_name)

    def close(self) -> None:
        self._ended.set()
        if self.is_alive():
            # It may wait for a lock; as a daemon it keeps nobody from ending.
            self.join(CLOSING_SECONDS)
