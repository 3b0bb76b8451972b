"""«Retry»: makes given-up notifications due again, for one row or for many."""

from dataclasses import dataclass
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.safestring import SafeString
from django.utils.translation import gettext, gettext_lazy, ngettext
from django.views.decorators.http import require_POST

from notifications.models.notification import OrderNotificationQuerySet

from .desk import DeskAdmin, M


@dataclass(frozen=True, slots=True, kw_only=True)
class Retried:
    """How many notifications were made due again, and how many were not and why."""

    due_again: int
    delivered: int
    waiting: int

    @property
    def sentence(self) -> str:
        """The numbers in words."""
        parts = [
            ngettext(
                "{count} message will be sent again.",
                "{count} messages will be sent again.",
                self.due_again,
            ).format(count=self.due_again)
        ]
        if self.delivered:
            parts.append(
                gettext("Skipped as delivered: {count}.").format(count=self.delivered)
            )
        if self.waiting:
            parts.append(
                gettext("Skipped as still waiting to be sent: {count}.").format(
                    count=self.waiting
                )
            )
        if not (self.due_again or self.delivered or self.waiting):
            parts.append(gettext("There is no message that could be repeated."))
        return " ".join(parts)


def retry(notifications: OrderNotificationQuerySet, *, by: int | None) -> Retried:
    """Make the given-up ones due again, noting each in the admin's log."""
    with transaction.atomic():
        retried = list(notifications.given_up().select_for_update())
        result = Retried(
            delivered=notifications.filter(processed=True).count(),
            waiting=notifications.unfinished().count(),
            due_again=notifications.retry(),
        )
        if by is not None and retried:
            LogEntry.objects.log_actions(
                by, retried, CHANGE, gettext("Retried."), single_object=False
            )
    return result


class RetryAdmin(DeskAdmin[M]):
    """Lists and pages with a button that retries a notification, by POST only."""

    actions = ["retry_chosen"]

    def notifications_of(self, queryset: QuerySet[M]) -> OrderNotificationQuerySet:
        """Return the notifications that belong to these rows."""
        raise NotImplementedError

    @admin.action(description=gettext_lazy("Retry"), permissions=["change"])
    def retry_chosen(self, request: HttpRequest, queryset: QuerySet[M]) -> None:
        """Retry what belongs to the chosen rows, and tell what was done."""
        self._retry_and_tell(request, queryset)

    def retry_button(self, pk: Any) -> SafeString:
        """Return a button, inside a list's or a page's form, that retries a row."""
        return format_html(
            '<button class="retry" type="submit" formmethod="post" formaction="{}">'
            "{}</button>",
            self.retry_url(pk),
            gettext("Retry"),
        )

    def get_urls(self) -> list[URLPattern]:
        view = require_POST(self.admin_site.admin_view(self.retry_view))
        retry = path("<int:pk>/retry/", view, name=self._retry_name)
        return [retry, *super().get_urls()]

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
        return reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist")
