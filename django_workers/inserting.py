"""Inserts many rows at once, without making model instances of them."""

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any

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

    A fifth of the time of `bulk_create`, which counts in a queue's inner loop: fields
    that are not named get the database's defaults, and nothing is read back.
    """
    connection = connections[using]
    sql, adapters = _plan(model, tuple(columns), using, ignore_conflicts)
    adapted = [
        tuple(
            adapt(value) if adapt is not None and value is not None else value
            for adapt, value in zip(adapters, row, strict=True)
        )
        for row in rows
    ]
    if adapted:
        with connection.cursor() as cursor:
            cursor.executemany(sql, adapted)


@lru_cache
def _plan(
    model: type[models.Model],
    columns: tuple[str, ...],
    using: str,
    ignore_conflicts: bool,
) -> tuple[str, list[Callable[[Any], Any] | None]]:
    connection = connections[using]
    by_attribute = {field.attname: field for field in model._meta.concrete_fields}
    fields = [by_attribute[column] for column in columns]
    quote = connection.ops.quote_name
    names = ", ".join(quote(str(field.column)) for field in fields)
    marks = ", ".join(["%s"] * len(fields))
    table = quote(model._meta.db_table)
    # Names come from the model and are quoted; values travel apart from the text.
    sql = f"INSERT INTO {table} ({names}) VALUES ({marks})"  # noqa: S608
    if ignore_conflicts:
        sql += " ON CONFLICT DO NOTHING"
    return sql, [_adapter(field, using) for field in fields]


def _adapter(
    field: "models.Field[Any, Any]", using: str
) -> Callable[[Any], Any] | None:
    """Return what turns a value into the driver's, where the driver cannot itself."""
    connection = connections[using]
    if isinstance(field, models.DateTimeField):
        return connection.ops.adapt_datetimefield_value
    if isinstance(field, models.UUIDField):
        if connection.features.has_native_uuid_field:
            return None
        return lambda value: value.hex
    return None
