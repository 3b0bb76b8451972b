"""Judges a chaos run by its ledger: what must hold, however much went wrong.

Nothing is lost, nothing is stuck, no row has more than three counted attempts, and
whatever was started twice has an explanation: a fault of the process that ran it first.
"""

from collections import Counter
from collections.abc import Iterator
from itertools import combinations, pairwise

from .history import INFINITY, Fault, History, Run

MOST_ATTEMPTS = 3
# How long after its end a run may wait for its settle, on a busy machine.
SETTLE_SECONDS = 5.0
# A worker is buried after five beats; on a busy machine its last ones may be missing.
BURIED_AFTER_BEATS = 2.0
# What the engine says of nothing that happens to workers here.
NEVER = ("task.parked", "task.still_pending", "queue.probe_crashed", "worker.stuck")


def judge(history: History) -> list[str]:
    """Return what is wrong, a sentence each; nothing when all is well."""
    return [
        *_lost_rows(history),
        *_stuck_rows(history),
        *_miscounted_rows(history),
        *_unexplained_runs(history),
        *_runs_that_were_to_be_alone(history),
        *_unexpected_ends(history),
    ]


def _lost_rows(history: History) -> Iterator[str]:
    for row in history.added.keys() - history.final.keys():
        yield f"row {row} is lost"
    for row, final in history.final.items():
        was_sent = any(run.ending == "sent" for run in history.runs[row])
        if final["done"] and not was_sent:
            yield f"row {row} is done but was never sent"


def _stuck_rows(history: History) -> Iterator[str]:
    if not history.summary.get("is_drained"):
        yield "the workers of the end did not drain the queue"
    for row, final in history.final.items():
        if not final["done"] and final["failures"] < MOST_ATTEMPTS:
            yield f"row {row} ({final['todo']}) is stuck after {_told(history, row)}"
    for claim in history.claims:
        yield f"row {claim['row']} is still claimed: {claim}"


def _miscounted_rows(history: History) -> Iterator[str]:
    for row in history.overcounted:
        yield f"row {row} was counted twice for one run: {_told(history, row)}"
    for row, final in history.final.items():
        if final["failures"] > MOST_ATTEMPTS:
            yield f"row {row} has {final['failures']} counted attempts"
        refused = [run for run in history.runs[row] if run.ending == "refused"]
        undisturbed = [run for run in refused if not _disturbances(history, run)]
        if len(undisturbed) > final["failures"]:
            yield f"row {row} was not counted every time: {_told(history, row)}"
        for run in undisturbed:
            # Who is not told of a commit cannot tell the ledger.
            is_told = not _disturbances(history, run, "lose", "cut")
            if run.recorded == INFINITY and is_told:
                yield f"row {row} was not counted for its {run}"
        if final["todo"] in ("refuse", "crash") and final["done"]:
            yield f"row {row} is done though it was refused every time"


def _unexplained_runs(history: History) -> Iterator[str]:
    """Find rows that were handled again, or twice at a time, without a reason."""
    for row, runs in history.runs.items():
        in_order = sorted(runs, key=lambda run: run.started)
        for first, second in combinations(in_order, 2):
            was_over = second.begun >= first.ended
            may_run_again = first.ending in ("refused", "postponed", "paused")
            if was_over and may_run_again:
                continue
            if not _explains(history, first, second):
                yield f"row {row}: {second} has no reason after {first}"


def _explains(history: History, first: Run, second: Run) -> bool:
    """Tell whether what happened to the first run's process let the second begin.

    A takeover needs time: others watch for five beats before they bury a worker. So
    a worker that goes on with what was taken from it is found out, and one that takes
    from the living. A kill is no excuse for what was recorded before, and a freeze
    none when nobody has buried the frozen process.
    """
    if _was_kept_from_marking(history, first):
        return True
    for fault in _disturbances(history, first):
        if fault.since + BURIED_AFTER_BEATS * history.beat > second.started:
            continue
        if fault.action == "kill" and second.started < first.recorded:
            return True
        if fault.action != "kill" and any(
            at >= fault.since for at in history.burials[first.pid]
        ):
            return True
    return False


def _was_kept_from_marking(history: History, run: Run) -> bool:
    """Tell whether a cut, or a lock of a frozen process, left the row unmarked."""
    gave_up = run.unmarked
    if gave_up is None:
        return False
    return bool(_disturbances(history, run, "cut")) or any(
        fault.since <= gave_up and run.ended <= fault.until for fault in history.freezes
    )


def _disturbances(history: History, run: Run, *actions: str) -> list[Fault]:
    actions = actions or ("kill", "freeze", "stall")
    settled_at = _latest_settle(history, run)
    return [
        fault
        for fault in history.faults[run.pid]
        if fault.action in actions
        and fault.until >= run.started
        and fault.since <= settled_at
    ]


def _latest_settle(history: History, run: Run) -> float:
    """Return until when the run's end may have been waiting to be recorded.

    A process that is frozen in a transaction keeps all others waiting.
    """
    latest = run.ended + SETTLE_SECONDS
    for fault in history.freezes:
        if fault.since <= latest and run.ended <= fault.until:
            latest = max(latest, fault.until + SETTLE_SECONDS)
    return latest


def _runs_that_were_to_be_alone(history: History) -> Iterator[str]:
    """Find rows that killed a worker together, and then did not run alone."""
    for pid, faults in history.faults.items():
        kills = [fault.since for fault in faults if fault.action == "kill"]
        if not kills or any(fault.action in ("freeze", "stall") for fault in faults):
            continue
        cut = [run for run in history.runs_of(pid) if run.ending is None]
        if len(cut) < 2:
            continue
        for run in cut:
            later = [each for each in history.runs[run.row] if each.begun > run.begun]
            following = min(later, key=lambda each: each.begun, default=None)
            if following:
                yield from _company(history, following)


def _company(history: History, run: Run) -> Iterator[str]:
    for other in history.runs_of(run.pid):
        overlaps = other.begun < run.ended and run.begun < other.ended
        if other is not run and overlaps:
            yield (
                f"row {run.row} was to run alone, and ran beside row {other.row}: "
                f"{_told(history, run.row)}"
            )


def _unexpected_ends(history: History) -> Iterator[str]:
    for entry in history.unfounded:
        yield f"worker {entry['of']} was buried, with tasks in flight, for no reason"
    for entry in history.hung:
        yield f"worker {entry['of']} did not end when it was told to:\n{entry['log']}"
    for entry in history.ended:
        pid, code = entry["of"], entry["code"]
        was_killed = any(fault.action == "kill" for fault in history.faults[pid])
        expected: tuple[int, ...] = (-9, 130, 143) if was_killed else (0,)
        if not entry["was_ready"]:
            expected = (0, -15)
        if code not in expected:
            yield f"worker {pid} ended with {code}:\n{entry['log']}"
    for entry in history.engine:
        if entry["name"] in NEVER:
            yield f"worker {entry['pid']} said: {entry['text']}"


def _told(history: History, row: int) -> str:
    runs = ", ".join(map(str, history.runs[row])) or "no run"
    counted = ", ".join(f"{c.reason} at {c.at:.3f}" for c in history.counted[row])
    return f"{runs}; counted: {counted or 'nothing'}"


def tally(history: History) -> dict[str, object]:
    """Return the figures of a run, for people."""
    runs = [run for each in history.runs.values() for run in each]
    sent = Counter(run.row for run in runs if run.ending == "sent")
    faults = [fault.action for each in history.faults.values() for fault in each]
    reasons = Counter(
        fault.action
        for row, times in sent.items()
        if times > 1
        for run in history.runs[row][:-1]
        if run.ending == "sent"
        for fault in _disturbances(history, run)[:1]
    )
    waits = _takeover_seconds(history)
    return {
        "rows": len(history.added),
        "done": sum(bool(final["done"]) for final in history.final.values()),
        "failed for good": sum(not each["done"] for each in history.final.values()),
        "runs": len(runs),
        "sent twice or more": sum(times > 1 for times in sent.values()),
        "second sends explained by": dict(reasons),
        "faults": dict(Counter(faults)),
        "longest wait for a takeover, beats": (
            round(max(waits) / history.beat, 1) if waits else None
        ),
        "events": dict(Counter(entry["name"] for entry in history.engine)),
    }


def _takeover_seconds(history: History) -> list[float]:
    """Return how long rows that a kill cut off waited for their next run."""
    waits = []
    for runs in history.runs.values():
        in_order = sorted(runs, key=lambda run: run.begun)
        for first, second in pairwise(in_order):
            if first.ending is None and first.ended < INFINITY:
                waits.append(second.begun - first.ended)
    return waits
