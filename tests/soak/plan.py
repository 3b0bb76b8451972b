"""What will go wrong in a chaos run, and when: all of it follows from the seed."""

import random
from collections.abc import Iterator
from dataclasses import dataclass

ASYNC, PLAIN = "errands", "plain_errands"

# Where a process can be, as its hooks, events and statements tell.
POINTS = {
    "in_claim": "claims are inserted, the transaction is open",
    "after_claim": "claims are committed, nothing is started",
    "before_send": "the handler was called",
    "in_send": "the request is on its way",
    "after_send": "it was accepted, the handler has not returned",
    "after_mark": "the handler itself has marked its row as done",
    "in_settle": "successes are recorded, the transaction is open",
    "in_failure": "a failed attempt is recorded, the transaction is open",
    "after_settle": "a settle is committed, the worker does not know yet",
    "in_reap": "a dead worker's row is recorded, the transaction is open",
    "in_drain": "told to stop, with tasks in flight",
    "in_probe": "asking whether a pause is over",
}

# After this many visits at most a process has been at the point often enough.
COMMON_POINTS = {
    "in_claim": 8,
    "after_claim": 8,
    "before_send": 40,
    "in_send": 40,
    "after_send": 40,
    "after_mark": 20,
    "in_settle": 8,
    "in_failure": 4,
    "after_settle": 8,
}

KINDS = {
    "ok:10": 40,
    "ok:60": 30,
    "ok:600": 12,
    "flaky:1": 5,
    "flaky:2": 3,
    "refuse": 4,
    "crash": 2,
    "postpone:1": 4,
    "postpone:3": 2,
    "pause:1": 1,
    "poison": 0.1,
}


@dataclass(frozen=True, slots=True)
class Fate:
    """What shall become of one worker process.

    At a named point it does it to itself (see points.py), at the `count`-th visit;
    without a point it is done to it, `seconds` after it was ready. A frozen one thaws
    some beats after others have buried it, or after `frozen_beats`.
    """

    action: str
    point: str = ""
    count: int = 0
    seconds: float = 0.0
    frozen_beats: float = 0.0
    queue: str = ASYNC

    @property
    def name(self) -> str:
        return f"{self.action} {self.point or 'at random'}"


def cards(database: str, *, long: bool) -> list[tuple[str, str]]:
    """Return what happens in each round, as pairs of an action and a point."""
    kills = [*COMMON_POINTS, "in_reap", "in_drain", "in_probe", ""]
    freezes = ["after_claim", "in_send", "in_settle", ""]
    if long:
        freezes += ["in_claim", "after_settle"]
    found = [("kill", point) for point in kills]
    found += [("freeze", point) for point in freezes]
    found += [("lose", "after_claim"), ("lose", "after_settle")]
    found += [("drain", ""), ("quit", "")]
    if database == "postgresql":
        found += [("cut", "in_claim"), ("cut", "in_settle")]
    return found


def deal(seed: int, database: str, *, long: bool) -> Iterator[Fate]:
    """Yield fates without end, each round in an order of its own."""
    chance = random.Random(f"fates {seed}")
    # Workers that live for longer have time to bury others.
    patience = 6 if long else 1
    while True:
        deck = cards(database, long=long)
        chance.shuffle(deck)
        for action, point in deck:
            yield Fate(
                action,
                point,
                count=chance.randint(1, patience * COMMON_POINTS.get(point, 0) or 1),
                seconds=chance.uniform(0.2, 1.5 * patience),
                frozen_beats=_frozen_beats(chance, database, point, long=long),
                queue=_queue(chance, point),
            )


def _queue(chance: random.Random, point: str) -> str:
    queue = chance.choice([ASYNC, ASYNC, PLAIN])
    return PLAIN if point == "after_mark" else queue


def rows(seed: int, *, long: bool) -> Iterator[str]:
    """Yield what the errands say, without end."""
    chance = random.Random(f"rows {seed}")
    likely = KINDS if long else KINDS | {"poison": 0}
    kinds, weights = list(likely), list(likely.values())
    if not long:
        # Each costs four workers and four burials: a short run has one.
        yield "poison"
    while True:
        yield from chance.choices(kinds, weights, k=100)


def _frozen_beats(
    chance: random.Random, database: str, point: str, *, long: bool
) -> float:
    """Return for how long to freeze at most; a burial ends it earlier."""
    if point not in ("in_claim", "in_settle"):
        return 30.0
    # Frozen in a transaction it keeps others from burying it.
    if long and database == "postgresql":
        # Until the server ends the transaction.
        return chance.uniform(16.0, 19.0)
    return chance.uniform(6.5, 9.0)


@dataclass(frozen=True, slots=True)
class Trouble:
    """What happens to the database: `cut` ends connections, `lock` keeps it locked."""

    action: str
    # How long after the trouble before.
    after_seconds: float
    # Which of the workers of that moment, and of its connections, as a share of their
    # number; all connections when it is None.
    victim: float = 0.0
    connection: float | None = None
    seconds: float = 0.0


def troubles(seed: int, database: str) -> Iterator[Trouble]:
    """Yield what happens to the database, without end."""
    chance = random.Random(f"troubles {seed}")
    actions = ["cut", "cut", "cut", "lock"] if database == "postgresql" else ["lock"]
    while True:
        action = chance.choice(actions)
        yield Trouble(
            action,
            after_seconds=chance.uniform(0.5, 2.0) * 4 / len(actions),
            victim=chance.random(),
            connection=chance.choice([None, chance.random()]),
            seconds=chance.uniform(0.2, 1.2),
        )
