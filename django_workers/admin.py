"""What the workers are doing, to look at: nothing here is changed by hand."""

from typing import TYPE_CHECKING, Any, TypeVar

from django.contrib import admin
from django.db.models import Count, Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from .models import Claim, Queue, Worker

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
    list_display = ["name", "state", "live_workers", "tasks_in_flight"]
    fields = [
        "name",
        "state",
        "paused_until",
        "pause_reason",
        "pause_description",
        "stopped_at",
        "stopped_by",
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Queue]:
        return (
            super()
            .get_queryset(request)
            .annotate(
                worker_count=Count("workers", distinct=True),
                claim_count=Count("claims", distinct=True),
            )
        )

    @admin.display(description=gettext_lazy("State"))
    def state(self, queue: Queue) -> str:
        if queue.stopped_at is not None:
            return _("Stopped by {person}").format(person=queue.stopped_by or "–")
        if queue.paused_until is None:
            return _("Working")
        if queue.paused_until <= timezone.now():
            return _("Asking whether the pause is over: {reason}").format(
                reason=queue.pause_reason
            )
        return _("Paused until {time}: {reason}").format(
            time=_time(queue.paused_until), reason=queue.pause_reason
        )

    @admin.display(description=gettext_lazy("Workers"))
    def live_workers(self, queue: Queue) -> int:
        return int(vars(queue)["worker_count"])

    @admin.display(description=gettext_lazy("Claims"))
    def tasks_in_flight(self, queue: Queue) -> int:
        return int(vars(queue)["claim_count"])


@admin.register(Worker)
class WorkerAdmin(ReadOnlyAdmin[Worker]):
    list_display = [
        "__str__",
        "queue",
        "started_at",
        "last_heartbeat",
        "handled",
        "failed",
    ]
    list_select_related = ["queue"]
    exclude = ["heartbeat"]

    @admin.display(description=gettext_lazy("Last heartbeat"), ordering="heartbeat_at")
    def last_heartbeat(self, worker: Worker) -> str:
        return _time(worker.heartbeat_at)


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
            return _("Held until {time}").format(time=_time(claim.held_until))
        return _("Runs alone next")


def _time(moment: Any) -> str:
    return date_format(timezone.localtime(moment), "j b, H:i:s")
