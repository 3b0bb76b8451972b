"""A query of tasks that is put together once, and then only given values.

To put a query together takes the ORM longer than most databases take to run it.
"""

import json
import sqlite3
from collections.abc import Callable, Collection
from typing import Any, Generic, TypeVar, cast

from django.db import NotSupportedError, OperationalError, connections
from django.db.models import (
    BooleanField,
    CharField,
    Field,
    IntegerField,
    Model,
    QuerySet,
    TextField,
    UUIDField,
)

from .keys import LaterKeys, as_parameter, target_of

M = TypeVar("M", bound=Model)
_Row = list[Any]

# JSON keeps what SQLite stores for these as it is. Times are made by its driver.
_IN_JSON = (BooleanField, CharField, IntegerField, TextField, UUIDField)


class PreparedSelect(Generic[M]):
    """Reads what a queryset would, which may differ in nothing but some keys.

    `build` is called once for each database. It is given what stands for the keys, for
    `among(...)`, and returns the queryset, in order, without limits, annotations and
    what is related.
    """

    def __init__(self, build: Callable[[LaterKeys], QuerySet[M]]) -> None:
        self._build = build
        self._statements: dict[str, _Statement[M]] = {}

    def read(self, using: str, keys: Collection[Any], most: int) -> list[M]:
        """Return the first rows, `most` of them at most.

        Raises:
            NotSupportedError: the queryset has more than the columns of its model, or
                keys of a kind that cannot be written as one parameter.
        """
        if (statement := self._statements.get(using)) is None:
            queryset = self._build(LaterKeys()).using(using)
            statement = self._statements[using] = _Statement(queryset)
        return statement.read(keys, most)


class _Statement(Generic[M]):
    """The queryset as one database understands it."""

    def __init__(self, queryset: QuerySet[M]) -> None:
        self._using = queryset.db
        self._model = queryset.model
        compiler = cast("Any", queryset.query.get_compiler(self._using))
        sql, values = compiler.as_sql()
        self._sql, self._values = f"{sql} LIMIT %s", values
        columns = [expression for expression, *_ in compiler.select]
        if len(compiler.klass_info["select_fields"]) != len(columns):
            raise NotSupportedError("Only a model's own columns can be prepared.")
        fields = [column.target for column in columns]
        self._names = [field.attname for field in fields]
        self._converters = list(compiler.get_converters(columns).items())
        self._in_json = connections[self._using].vendor == "sqlite" and all(
            map(_is_kept_by_json, fields)
        )
        names = ", ".join(f"c{i}" for i in range(len(columns)))
        # Names of our own; values travel apart from the text.
        self._sql_in_json = (
            f"WITH found ({names}) AS ({self._sql}) "  # noqa: S608
            f"SELECT json_group_array(json_array({names})) FROM found"
        )

    def read(self, keys: Collection[Any], most: int) -> list[M]:
        connection = connections[self._using]
        given = as_parameter(keys, self._model._meta.pk, connection)
        values = [given if isinstance(v, LaterKeys) else v for v in self._values]
        rows = self._fetch([*values, most])
        for place, (converters, column) in self._converters:
            for row in rows:
                for convert in converters:
                    row[place] = convert(row[place], column, connection)
        return [self._model.from_db(self._using, self._names, row) for row in rows]

    def _fetch(self, values: list[Any]) -> list[_Row]:
        """Return the rows, which SQLite tells as one value where it can.

        Its driver lets go of the interpreter lock for each row, and a busy event loop
        does not soon give it back.
        """
        with connections[self._using].cursor() as cursor:
            if self._in_json:
                # A column of SQLite's may hold anything, and JSON holds neither blobs
                # nor infinity.
                try:
                    cursor.execute(self._sql_in_json, values)
                    rows: list[_Row] = json.loads(cursor.fetchone()[0])
                except json.JSONDecodeError:
                    pass
                except OperationalError as error:
                    if not _is_mistake(error):
                        raise
                else:
                    return rows
            cursor.execute(self._sql, values)
            return [list(row) for row in cursor.fetchall()]


def _is_kept_by_json(field: "Field[Any, Any]") -> bool:
    return isinstance(target_of(field), _IN_JSON)


def _is_mistake(error: OperationalError) -> bool:
    code = getattr(error.__cause__, "sqlite_errorcode", None)
    return code == sqlite3.SQLITE_ERROR
