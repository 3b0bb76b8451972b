"""A ledger read back: who ran which row when, and what happened to whom."""

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from .ledger import Entry

INFINITY = math.inf
WORKER_LOST = "worker_lost"
ENDINGS = ("sent", "refused", "postponed", "paused")


@dataclass(slots=True)
class Run:
    """One call of a handler. `ending` is None when nobody saw its end."""

    row: int
    pid: int
    # When the engine decided on the start; the handler was called a little later.
    started: float
    begun: float
    ended: float = INFINITY
    ending: str | None = None
    # When its ending was committed, as far as anybody lived to tell.
    recorded: float = INFINITY
    # When the handler, whose send was accepted, gave up marking its row.
    unmarked: float | None = None

    def __str__(self) -> str:
        return (
            f"run by {self.pid} at {self.begun:.3f} ({self.ending or 'without an end'})"
        )


class Count(NamedTuple):
    """An attempt was counted, and why it had failed."""

    at: float
    reason: str


@dataclass(frozen=True, slots=True)
class Fault:
    """What happened to a process: a kill lasts for ever, a freeze until it is over."""

    action: str
    since: float
    until: float


@dataclass(slots=True)
class History:
    """All that a chaos run's ledger tells."""

    beat: float = 1.0
    added: dict[int, str] = field(default_factory=dict)
    final: dict[int, Entry] = field(default_factory=dict)
    claims: list[Entry] = field(default_factory=list)
    runs: dict[int, list[Run]] = field(default_factory=lambda: defaultdict(list))
    faults: dict[int, list[Fault]] = field(default_factory=lambda: defaultdict(list))
    # When others found a process to be dead, or it found out that they had.
    burials: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))
    # The burials of processes with tasks in flight to which nothing had happened.
    unfounded: list[Entry] = field(default_factory=list)
    # Rows that were counted as refused more often than they were.
    overcounted: list[int] = field(default_factory=list)
    # Those of all processes that end by themselves, in the order in which they began.
    freezes: list[Fault] = field(default_factory=list)
    counted: dict[int, list[Count]] = field(default_factory=lambda: defaultdict(list))
    # The processes that ended, and how; those that did not when they were told to.
    ended: list[Entry] = field(default_factory=list)
    hung: list[Entry] = field(default_factory=list)
    engine: list[Entry] = field(default_factory=list)
    summary: Entry = field(default_factory=dict)

    def runs_of(self, pid: int) -> list[Run]:
        return [run for runs in self.runs.values() for run in runs if run.pid == pid]


def tell(entries: Iterable[Entry]) -> History:
    """Read a ledger, whose entries are in the order of their times."""
    reader = _Reader()
    for entry in entries:
        reader.take(entry)
    reader.close()
    return reader.history


# What makes others take a worker for dead.
DEADLY = frozenset({"kill", "freeze", "stall"})


class _Reader:
    """Has one method for each kind of entry."""

    def __init__(self) -> None:
        self.history = History()
        self._runs: dict[tuple[int, int], Run] = {}
        self._of_busy: list[Entry] = []  # burials of workers with tasks in flight

    def take(self, entry: Entry) -> None:
        event = entry["event"]
        if event in ENDINGS:
            run = self._runs[entry["pid"], entry["run"]]
            run.ending, run.ended = event, entry["at"]
        elif read := getattr(self, f"_{event}", None):
            read(entry)

    def _opened(self, entry: Entry) -> None:
        self.history.beat = entry["beat"]

    def _closed(self, entry: Entry) -> None:
        self.history.summary = entry

    # --- rows -------------------------------------------------------------------------

    def _added(self, entry: Entry) -> None:
        self.history.added |= {int(pk): todo for pk, todo in entry["rows"].items()}

    def _row(self, entry: Entry) -> None:
        self.history.final[entry["row"]] = entry

    def _claim(self, entry: Entry) -> None:
        self.history.claims.append(entry)

    # --- runs -------------------------------------------------------------------------

    def _begin(self, entry: Entry) -> None:
        begun = entry["at"]
        run = Run(entry["row"], entry["pid"], entry["started"] or begun, begun)
        self.history.runs[run.row].append(run)
        self._runs[run.pid, entry["run"]] = run

    def _unmarked(self, entry: Entry) -> None:
        self._runs[entry["pid"], entry["run"]].unmarked = entry["at"]

    def _counted(self, entry: Entry) -> None:
        at, row, reason = entry["at"], entry["row"], entry["reason"]
        self.history.counted[row].append(Count(at, reason))
        if reason == WORKER_LOST:
            return
        refused = [
            run
            for run in self._unrecorded(entry["pid"], row)
            if run.ending == "refused" or run.unmarked is not None
        ]
        # The latest: the outcomes of earlier ones, whose claims were lost, are dropped.
        if refused:
            refused[-1].recorded = at
        else:
            self.history.overcounted.append(row)

    def _recorded(self, entry: Entry) -> None:
        for row in entry["rows"]:
            for run in self._unrecorded(entry["pid"], row)[-1:]:
                run.recorded = entry["at"]

    def _unrecorded(self, pid: int, row: int) -> list[Run]:
        return [
            run
            for run in self.history.runs[row]
            if run.pid == pid and run.ending and run.recorded == INFINITY
        ]

    # --- processes --------------------------------------------------------------------

    def _engine(self, entry: Entry) -> None:
        self.history.engine.append(entry)

    def _ended(self, entry: Entry) -> None:
        self.history.ended.append(entry)

    def _hung(self, entry: Entry) -> None:
        self.history.hung.append(entry)

    def _fault(self, entry: Entry) -> None:
        self._strike(entry["pid"], entry)

    def _struck(self, entry: Entry) -> None:
        self._strike(entry["of"], entry)

    def _cut(self, entry: Entry) -> None:
        self._strike(entry["of"], entry)

    def _strike(self, pid: int, entry: Entry) -> None:
        fault = Fault(entry["action"], entry["at"], INFINITY)
        self.history.faults[pid].append(fault)

    def _buried(self, entry: Entry) -> None:
        pid = entry["of"]
        self.history.burials[pid].append(entry["at"])
        if entry["claims"]:
            self._of_busy.append(entry)

    def _thawed(self, entry: Entry) -> None:
        faults = self.history.faults[entry["of"]]
        for index, fault in enumerate(faults):
            if fault.action == "freeze" and fault.until == INFINITY:
                faults[index] = Fault("freeze", fault.since, entry["at"])

    def _stalled(self, entry: Entry) -> None:
        fault = Fault("stall", entry["since"], entry["at"])
        self.history.faults[entry["pid"]].append(fault)

    def close(self) -> None:
        """Add what can be told only at the end."""
        every_fault = [each for few in self.history.faults.values() for each in few]
        freezes = [each for each in every_fault if each.until < INFINITY]
        self.history.freezes = sorted(freezes, key=lambda each: each.since)
        # A worker that stood still tells of it when it goes on, buried by then.
        for entry in self._of_busy:
            faults = self.history.faults[entry["of"]]
            before = [each for each in faults if each.since < entry["at"]]
            if not any(each.action in DEADLY for each in before):
                self.history.unfounded.append(entry)
        # What was cut off by a kill ends with it.
        for run in [run for runs in self.history.runs.values() for run in runs]:
            if run.ending is None:
                faults = self.history.faults[run.pid]
                kills = [each.since for each in faults if each.action == "kill"]
                later = [at for at in kills if at >= run.begun]
                run.ended = min(later, default=INFINITY)
