"""How a moment is written: as short as it can be told without a doubt."""

from datetime import datetime

from django.utils import timezone
from django.utils.formats import date_format


def when(moment: datetime, *, seconds: bool = False) -> str:
    """Return the time; with the day when it is not today, and so with the year."""
    local, today = timezone.localtime(moment), timezone.localdate()
    time = "H:i:s" if seconds else "H:i"
    if local.date() == today:
        return date_format(local, time)
    if local.year == today.year:
        return date_format(local, f"j b, {time}")
    return date_format(local, f"j b Y, {time}")
