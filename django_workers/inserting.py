"""Inserts many rows at once, without making model instances of them."""

import json
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from operator import attrgetter
from typing import Any

from django.conf import settings
from django.db import connections, models


def insert_rows(
    model: type[models.Model],
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    using: str,
    ignore_conflicts: bool = False,
) -> None:
    """Insert `rows` of values for the fields named by `columns` (attribute names).

    A tenth of the time of `bulk_create`, which counts in a queue's inner loop: fields
    that are not named get the database's defaults, and nothing is read back. Numbers,
    texts, booleans, UUIDs, dates with time and None are understood.
    """
    names = tuple(columns)
    plan = _plan(model, names, using, ignore_conflicts)
    adapted = [list(row) for row in rows]
    if not adapted:
        return
    for place, adapt in plan.adapters:
        for row in adapted:
            if row[place] is not None:
                row[place] = adapt(row[place])
    with connections[using].cursor() as cursor:
        if plan.takes_json:
            # One parameter for all: to pass on each value apart takes twice as long,
            # and SQLite's driver would let go of the interpreter lock for each row.
            cursor.execute(plan.sql, [json.dumps(adapted)])
        else:
            cursor.executemany(plan.sql, adapted)


class _Plan:
    """The statement for one table, and how its values are written down."""

    def __init__(
        self,
        model: type[models.Model],
        attributes: Sequence[str],
        using: str,
        ignore_conflicts: bool,
    ) -> None:
        connection = connections[using]
        quote = connection.ops.quote_name
        by_attribute = {field.attname: field for field in model._meta.concrete_fields}
        fields = [by_attribute[attribute] for attribute in attributes]
        self.takes_json = connection.vendor in ("postgresql", "sqlite")
        adapters = [_adapter(field, using) for field in fields]
        self.adapters = [(i, adapt) for i, adapt in enumerate(adapters) if adapt]
        table = quote(model._meta.db_table)
        names = ", ".join(quote(str(field.column)) for field in fields)
        if connection.vendor == "postgresql":
            columns = ", ".join(
                f"(r->>{i})::{_bare_type(field, using)}"
                for i, field in enumerate(fields)
            )
            values = f"SELECT {columns} FROM json_array_elements(%s) AS r"  # noqa: S608
        elif connection.vendor == "sqlite":
            columns = ", ".join(
                f"json_extract(value, '$[{i}]')" for i in range(len(fields))
            )
            # Without WHERE, ON CONFLICT would be read as a part of a join.
            values = f"SELECT {columns} FROM json_each(%s) WHERE true"  # noqa: S608
        else:
            values = f"VALUES ({', '.join(['%s'] * len(fields))})"
        # Names come from the model and are quoted; values travel apart from the text.
        self.sql = f"INSERT INTO {table} ({names}) {values}"
        if ignore_conflicts:
            self.sql += " ON CONFLICT DO NOTHING"


_plan = lru_cache(_Plan)


def _bare_type(field: "models.Field[Any, Any]", using: str) -> str:
    """Return the column's type; a text's limit is the table's to check, not a cast's.

    A cast to varchar(n) would cut what is too long, and tell nobody.
    """
    column_type = str(field.rel_db_type(connections[using]))
    return "text" if column_type.startswith("varchar") else column_type


def _adapter(
    field: "models.Field[Any, Any]", using: str
) -> Callable[[Any], Any] | None:
    """Return what turns a value into the driver's, where the driver cannot itself."""
    connection = connections[using]
    if isinstance(field, models.DateTimeField):
        if connection.vendor == "postgresql":
            return str
        if connection.vendor == "sqlite" and settings.USE_TZ:
            # The same text as Django's, which asks the lazy settings for each value.
            zone = connection.timezone
            return lambda value: str(value.astimezone(zone).replace(tzinfo=None))
        return connection.ops.adapt_datetimefield_value
    if isinstance(field, models.UUIDField):
        return attrgetter("hex")
    return None
