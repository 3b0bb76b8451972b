"""Tables for spreadsheets: CSV that Excel opens as it is, made as it is being sent."""

import csv
import io
from collections.abc import AsyncIterator, Iterable, Iterator
from datetime import datetime
from itertools import islice
from typing import Any

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, StreamingHttpResponse
from django.utils import timezone
from django.utils.translation import get_language, override

_ROWS_AT_ONCE = 500
# Excel takes a text that begins so for a formula, whoever wrote it.
FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_MOMENTS = {"ru": "%d.%m.%Y %H:%M:%S"}
_ISO = "%Y-%m-%d %H:%M:%S"


def csv_response(
    request: HttpRequest,
    name: str,
    header: Iterable[Any],
    rows: Iterable[Iterable[Any]],
) -> StreamingHttpResponse:
    """Answer with a file that is never in memory as a whole.

    Rows are asked for as they are sent; under ASGI in the request's thread, so the
    event loop is not held up by the database.
    """
    parts = csv_parts(header, rows)
    content = _in_thread(parts) if isinstance(request, ASGIRequest) else parts
    return StreamingHttpResponse(
        content,
        content_type="text/csv; charset=utf-8",
        headers={
            "Content-Disposition": f'attachment; filename="{name}"',
            # No proxy may collect it first.
            "X-Accel-Buffering": "no",
            "Cache-Control": "no-store",
        },
    )


def csv_parts(header: Iterable[Any], rows: Iterable[Iterable[Any]]) -> Iterator[bytes]:
    """Return the file in parts: UTF-8 with its mark, separated as the language does.

    The language is that of the moment of the call.
    """
    return _parts(header, rows, get_language() or "")


def _parts(
    header: Iterable[Any], rows: Iterable[Iterable[Any]], language: str
) -> Iterator[bytes]:
    separator = ";" if language == "ru" else ","
    with override(language):
        part = "\ufeff".encode() + _encoded([header], separator)
    several = iter(rows)
    while part:
        yield part
        # Whoever sends the parts may be speaking another language by now.
        with override(language):
            part = _encoded(islice(several, _ROWS_AT_ONCE), separator)


def moment(value: datetime | None) -> str:
    """Return a time of the shop's clock, as a spreadsheet of this language reads it."""
    if value is None:
        return ""
    return timezone.localtime(value).strftime(_MOMENTS.get(get_language() or "", _ISO))


def harmless(cell: Any) -> Any:
    """Return the cell so that no spreadsheet takes it for a formula."""
    if isinstance(cell, int):
        return cell
    text = str(cell)
    return f"'{text}" if text.startswith(FORMULA_SIGNS) else text


def _encoded(rows: Iterable[Iterable[Any]], separator: str) -> bytes:
    written = io.StringIO()
    writer = csv.writer(written, delimiter=separator)
    writer.writerows(map(harmless, row) for row in rows)
    return written.getvalue().encode("utf-8", "replace")


async def _in_thread(parts: Iterator[bytes]) -> AsyncIterator[bytes]:
    def following() -> bytes:
        return next(parts, b"")

    while part := await sync_to_async(following)():
        yield part
