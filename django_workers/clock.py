"""The database's clock is the one that all workers share; and a person may set it."""

from datetime import datetime, timedelta

from django.utils import timezone

# Time servers make smaller steps, which do no harm.
SMALL_STEP = timedelta(seconds=1)


def was_set_back(written_at: datetime | None, now: datetime) -> bool:
    """Tell whether the clock, which once showed `written_at`, is behind that now."""
    return written_at is not None and written_at > now + SMALL_STEP


def local_time(moment: datetime) -> datetime:
    """Return the time as people here write it; without time zones it is so already."""
    return timezone.localtime(moment) if timezone.is_aware(moment) else moment
