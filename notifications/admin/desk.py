"""What all pages of the desk share: lists that stay fast at a million rows."""

from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from django.contrib import admin
from django.contrib.admin.views.main import ALL_VAR, ERROR_FLAG, PAGE_VAR, ChangeList
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.text import capfirst

from .scripts import FewScripts
from .typed import ModelAdmin, ModelForm, Page, Paginator

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise as StrOrPromise

M = TypeVar("M", bound=Model)

# Nobody turns more pages than this many rows fill; to count further only costs time.
LISTED_ROWS = 3_000

# A page that only reports has nothing to save, and no button that says so.
NOTHING_TO_SAVE = {
    "show_save": False,
    "show_save_and_continue": False,
    "show_save_and_add_another": False,
}


class CappedPaginator(Paginator[Any]):
    """Turns the pages of the first LISTED_ROWS rows, and says whether there are more.

    A search over a million rows is made once: for the keys, which are counted and cut
    into pages. Only the rows of one page are read, from `rows`, which knows no search.
    """

    def __init__(
        self, found: QuerySet[Any], per_page: int, *, rows: QuerySet[Any], **kwargs: Any
    ) -> None:
        super().__init__(found, per_page, **kwargs)
        self._found, self._rows = found, rows

    @cached_property
    def count(self) -> int:
        return min(len(self._keys), LISTED_ROWS)

    @property
    def has_more(self) -> bool:
        """Whether there are more rows than were counted."""
        return len(self._keys) > LISTED_ROWS

    def page(self, number: int | str) -> Page[Any]:
        number = self.validate_number(number)
        first = (number - 1) * self.per_page
        keys = self._keys[:LISTED_ROWS][first : first + self.per_page]
        return Page(self._read(keys), number, self)

    def read_all(self) -> QuerySet[Any]:
        """Return all that was counted, on one page."""
        return self._read(self._keys[:LISTED_ROWS])

    def _read(self, keys: list[Any]) -> QuerySet[Any]:
        return self._rows.filter(pk__in=keys).order_by(*self._found.query.order_by)

    @cached_property
    def _keys(self) -> list[Any]:
        return list(self._found.values_list("pk", flat=True)[: LISTED_ROWS + 1])


class DeskChangeList(ChangeList):
    """A list whose rows are always read by the keys that its search has found.

    Django makes the search anew, and in full, for a list that fits on one page.
    """

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        is_one_page = not self.multi_page or (self.show_all and self.can_show_all)
        if is_one_page and isinstance(self.paginator, CappedPaginator):
            self.result_list = self.paginator.read_all()

    def narrowed_to(self) -> Iterator[Any]:
        """Yield what was chosen in the filters; the first choice of each is all."""
        for spec in self.filter_specs:
            choices = list(spec.choices(self))
            if not any(choice["selected"] for choice in choices):
                yield spec.title
            for choice in choices[1:]:
                if choice["selected"]:
                    yield choice["display"]


class DeskAdmin(FewScripts, ModelAdmin[M]):
    """A list of the desk."""

    list_per_page = 50
    show_full_result_count = False
    # To count the rows of every choice of every filter takes too long.
    show_facets = admin.ShowFacets.NEVER
    # A phone's narrow cards leave out what is empty.
    empty_value_display = format_html('<span class="{}">–</span>', "empty")
    # Russian cannot be put together from "Add" and a noun: the whole is translated.
    add_words: "StrOrPromise"
    # The form of a new row, where it is not that of an old one.
    add_form: type[ModelForm[Any]] | None = None

    def get_paginator(
        self,
        request: HttpRequest,
        queryset: QuerySet[M],
        per_page: int,
        orphans: int = 0,
        allow_empty_first_page: bool = True,
    ) -> Paginator[Any]:
        if queryset.model is not self.model:
            # The history of a row has pages, too.
            return super().get_paginator(
                request, queryset, per_page, orphans, allow_empty_first_page
            )
        return CappedPaginator(
            queryset,
            per_page,
            rows=self.get_queryset(request),
            orphans=orphans,
            allow_empty_first_page=allow_empty_first_page,
        )

    def kept_query(self, request: HttpRequest) -> str:
        """Return what a list was narrowed by, for the address of what is done to it."""
        kept = request.GET.copy()
        for name in (PAGE_VAR, ALL_VAR, ERROR_FLAG):
            kept.pop(name, None)
        return f"?{kept.urlencode()}" if kept else ""

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return DeskChangeList

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        title = capfirst(self.opts.verbose_name_plural)
        context = {"title": title, "add_words": self.add_words}
        return super().changelist_view(request, {**context, **(extra_context or {})})

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        context = {"title": self.add_words, **(extra_context or {})}
        return super().add_view(request, form_url, context)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        context = {"title": capfirst(self.opts.verbose_name), **(extra_context or {})}
        return super().change_view(request, object_id, form_url, context)

    def get_form(
        self,
        request: HttpRequest,
        obj: M | None = None,
        change: bool = False,
        **kwargs: Any,
    ) -> type[ModelForm[M]]:
        if obj is None and self.add_form is not None:
            kwargs["form"] = self.add_form
        return super().get_form(request, obj, change, **kwargs)

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: M | None = None,
    ) -> HttpResponse:
        if not context["adminform"].form.fields:
            context |= NOTHING_TO_SAVE
        return super().render_change_form(request, context, add, change, form_url, obj)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Offer no deletion of many rows at once: one click would lose the history."""
        actions: dict[str, Any] = super().get_actions(request)
        actions.pop("delete_selected", None)
        return actions
