"""What the workers are doing, to look at; a queue is paused and resumed here."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from django.contrib import admin, messages
from django.contrib.admin.utils import quote, unquote
from django.core.exceptions import PermissionDenied
from django.db import router
from django.db.models import Count, Model, Q, QuerySet, Value
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from .database import database_now, storable
from .health import count_live
from .models import Claim, Queue, Worker
from .pausing import resume_by_hand, stop_by_hand
from .queue_page import describe, moment, state_of, worker_state

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin
else:

    class ModelAdmin(admin.ModelAdmin):
        """Takes its model in brackets, as the type checker wants it written."""

        def __class_getitem__(cls, model):
            return cls


M = TypeVar("M", bound=Model)


class ReadOnlyAdmin(ModelAdmin[M]):
    """Shows rows; offers neither to add, nor to change, nor to delete any."""

    show_full_result_count = False
    actions = None

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        title = capfirst(self.opts.verbose_name_plural)
        context = {"title": title, **(extra_context or {})}
        return super().changelist_view(request, context)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        context = {"title": capfirst(self.opts.verbose_name), **(extra_context or {})}
        return super().change_view(request, object_id, form_url, context)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Queue)
class QueueAdmin(ReadOnlyAdmin[Queue]):
    """The list of queues, and the page of each, from which it is paused and resumed."""

    # What other apps know about a queue: each returns HTML for its page, or nothing.
    panels: ClassVar[list[Callable[[HttpRequest, Queue], str]]] = []

    list_display = ["name", "state", "live_workers", "tasks_in_flight"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Queue]:
        in_flight = Count("claims", filter=Q(claims__worker__isnull=False))
        queues = super().get_queryset(request).prefetch_related("workers")
        now = Value(database_now(queues.db))
        return queues.annotate(seen_at=now, in_flight_count=in_flight)

    @admin.display(description=gettext_lazy("State"))
    def state(self, queue: Queue) -> str:
        live, now = self.live_workers(queue), vars(queue)["seen_at"]
        return state_of(queue, live_workers=live, now=now).words

    @admin.display(description=gettext_lazy("Live workers"))
    def live_workers(self, queue: Queue) -> int:
        return count_live(queue.workers.all(), vars(queue)["seen_at"])

    @admin.display(description=gettext_lazy("In flight"))
    def tasks_in_flight(self, queue: Queue) -> int:
        return int(vars(queue)["in_flight_count"])

    # --- the page of a queue ----------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        views = {
            "state": require_safe(self.state_view),
            "pause": require_POST(self.pause_view),
            "resume": require_POST(self.resume_view),
        }
        own = [
            path(
                f"<path:object_id>/{name}/",
                self.admin_site.admin_view(view),
                name=f"django_workers_queue_{name}",
            )
            for name, view in views.items()
        ]
        return [*own, *super().get_urls()]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show the queue; its buttons have addresses of their own."""
        if request.method == "POST":
            raise PermissionDenied
        queue = self._visible(request, object_id)
        context = {
            **self.admin_site.each_context(request),
            **self._described(request, queue),
            "title": queue.name,
            "opts": self.opts,
            **(extra_context or {}),
        }
        return TemplateResponse(
            request, "admin/django_workers/queue/page.html", context
        )

    def state_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Return the part of the page that is refreshed."""
        queue = self._visible(request, object_id)
        context = self._described(request, queue)
        return TemplateResponse(
            request, "admin/django_workers/queue/state.html", context
        )

    def pause_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Stop the queue until a person resumes it."""
        queue = self._pausable(request, object_id)
        person = request.user.get_username()
        reason = storable(request.POST.get("reason", "").strip(), 200)
        if stop_by_hand(queue.pk, self._using, by=person, reason=reason):
            self.log_change(request, queue, f"{_('Paused.')} {reason}".strip())
            words = _("The queue is paused. What is in flight will finish.")
            self.message_user(request, words, messages.SUCCESS)
        else:
            words = _("Somebody has paused the queue already.")
            self.message_user(request, words, messages.WARNING)
        return self._back(queue)

    def resume_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Let the queue go on at once, whatever paused it."""
        queue = self._pausable(request, object_id)
        resume_by_hand(queue.pk, self._using)
        self.log_change(request, queue, _("Resumed."))
        self.message_user(request, _("The queue goes on."), messages.SUCCESS)
        return self._back(queue)

    @property
    def _using(self) -> str:
        return router.db_for_write(Queue)

    def _visible(self, request: HttpRequest, object_id: str) -> Queue:
        # Not the list's queryset: what that reads beside, the page reads for itself.
        queues = super().get_queryset(request)
        queue = queues.filter(pk=unquote(object_id)).first()
        if not self.has_view_permission(request, queue):
            raise PermissionDenied
        if queue is None:
            raise Http404
        return queue

    def _pausable(self, request: HttpRequest, object_id: str) -> Queue:
        queue = self._visible(request, object_id)
        if not self.has_pause_permission(request):
            raise PermissionDenied
        return queue

    def has_pause_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("django_workers.pause_queue")

    def _described(self, request: HttpRequest, queue: Queue) -> dict[str, Any]:
        def address(name: str) -> str:
            return reverse(f"admin:django_workers_queue_{name}", args=[quote(queue.pk)])

        return {
            **describe(queue, self._using),
            "may_pause": self.has_pause_permission(request),
            "panels": [
                html for panel in self.panels if (html := panel(request, queue))
            ],
            "state_url": address("state"),
            "pause_url": address("pause"),
            "resume_url": address("resume"),
        }

    def _back(self, queue: Queue) -> HttpResponse:
        page = reverse("admin:django_workers_queue_change", args=[quote(queue.pk)])
        return HttpResponseRedirect(page)


@admin.register(Worker)
class WorkerAdmin(ReadOnlyAdmin[Worker]):
    list_display = [
        "__str__",
        # What a narrow screen shows first.
        "state",
        "last_heartbeat",
        "handled",
        "failed",
        "started_at",
        "queue",
    ]
    list_select_related = ["queue"]
    exclude = ["heartbeat"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Worker]:
        workers = super().get_queryset(request)
        return workers.annotate(seen_at=Value(database_now(workers.db)))

    @admin.display(description=gettext_lazy("State"))
    def state(self, worker: Worker) -> str:
        return worker_state(worker, vars(worker)["seen_at"])

    @admin.display(description=gettext_lazy("Last heartbeat"), ordering="heartbeat_at")
    def last_heartbeat(self, worker: Worker) -> str:
        return moment(worker.heartbeat_at)


@admin.register(Claim)
class ClaimAdmin(ReadOnlyAdmin[Claim]):
    list_display = ["task_id", "queue", "state", "worker", "claimed_at"]
    list_filter = ["queue"]
    list_select_related = ["queue", "worker"]
    search_fields = ["=task_id"]
    ordering = ["-claimed_at", "pk"]

    @admin.display(description=gettext_lazy("State"))
    def state(self, claim: Claim) -> str:
        if claim.worker_id is not None:
            return _("In flight")
        if claim.error:
            return _("Waits for a person: {error}").format(error=claim.error)
        if claim.held_until is not None:
            return _("Held until {time}").format(time=moment(claim.held_until))
        return _("Runs alone next")
