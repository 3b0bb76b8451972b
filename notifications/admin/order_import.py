"""«Load from a file»: a file of orders is checked first, then imported in parts.

Nothing is written before the check was confirmed. A part is one request of a second or
two; between parts the page says how far it is and goes on by itself, or, without
scripts, by its button.
"""

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib.admin.models import ADDITION, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import get_language, gettext_lazy, ngettext
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from django_workers.database import storable
from notifications.exporting import csv_response
from notifications.importing.checking import Findings, bad_lines, check
from notifications.importing.columns import NAMES
from notifications.importing.files import CsvFile, Wrong, WrongFile, pack
from notifications.importing.judging import Judged
from notifications.importing.loading import forget_old, load
from notifications.models import Order, OrderImport, OrderStatus

from .desk import DeskAdmin

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise as StrOrPromise

_NAME = "notifications_order_import"
_SECONDS = 1.5
NOTIFY, SILENTLY = "notify", "silently"

_WRONG: "dict[Wrong, StrOrPromise]" = {
    Wrong.EMPTY: gettext_lazy("The file is empty."),
    Wrong.NO_LINES: gettext_lazy("There is nothing in the file below its header."),
    Wrong.HUGE: gettext_lazy(
        "The file is larger than 32 MB: divide it into several files."
    ),
    Wrong.TOO_MANY_LINES: gettext_lazy(
        "The file has more than 200,000 lines: divide it into several files."
    ),
    Wrong.WORKBOOK: gettext_lazy(
        "This is an Excel workbook. Save it in Excel as “CSV” and choose that file."
    ),
    Wrong.BINARY: gettext_lazy(
        "This is not a text file. Save the table as CSV and choose that file."
    ),
    Wrong.NO_NUMBER: gettext_lazy(
        "The first line has to name the columns, and one of them has to be “Order "
        "number”. It says: {found}"
    ),
    Wrong.NO_CUSTOMER: gettext_lazy(
        "There is no column that tells whose order it is: “Customer”, “Phone” or "
        "“Customer name”. The first line says: {found}"
    ),
    Wrong.COLUMN_TWICE: gettext_lazy("There are two columns for the same: {found}"),
}


class ImportForm(forms.Form):
    """Which file. What is wrong with it as a whole is said in words."""

    file = forms.FileField(
        label=gettext_lazy("File"),
        # An empty file is told of in our words.
        allow_empty_file=True,
        widget=forms.FileInput(attrs={"accept": ".csv,.txt,text/csv"}),
    )


class OrderImporting(DeskAdmin[Order]):
    """Pages for who may add orders and customers. A file is seen by its owner alone."""

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context = dict(extra_context or {})
        if self._may_import(request):
            context["import_url"] = reverse(f"admin:{_NAME}")
        return super().changelist_view(request, context)

    def get_urls(self) -> list[URLPattern]:
        def view(page: Any, decorator: Any) -> Any:
            return decorator(self.admin_site.admin_view(page))

        asking = require_http_methods(["GET", "HEAD", "POST"])
        return [
            path("import/", view(self.import_view, asking), name=_NAME),
            path(
                "import/example.csv",
                view(self.import_example_view, require_safe),
                name=f"{_NAME}_example",
            ),
            path(
                "import/<int:pk>/",
                view(self.import_page_view, asking),
                name=f"{_NAME}_page",
            ),
            path(
                "import/<int:pk>/problems.csv",
                view(self.import_problems_view, require_safe),
                name=f"{_NAME}_problems",
            ),
            *super().get_urls(),
        ]

    # --- pages ------------------------------------------------------------------------

    def import_view(self, request: HttpRequest) -> HttpResponse:
        """Ask for a file; check it, and lead to what was found."""
        user = self._check_right(request)
        form = ImportForm()
        if request.method == "POST":
            form = ImportForm(request.POST, request.FILES)
        if form.is_bound and form.is_valid():
            uploaded = form.cleaned_data["file"]
            try:
                file = pack(uploaded.chunks())
                findings = check(file)
            except WrongFile as wrong:
                words = str(_WRONG[wrong.wrong]).replace("{found}", wrong.found)
                form.add_error("file", words)
            else:
                forget_old(of_user=user)
                name = storable(uploaded.name or "", 200)
                job = _keep(file, findings, name=name, user=user)
                return HttpResponseRedirect(_page_of(job))
        context = {
            "form": form,
            "columns": [list(_names(field)) for field in NAMES],
            "statuses": list(OrderStatus.objects.filter(is_active=True)),
            "unfinished": _unfinished(user),
            "title": _("Load orders from a file"),
        }
        return self._import_page(request, "import.html", context)

    def import_page_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Show what was found, import a part of it, or show what was done."""
        user = self._check_right(request)
        job = _job_of(user, pk)
        has_posted = request.method == "POST"
        if has_posted:
            wanted = request.POST.get("start")
            if wanted in (NOTIFY, SILENTLY):
                # The first answer counts, whatever the second click says.
                unanswered = OrderImport.objects.filter(pk=pk, notify=None)
                unanswered.update(notify=wanted == NOTIFY)
            if load(pk, seconds=_SECONDS):
                _note(job, user)
            job = _job_of(user, pk)
            if job.finished_at is not None:
                return HttpResponseRedirect(_page_of(job))
        findings = Findings(**job.findings)
        context = {
            "job": job,
            "findings": findings,
            "left_out": job.position - job.orders_made,
            "goes_on": has_posted and job.notify is not None,
            "problems_url": reverse(f"admin:{_NAME}_problems", args=[pk]),
            "title": _title(job),
        }
        return self._import_page(request, "import_found.html", context)

    def import_problems_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """Send the lines that are left out, each with its number and the reasons."""
        job = _job_of(self._check_right(request), pk)
        header, bad = bad_lines(CsvFile(bytes(job.content), job.encoding))
        columns = [_("Line"), _("What is wrong"), *header]
        return csv_response(request, "problems.csv", columns, _rows_of(bad))

    def import_example_view(self, request: HttpRequest) -> HttpResponseBase:
        """Send a small file that can be imported once the customers are there."""
        self._check_right(request)
        header = [next(iter(_names(field))).capitalize() for field in NAMES]
        yes, no = _("yes"), _("no")
        rows = [
            ["1001", "+7 916 000-00-01", "", "", "", ""],
            ["1002", "@username", "", "", "", yes],
            ["1003", _("Anna Smirnova"), "", "", str(OrderStatus.initial()), no],
            ["1004", "", _("Peter Novikov"), "8 (916) 000-00-05", "", ""],
        ]
        return csv_response(request, "example.csv", header, rows)

    def _import_page(
        self, request: HttpRequest, template: str, context: dict[str, Any]
    ) -> HttpResponse:
        context |= {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": context["title"],
            "back": reverse("admin:notifications_order_changelist"),
            "import_url": reverse(f"admin:{_NAME}"),
        }
        return TemplateResponse(request, f"admin/notifications/{template}", context)

    # --- rights -----------------------------------------------------------------------

    def _may_import(self, request: HttpRequest) -> bool:
        may_add_customers = request.user.has_perm("notifications.add_customer")
        return self.has_add_permission(request) and may_add_customers

    def _check_right(self, request: HttpRequest) -> int:
        """Return the key of the user, who may import."""
        if not self._may_import(request) or request.user.pk is None:
            raise PermissionDenied
        return int(request.user.pk)


def _keep(file: CsvFile, findings: Findings, *, name: str, user: int) -> OrderImport:
    return OrderImport.objects.create(
        user_id=user,
        file_name=name,
        content=file.content,
        encoding=file.encoding,
        findings=asdict(findings),
    )


def _job_of(user: int, pk: int) -> OrderImport:
    job = OrderImport.objects.filter(user=user, pk=pk).first()
    if job is None:
        raise Http404
    return job


def _unfinished(user: int) -> str:
    """Return the page of an import that this user began and did not see the end of."""
    begun = OrderImport.objects.filter(
        user=user, notify__isnull=False, finished_at=None
    )
    job = begun.defer("content").order_by("-pk").first()
    return _page_of(job) if job else ""


def _page_of(job: OrderImport) -> str:
    return reverse(f"admin:{_NAME}_page", args=[job.pk])


def _title(job: OrderImport) -> str:
    if job.finished_at is not None:
        return _("The file is loaded")
    if job.notify is not None:
        return _("The file is being loaded")
    return _("The file is checked: nothing is loaded yet")


def _names(field: str) -> tuple[str, ...]:
    languages = NAMES[field]
    return languages.get(get_language() or "", languages["en"])


def _rows_of(bad: Iterator[Judged]) -> Iterator[list[Any]]:
    for judged in bad:
        words = " ".join(problem.words for problem in judged.problems)
        yield [judged.line.line, words, *judged.line.cells]


def _note(job: OrderImport, user: int) -> None:
    """Write the import into the admin's log, once."""
    job.refresh_from_db(fields=["orders_made"])
    words = ngettext(
        "Loaded from a file: {count} order.",
        "Loaded from a file: {count} orders.",
        job.orders_made,
    )
    LogEntry.objects.create(
        user_id=user,
        content_type=ContentType.objects.get_for_model(Order),
        object_repr=job.file_name,
        action_flag=ADDITION,
        change_message=words.format(count=job.orders_made),
    )
