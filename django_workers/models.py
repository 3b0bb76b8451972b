"""What all workers of all queues share: queues, live workers, and tasks in flight."""

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class Queue(models.Model):
    """One queue. Its row's lock serialises the workers that claim from it."""

    name = models.CharField(_("Name"), max_length=200, primary_key=True)
    tokens = models.FloatField(_("Rate tokens"), default=0, db_default=0)
    tokens_at = models.DateTimeField(_("Rate tokens counted"), null=True)
    # An automatic pause ends by itself, after the queue's probe passed.
    paused_until = models.DateTimeField(_("Paused until"), null=True)
    # By the same clock: it tells when that was set back since.
    paused_at = models.DateTimeField(null=True)
    pause_reason = models.CharField(
        _("Reason of the pause"), max_length=64, blank=True, default="", db_default=""
    )
    pause_description = models.TextField(
        _("Description of the pause"), blank=True, default="", db_default=""
    )
    # Outcomes of tasks that were started in an earlier epoch pause nothing.
    pause_epoch = models.PositiveBigIntegerField(default=0, db_default=0)
    probing_until = models.DateTimeField(null=True)
    # A pause by hand is a person's: only a person ends it.
    stopped_at = models.DateTimeField(_("Stopped by hand"), null=True)
    stopped_by = models.CharField(
        _("Stopped by"), max_length=200, blank=True, default="", db_default=""
    )
    stop_reason = models.CharField(
        _("Why it was stopped"), max_length=200, blank=True, default="", db_default=""
    )
    # What its workers were told, to show: starts per second, over all of them.
    rate = models.FloatField(_("Rate limit"), null=True)

    class Meta:
        verbose_name = _("Queue")
        verbose_name_plural = _("Queues")
        permissions = [("pause_queue", "Can pause and resume queues")]

    def __str__(self) -> str:
        return self.name


class Worker(models.Model):
    """One live worker process of one queue."""

    queue = models.ForeignKey(
        Queue, on_delete=models.CASCADE, related_name="workers", verbose_name=_("Queue")
    )
    host = models.CharField(_("Host"), max_length=255)
    pid = models.PositiveIntegerField(_("Process ID"))
    started_at = models.DateTimeField(_("Started"), db_default=Now())
    # The time is to show; the counter is to judge: no clock can make it stand still.
    heartbeat_at = models.DateTimeField(_("Last heartbeat"), db_default=Now())
    heartbeat = models.PositiveBigIntegerField(default=0, db_default=0)
    handled = models.PositiveBigIntegerField(_("Handled"), default=0, db_default=0)
    failed = models.PositiveBigIntegerField(_("Failed"), default=0, db_default=0)

    class Meta:
        verbose_name = _("Worker")
        verbose_name_plural = _("Workers")

    def __str__(self) -> str:
        return f"{self.host}:{self.pid}"


class Claim(models.Model):
    """A task that is not free to take: in flight on a worker, or held for later.

    In flight: `worker` is set. Held until a time: no worker, `held_until` ahead.
    Parked for a person: no worker, `error` says why.
    """

    id = models.UUIDField(primary_key=True)
    queue = models.ForeignKey(
        Queue,
        on_delete=models.CASCADE,
        related_name="claims",
        # The constraint below begins with it.
        db_index=False,
        verbose_name=_("Queue"),
    )
    # The primary key of the task's row, as text.
    task_id = models.TextField(_("Task"))
    worker = models.ForeignKey(
        Worker,
        on_delete=models.SET_NULL,
        null=True,
        related_name="claims",
        verbose_name=_("Worker"),
    )
    claimed_at = models.DateTimeField(_("Claimed"), db_default=Now())
    held_until = models.DateTimeField(_("Held until"), null=True)
    # Its worker died with others in flight: next it runs with nothing beside it.
    alone = models.BooleanField(_("Runs alone"), default=False, db_default=False)
    error = models.TextField(_("Error"), blank=True, default="", db_default="")

    class Meta:
        verbose_name = _("Claim")
        verbose_name_plural = _("Claims")
        constraints = [
            models.UniqueConstraint(
                name="one_claim_per_task", fields=["queue", "task_id"]
            )
        ]

    def __str__(self) -> str:
        return f"{self.queue_id} {self.task_id}"
