"""How many tasks may start now: a token bucket, as pure arithmetic."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Bucket:
    """Tokens that refill at `rate` per second up to a quarter of a second's worth.

    The small burst keeps N workers together within the rate in any second.
    """

    tokens: float
    at: datetime | None
    rate: float

    @property
    def burst(self) -> float:
        return max(1.0, self.rate / 4)

    def refilled(self, now: datetime) -> "Bucket":
        """Return the bucket as it stands at `now`; time going back refills nothing."""
        if self.at is None:
            return Bucket(self.burst, now, self.rate)
        elapsed = max(0.0, (now - self.at).total_seconds())
        tokens = min(self.burst, self.tokens + elapsed * self.rate)
        return Bucket(tokens, now, self.rate)

    def take(self, count: int) -> "Bucket":
        return Bucket(self.tokens - count, self.at, self.rate)

    @property
    def available(self) -> int:
        return max(0, int(self.tokens))

    @property
    def seconds_to_next(self) -> float:
        """Seconds until a whole token is there."""
        return max(0.0, (1.0 - self.tokens) / self.rate)
