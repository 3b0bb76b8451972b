"""When did the customer do it? Telegram's clock and ours need not agree."""

from datetime import datetime, timedelta

from django.utils import timezone

# Telegram keeps updates for a day; what claims to be older has no clock.
_OLDEST = timedelta(days=2)
_CLOCKS_DIFFER = timedelta(minutes=1)


def moment_of(date: datetime) -> datetime:
    """Return the latest moment that Telegram's date, in whole seconds, may mean.

    Never a moment that is still to come: whatever happens until then would look older.
    A date that cannot be right is now: some Bot API servers send none.
    """
    now = timezone.now()
    if not now - _OLDEST < date < now + _CLOCKS_DIFFER:
        return now
    return min(now, date.replace(microsecond=999_999))
