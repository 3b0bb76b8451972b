"""The filter by day: today, yesterday, a week, or from one day to another."""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Any

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import PAGE_VAR
from django.db.models import F, Func, Q, QuerySet
from django.http import HttpRequest, QueryDict
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

DAY, SINCE, UNTIL = "day", "since", "until"
# Every database, and every time zone, knows what is between them.
FIRST, LAST = date(1970, 1, 2), date(2999, 12, 31)


class CreatedFilter(admin.ListFilter):
    """By the day, of the shop's clock, on which a row was created.

    Both ends of a range belong to it, and either may be left open. A date that is none
    leads back to the whole list: it would be worse to take it for no limit.
    """

    title = _("Created")
    template = "admin/notifications/date_filter.html"
    days = {"today": _("Today"), "yesterday": _("Yesterday"), "week": _("7 days")}

    def __init__(
        self, request: HttpRequest, params: dict[str, Any], model: Any, model_admin: Any
    ) -> None:
        super().__init__(request, params, model, model_admin)
        for name in (DAY, SINCE, UNTIL):
            if given := params.pop(name, None):
                self.used_parameters[name] = given[-1]
        self.kept: list[tuple[str, str]] = []

    def has_output(self) -> bool:
        return True

    def expected_parameters(self) -> list[str | None]:
        return [DAY, SINCE, UNTIL]

    @property
    def since(self) -> str:
        """The first day of the range, as the form has it."""
        return str(self.used_parameters.get(SINCE, ""))

    @property
    def until(self) -> str:
        """The last day of the range, as the form has it."""
        return str(self.used_parameters.get(UNTIL, ""))

    def choices(self, changelist: Any) -> Iterator[dict[str, Any]]:
        others = changelist.get_query_string(remove=[DAY, SINCE, UNTIL])
        # The form of the range has to repeat what else was chosen.
        self.kept = [
            (name, str(value))
            for name, value in QueryDict(others.removeprefix("?")).items()
            if name != PAGE_VAR
        ]
        chosen = self.used_parameters.get(DAY)
        yield {
            "selected": not self.used_parameters,
            "query_string": others,
            "display": _("Any date"),
        }
        for day, words in self.days.items():
            yield {
                "selected": chosen == day,
                "query_string": changelist.get_query_string(
                    {DAY: day}, remove=[SINCE, UNTIL]
                ),
                "display": words,
            }

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(self._within())

    def _within(self) -> Q:
        first, last = self._range()
        within = Q()
        if first is not None:
            within &= Q(created_at__gte=_midnight(first))
        if last is not None:
            within &= Q(created_at__lt=_midnight(last + timedelta(days=1)))
        return within

    def _range(self) -> tuple[date | None, date | None]:
        today = timezone.localdate()
        match self.used_parameters.get(DAY):
            case "today":
                return today, today
            case "yesterday":
                return today - timedelta(days=1), today - timedelta(days=1)
            case "week":
                return today - timedelta(days=6), today
            case None:
                return _day(self.since), _day(self.until)
            case _:
                raise IncorrectLookupParameters


class IndexedCreatedFilter(CreatedFilter):
    """The same, for a table with an index of that time.

    Lists are read in the order of keys, the newest first. Between which keys the days
    lie is looked up, so that nothing older is read in search of more.
    """

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        within = self._within()
        if None in self._range():
            # What has no end on one side may be nearly all there is.
            return queryset.filter(within)
        rows = queryset.model._default_manager.filter(within).order_by()
        # Plain functions to the ORM, or it would group by something. Of a sum there is
        # no index: PostgreSQL would look for the least key by going through all keys.
        lowest, highest = (
            rows.annotate(key=Func(F("pk") + 0, function=name)).values("key")
            for name in ("MIN", "MAX")
        )
        return queryset.filter(within, pk__gte=lowest, pk__lte=highest)


def _day(text: str) -> date | None:
    if not text:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise IncorrectLookupParameters(error) from error
    if not FIRST <= day <= LAST:
        raise IncorrectLookupParameters(text)
    return day


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))
