"""A query of tasks that is put together once, and then only given values.

To put a query together takes the ORM longer than most databases take to run it.
"""

from collections.abc import Callable, Collection
from typing import Any, Generic, TypeVar

from django.db import connections
from django.db.models import Model, QuerySet

from .keys import LaterKeys, as_parameter

M = TypeVar("M", bound=Model)


class PreparedSelect(Generic[M]):
    """Reads what a queryset would, which may differ in nothing but some keys.

    `build` is called once for each database. It is given what stands for the keys, for
    `among(...)`, and returns the queryset, in order and without limits.
    """

    def __init__(self, build: Callable[[LaterKeys], QuerySet[M]]) -> None:
        self._build = build
        self._statements: dict[str, tuple[type[M], str, tuple[Any, ...]]] = {}

    def read(self, using: str, keys: Collection[Any], most: int) -> list[M]:
        """Return the first rows, `most` of them at most."""
        if using not in self._statements:
            self._statements[using] = self._prepare(using)
        model, sql, values = self._statements[using]
        connection = connections[using]
        given = as_parameter(keys, model._meta.pk, connection)
        row = [given if isinstance(value, LaterKeys) else value for value in values]
        return list(model._default_manager.using(using).raw(sql, [*row, most]))

    def _prepare(self, using: str) -> tuple[type[M], str, tuple[Any, ...]]:
        queryset = self._build(LaterKeys()).using(using)
        sql, values = queryset.query.get_compiler(using).as_sql()
        return queryset.model, f"{sql} LIMIT %s", tuple(values)
