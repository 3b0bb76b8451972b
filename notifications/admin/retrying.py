"""«Retry»: makes given-up notifications due again, for one row or for many."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import PermissionDenied
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.safestring import SafeString
from django.utils.translation import gettext, gettext_lazy
from django.views.decorators.http import require_POST

from notifications.models import OrderNotification
from notifications.models.notification import OrderNotificationQuerySet

from .desk import DeskAdmin, M
from .retry import retry
from .retry_found import RetryOfFound


class RetryAdmin(DeskAdmin[M]):
    """Lists and pages with a button that retries a notification, by POST only."""

    actions = ["retry_chosen"]

    # The field of a notification that names the row it belongs to.
    row_of_notification = "pk"

    def notifications_of(self, queryset: QuerySet[M]) -> OrderNotificationQuerySet:
        """Return the notifications that belong to these rows, which are few."""
        rows = queryset.order_by().values("pk")
        return OrderNotification.objects.filter(
            **{f"{self.row_of_notification}__in": rows}
        )

    def notifications_found(self, queryset: QuerySet[M]) -> OrderNotificationQuerySet:
        """Return the notifications that belong to these rows, which may be many.

        Those that can be retried are few beside them: for each its row is looked up.
        "There is such a row" would be made a join by PostgreSQL: with statistics of
        empty tables, one that reads all for each.
        """
        row = queryset.order_by().filter(pk=OuterRef(self.row_of_notification))
        name = self.row_of_notification
        return OrderNotification.objects.filter(
            **{name: Subquery(row.values("pk")[:1])}
        )

    @admin.action(description=gettext_lazy("Retry"), permissions=["change"])
    def retry_chosen(
        self, request: HttpRequest, queryset: QuerySet[M]
    ) -> HttpResponse | None:
        """Retry what belongs to the chosen rows, and tell what was done."""
        if request.POST.get("select_across") == "1":
            # Perhaps a great many: the count is confirmed first.
            return HttpResponseRedirect(self.retry_found_url(request))
        self._retry_and_tell(request, queryset)
        return None

    def retry_button(self, pk: Any) -> SafeString:
        """Return a button, inside a list's or a page's form, that retries a row."""
        return format_html(
            '<button class="retry" type="submit" formmethod="post" formaction="{}">'
            "{}</button>",
            self.retry_url(pk),
            gettext("Retry"),
        )

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context = dict(extra_context or {})
        if self.has_change_permission(request):
            context["retry_found_url"] = self.retry_found_url(request)
        return super().changelist_view(request, context)

    def get_urls(self) -> list[URLPattern]:
        view = require_POST(self.admin_site.admin_view(self.retry_view))
        found = self.admin_site.admin_view(self.retry_found_view)
        return [
            path("<int:pk>/retry/", view, name=self._retry_name),
            path("retry/", found, name=f"{self._retry_name}_found"),
            *super().get_urls(),
        ]

    def retry_found_view(self, request: HttpRequest) -> HttpResponse:
        """Ask first, then retry whatever the list of this address holds."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        try:
            found = self.get_changelist_instance(request)
        except IncorrectLookupParameters:
            return HttpResponseRedirect(self._list_url)
        rows = found.get_queryset(request)
        return RetryOfFound(
            request,
            self.notifications_found(rows),
            filtered=bool(found.get_filters_params() or found.query),
            list_url=self._list_url,
            context={**self.admin_site.each_context(request), "opts": self.opts},
        ).answer()

    def retry_found_url(self, request: HttpRequest) -> str:
        """Return where everything is retried that the list of this request holds."""
        address = reverse(f"admin:{self._retry_name}_found")
        return address + self.kept_query(request)

    def retry_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Retry one row, and go back to where the button was pressed."""
        row = self.get_object(request, str(pk))
        if not self.has_change_permission(request, row):
            raise PermissionDenied
        self._retry_and_tell(request, self.model._default_manager.filter(pk=pk))
        return HttpResponseRedirect(self._came_from(request))

    def retry_url(self, pk: Any) -> str:
        """Return where a POST retries the row."""
        return reverse(f"admin:{self._retry_name}", args=[pk])

    @property
    def _retry_name(self) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}_retry"

    def _retry_and_tell(self, request: HttpRequest, queryset: QuerySet[M]) -> None:
        result = retry(self.notifications_of(queryset), by=request.user.pk)
        level = messages.SUCCESS if result.due_again else messages.WARNING
        self.message_user(request, result.sentence, level)

    def _came_from(self, request: HttpRequest) -> str:
        referer = request.META.get("HTTP_REFERER", "")
        if url_has_allowed_host_and_scheme(
            referer, {request.get_host()}, require_https=request.is_secure()
        ):
            return str(referer)
        return self._list_url

    @property
    def _list_url(self) -> str:
        return reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist")
