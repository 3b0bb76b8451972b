"""Starts worker processes one after another and has each meet its fate.

One of them is steady: nothing happens to it but what happens to all, so that somebody
is there to notice the deaths of the others.
"""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from . import ledger, points
from .ledger import Entry, note
from .plan import ASYNC, PLAIN, Fate

ROOT = Path(__file__).resolve().parents[2]
LOOK_SECONDS = 0.03
# A process that had no occasion for its fate so long makes room for another.
PATIENCE_SECONDS = 12.0
# How long one that lives on after its fate shows that it still works.
AFTERLIFE_SECONDS = 1.5
# How long a frozen one stays so after its burial: others run meanwhile what it had.
BURIED_BEATS = 3.0
ENDING_SECONDS = 60.0


@dataclass
class Process:
    """One worker process, and how far it has come on its way."""

    popen: subprocess.Popen[bytes]
    log: Path
    fate: Fate | None
    started_at: float = field(default_factory=time.monotonic)
    ready_at: float | None = None
    has_met_fate: bool = False
    frozen_at: float | None = None
    buried_at: float | None = None
    stop_at: float | None = None
    is_stopping: bool = False
    is_ended: bool = False

    @property
    def pid(self) -> int:
        return self.popen.pid


class Fleet:
    """A number of workers at once; where one ended, the next takes its place."""

    def __init__(
        self, folder: Path, slots: int, fates: Iterator[Fate], beat: float
    ) -> None:
        self.folder = folder
        self.slots = slots
        self.beat = beat
        self.met: Counter[str] = Counter()
        self._fates = fates
        self._again: list[Fate] = []
        self._processes: list[Process] = []
        self._started = 0
        self._tail = ledger.Tail(Path(os.environ[ledger.VARIABLE]))

    # --- the chaos --------------------------------------------------------------------

    def look(self) -> None:
        """Do what is due, once; to be called all the time."""
        self._look_at_all()
        if all(process.fate is not None for process in self._processes):
            self._start(None)
        while len(self._processes) < self.slots:
            self._start(self._again.pop() if self._again else next(self._fates))

    def alive(self) -> list[Process]:
        return [process for process in self._processes if process.ready_at]

    def _start(self, fate: Fate | None, *options: str, queue: str = "") -> None:
        self._started += 1
        log = self.folder / f"worker-{self._started}.log"
        environment = os.environ | {"SOAK_HEARTBEAT": str(self.beat)}
        # How PostgreSQL knows whose connections they are.
        environment["PGAPPNAME"] = log.stem
        if fate is not None and fate.point:
            armed = f"{fate.action}:{fate.point}:{fate.count}"
            if fate.point == "in_drain":
                armed = f"{fate.action}:in_drain:1"
            environment[points.VARIABLE] = armed
        path = f"tests.soak.task_queues.{queue or (fate.queue if fate else ASYNC)}"
        with log.open("wb") as output:
            popen = subprocess.Popen(
                [sys.executable, "manage.py", "run_worker", path, *options],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        process = Process(popen, log, fate)
        self._processes.append(process)
        note("launched", of=process.pid, fate=fate.name if fate else "none")

    def _hear(self, entry: Entry) -> None:
        at = entry["at"]
        match entry:
            case {"event": "buried", "of": pid} if process := self._find(pid):
                process.buried_at = at
            case {"name": "worker.started", "pid": pid} if process := self._find(pid):
                process.ready_at = process.ready_at or at
            case {"event": "fault", "pid": pid, "point": point, "action": action} if (
                process := self._find(pid)
            ) and point != "poison":
                self._meet(process)
                if action == "freeze":
                    process.frozen_at = at
                elif action != "kill":
                    process.stop_at = at + AFTERLIFE_SECONDS

    def _find(self, pid: int) -> Process | None:
        return next((each for each in self._processes if each.pid == pid), None)

    def _look_at_all(self) -> list[Process]:
        """Do what is due with each process; return those that have ended."""
        time.sleep(LOOK_SECONDS)  # between two looks
        for entry in self._tail.entries():
            self._hear(entry)
        for process in self._processes:
            self._look_at(process)
        ended = [process for process in self._processes if process.is_ended]
        self._processes = [each for each in self._processes if not each.is_ended]
        return ended

    def _look_at(self, process: Process) -> None:
        if process.popen.poll() is not None:
            self._bury(process)
        elif process.frozen_at is not None:
            self._thaw_in_time(process)
        elif process.is_stopping:
            self._check_ending(process)
        elif process.fate is not None and process.ready_at is not None:
            self._proceed(process, process.fate, process.ready_at)

    def _proceed(self, process: Process, fate: Fate, ready_at: float) -> None:
        now = time.monotonic()
        if process.stop_at is not None:
            if now >= process.stop_at:
                self._stop(process)
        elif fate.point == "in_drain" or not fate.point:
            if now >= ready_at + fate.seconds:
                self._strike(process, fate)
        elif now >= ready_at + PATIENCE_SECONDS:
            self._stop(process)

    def _strike(self, process: Process, fate: Fate) -> None:
        if fate.point == "in_drain":
            self._stop(process)
            return
        self._meet(process)
        match fate.action:
            case "kill":
                self._kill(process)
            case "freeze":
                process.popen.send_signal(signal.SIGSTOP)
                process.frozen_at = time.monotonic()
                note("struck", of=process.pid, action="freeze")
            case "drain":
                self._stop(process)
            case "quit":
                # The second signal ends it at once, whatever is in flight.
                note("struck", of=process.pid, action="kill")
                self._stop(process)
                process.popen.send_signal(signal.SIGINT)

    def _thaw_in_time(self, process: Process) -> None:
        assert process.frozen_at is not None
        assert process.fate is not None
        ends = [process.frozen_at + process.fate.frozen_beats * self.beat]
        if process.buried_at is not None:
            ends.append(process.buried_at + BURIED_BEATS * self.beat)
        if time.monotonic() >= min(ends):
            self._thaw(process)

    def _thaw(self, process: Process) -> None:
        note("thawed", of=process.pid)
        process.popen.send_signal(signal.SIGCONT)
        process.frozen_at = None
        process.stop_at = time.monotonic() + AFTERLIFE_SECONDS

    def _stop(self, process: Process) -> None:
        process.is_stopping = True
        process.stop_at = time.monotonic()
        process.popen.send_signal(signal.SIGTERM)

    def _kill(self, process: Process) -> None:
        note("struck", of=process.pid, action="kill")
        process.popen.kill()

    def _check_ending(self, process: Process) -> None:
        assert process.stop_at is not None
        if time.monotonic() > process.stop_at + ENDING_SECONDS:
            note("hung", of=process.pid, log=_last_lines(process.log))
            self._kill(process)
            process.stop_at = float("inf")

    def _meet(self, process: Process) -> None:
        if process.fate is not None and not process.has_met_fate:
            process.has_met_fate = True
            self.met[process.fate.name] += 1

    def _bury(self, process: Process) -> None:
        process.is_ended = True
        for entry in self._tail.entries():
            self._hear(entry)
        note(
            "ended",
            of=process.pid,
            code=process.popen.returncode,
            was_ready=process.ready_at is not None,
            log=_last_lines(process.log),
        )
        if process.fate is not None and not process.has_met_fate:
            self._again.insert(0, process.fate)

    # --- the end ----------------------------------------------------------------------

    def stop_all(self) -> None:
        """End all workers in the ordinary way."""
        for process in self._processes:
            if process.frozen_at is not None:
                self._thaw(process)
            if not process.is_stopping:
                self._stop(process)
        while self._processes:
            self._look_at_all()

    def drain(self, seconds: float) -> bool:
        """Have workers that nothing happens to finish; tell whether they could."""
        deadline = time.monotonic() + seconds
        queues = [ASYNC, PLAIN]
        while time.monotonic() < deadline:
            # One that a poisonous row killed is followed by another.
            while queues:
                self._start(None, "--drain", queue=queues.pop())
            for process in self._look_at_all():
                if process.popen.returncode == -signal.SIGKILL:
                    queues.append(ASYNC)
            if not self._processes and not queues:
                return True
        return False

    def close(self) -> None:
        """Leave no process behind."""
        for process in self._processes:
            if process.popen.poll() is None:
                process.popen.kill()
            process.popen.wait()
        self._tail.close()


def _last_lines(log: Path) -> str:
    return log.read_text(errors="replace")[-3000:]
