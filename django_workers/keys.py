"""Many keys at once, for hardly more than a single one costs."""

import json
import os
from collections.abc import Collection, Iterable
from typing import Any, cast
from uuid import UUID

from django.db import NotSupportedError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import CharField, F, Field, IntegerField, Q, TextField, UUIDField
from django.db.models.lookups import Lookup
from django.db.models.sql.compiler import SQLCompiler

_Sql = tuple[str, tuple[Any, ...]]


class LaterKeys:
    """Stands for keys that are known only when a prepared statement runs."""


def among(keys: Collection[Any] | LaterKeys) -> Q:
    """Return a condition that a row's primary key is one of `keys`, of any number.

    The same as `Q(pk__in=keys)`, which handles each key several times and reaches the
    database's limit of parameters: here all keys are one parameter.
    """
    return Q(_Among(F("pk"), keys if isinstance(keys, LaterKeys) else list(keys)))


def as_parameter(
    keys: Collection[Any], field: "Field[Any, Any]", connection: BaseDatabaseWrapper
) -> Any:
    """Return many keys as the one parameter for which `among` leaves a place.

    Raises:
        NotSupportedError: it leaves one for each, for lack of a way to write it.
    """
    field = target_of(field)
    if connection.vendor == "postgresql":
        if _is_uuid(field):
            return as_array(map(str, keys))
        # A number that shows itself in a way of its own is still a number.
        return as_array(str(int(k)) for k in keys) if _is_integer(field) else list(keys)
    if connection.vendor == "sqlite" and _is_uuid(field):
        return json.dumps([key.hex for key in keys])
    if connection.vendor == "sqlite" and _is_in_json(field):
        return json.dumps(list(keys))
    raise NotSupportedError(f"{field} cannot be written as one parameter.")


def as_array(texts: Iterable[str]) -> str:
    """Return PostgreSQL's text of an array, which takes its driver no time to write.

    Numbers and UUIDs need no quotes in it.
    """
    return "{" + ",".join(texts) + "}"


def new_keys(count: int) -> list[UUID]:
    """Return random keys, like `uuid4`, which asks the operating system for each."""
    noise = os.urandom(16 * count)
    return [UUID(bytes=noise[i : i + 16], version=4) for i in range(0, 16 * count, 16)]


class _Among(Lookup):
    lookup_name = "among"
    prepare_rhs = False
    can_use_none_as_rhs = False
    rhs: list[Any] | LaterKeys

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> _Sql:
        """Write it as the ORM would."""
        if isinstance(self.rhs, LaterKeys):
            raise NotSupportedError("Keys that come later need a parameter for all.")
        if not self.rhs:
            return "1 = 0", ()
        column, before = self.process_lhs(compiler, connection)
        field = target_of(self.lhs.output_field)
        keys = [field.get_db_prep_value(key, connection) for key in self.rhs]
        return f"{column} IN ({', '.join(['%s'] * len(keys))})", (*before, *keys)

    def as_postgresql(
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper
    ) -> _Sql:
        """Write it with an array."""
        column, before = self.process_lhs(compiler, connection)
        field = target_of(self.lhs.output_field)
        array = str(field.rel_db_type(connection)).partition("(")[0]
        keys = self._parameter(field, connection)
        return f"{column} = ANY(%s::{array}[])", (*before, keys)

    def as_sqlite(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> _Sql:
        """Write it with a list in JSON, where the keys are such that JSON has."""
        field = target_of(self.lhs.output_field)
        if not (_is_uuid(field) or _is_in_json(field)):
            return self.as_sql(compiler, connection)
        column, before = self.process_lhs(compiler, connection)
        keys = self._parameter(field, connection)
        values = "SELECT value FROM json_each(%s)"
        return f"{column} IN ({values})", (*before, keys)

    def _parameter(
        self, field: "Field[Any, Any]", connection: BaseDatabaseWrapper
    ) -> Any:
        if isinstance(self.rhs, LaterKeys):
            return self.rhs
        return as_parameter(self.rhs, field, connection)


def target_of(field: "Field[Any, Any]") -> "Field[Any, Any]":
    """Return the field whose values this one holds: another's, if it refers to one."""
    while field.remote_field is not None:
        field = cast("Any", field).target_field
    return field


def _is_uuid(field: "Field[Any, Any]") -> bool:
    return isinstance(field, UUIDField)


def _is_integer(field: "Field[Any, Any]") -> bool:
    return isinstance(field, IntegerField)


def _is_in_json(field: "Field[Any, Any]") -> bool:
    return isinstance(field, IntegerField | CharField | TextField)
