"""A condition on many primary keys that costs hardly more than one on a single key."""

import json
from collections.abc import Collection
from typing import Any, cast

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import CharField, F, Field, IntegerField, Q, TextField, UUIDField
from django.db.models.lookups import Lookup
from django.db.models.sql.compiler import SQLCompiler

_Sql = tuple[str, tuple[Any, ...]]


def among(keys: Collection[Any]) -> Q:
    """Return a condition that a row's primary key is one of `keys`, of any number.

    The same as `Q(pk__in=keys)`, which handles each key several times and reaches the
    database's limit of parameters: here all keys are one parameter.
    """
    return Q(_Among(F("pk"), list(keys)))


class _Among(Lookup):
    lookup_name = "among"
    prepare_rhs = False
    can_use_none_as_rhs = False
    rhs: list[Any]

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> _Sql:
        """Write it as the ORM would."""
        if not self.rhs:
            return "1 = 0", ()
        column, before = self.process_lhs(compiler, connection)
        field = _field_of(self.lhs)
        keys = [field.get_db_prep_value(key, connection) for key in self.rhs]
        return f"{column} IN ({', '.join(['%s'] * len(keys))})", (*before, *keys)

    def as_postgresql(
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper
    ) -> _Sql:
        """Write it with an array."""
        column, before = self.process_lhs(compiler, connection)
        field = _field_of(self.lhs)
        keys = self.rhs
        if isinstance(field, UUIDField):
            keys = [str(key) for key in keys]
        array = str(field.rel_db_type(connection)).partition("(")[0]
        return f"{column} = ANY(%s::{array}[])", (*before, keys)

    def as_sqlite(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> _Sql:
        """Write it with a list in JSON, where the keys are such that JSON has."""
        field = _field_of(self.lhs)
        if isinstance(field, UUIDField):
            keys = [key.hex for key in self.rhs]
        elif isinstance(field, IntegerField | CharField | TextField):
            keys = self.rhs
        else:
            return self.as_sql(compiler, connection)
        column, before = self.process_lhs(compiler, connection)
        values = "SELECT value FROM json_each(%s)"
        return f"{column} IN ({values})", (*before, json.dumps(keys))


def _field_of(expression: Any) -> "Field[Any, Any]":
    field = expression.output_field
    while field.remote_field is not None:
        # The primary key may be a reference to another table's.
        field = field.target_field
    return cast("Field[Any, Any]", field)
