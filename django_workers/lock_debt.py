"""How long whoever keeps SQLite's one lock busy owes it to others: pure arithmetic.

SQLite has one writer and no fair queue for it: an eager worker would starve the admin,
whose wait for the lock backs off to 100 ms between two looks.
"""

# So much may be owed before the lock is left to others for as long: a settle and the
# claim that follows it need no gap between them.
BUSY_SECONDS_IN_A_ROW = 0.05
LONGEST_SECONDS = 1.0


class LockDebt:
    """As long as the lock was kept in all, it is to be free; moments are in seconds."""

    def __init__(self) -> None:
        self._owed = 0.0
        self._free_since = 0.0

    def add(self, since: float, until: float) -> None:
        """Owe the time for which the lock was kept."""
        self._owed += until - since
        self._free_since = until

    def pay(self, now: float) -> float:
        """Return for how many seconds to leave the lock alone before taking it again.

        The time for which it was free already counts.
        """
        self._owed = max(0.0, self._owed - (now - self._free_since))
        if self._owed <= BUSY_SECONDS_IN_A_ROW:
            return 0.0
        due, self._owed = min(self._owed, LONGEST_SECONDS), 0.0
        return due
