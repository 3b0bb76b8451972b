"""«Download as a table»: everything that a list has found, as CSV."""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.text import capfirst
from django.views.decorators.http import require_safe

from django_workers.keys import among
from notifications.exporting import csv_response

from .desk import DeskAdmin, M

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise as StrOrPromise

_ROWS_AT_ONCE = 500
_NAME_ENDS = "_export"


def is_export(request: HttpRequest) -> bool:
    """Tell whether all rows are wanted, not only as many as a list can show."""
    match = request.resolver_match
    return match is not None and (match.url_name or "").endswith(_NAME_ENDS)


class ExportAdmin(DeskAdmin[M]):
    """A list that can be downloaded as it is filtered, searched and sorted."""

    exported_columns: "Sequence[StrOrPromise]"

    def exported_rows(self, rows: Sequence[M]) -> Iterable[Iterable[Any]]:
        """Return the cells of some rows, in the order of the columns."""
        raise NotImplementedError

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        address = reverse(f"admin:{self._export_name}") + self.kept_query(request)
        context = {"export_url": address, **(extra_context or {})}
        return super().changelist_view(request, context)

    def get_urls(self) -> list[URLPattern]:
        view = require_safe(self.admin_site.admin_view(self.export_view))
        export = path("export.csv", view, name=self._export_name)
        return [export, *super().get_urls()]

    def export_view(self, request: HttpRequest) -> HttpResponseBase:
        """Send the table. What is found is decided when the download begins."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        try:
            found = self.get_changelist_instance(request).get_queryset(request)
        except IncorrectLookupParameters:
            name = f"{self.opts.app_label}_{self.opts.model_name}_changelist"
            return HttpResponseRedirect(reverse(f"admin:{name}"))
        # A search among a million rows is made once, and no cursor is left open for a
        # slow reader: eight bytes for each row are all that is kept.
        keys = array("q", found.values_list("pk", flat=True).iterator())
        day = timezone.localdate().isoformat()
        return csv_response(
            request,
            f"{self.opts.model_name}s-{day}.csv",
            map(capfirst, self.exported_columns),
            self._cells(keys, self.get_queryset(request)),
        )

    def _cells(self, keys: "array[int]", rows: QuerySet[M]) -> Iterator[Iterable[Any]]:
        for first in range(0, len(keys), _ROWS_AT_ONCE):
            batch = keys[first : first + _ROWS_AT_ONCE]
            there = {row.pk: row for row in rows.filter(among(batch)).order_by()}
            yield from self.exported_rows([there[key] for key in batch if key in there])

    @property
    def _export_name(self) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}{_NAME_ENDS}"
