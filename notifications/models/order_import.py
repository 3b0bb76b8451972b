"""A file of orders between its check and its import; see `notifications.importing`."""

from django.conf import settings
from django.db import models
from django.db.models.functions import Now


class OrderImport(models.Model):
    """An uploaded file with what a dry run found in it, and how far its import is.

    It belongs to who uploaded it, and is deleted after a day.
    """

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+"
    )
    file_name = models.CharField(max_length=200)
    # Compressed.
    content = models.BinaryField()
    encoding = models.CharField(max_length=16)
    findings = models.JSONField()
    created_at = models.DateTimeField(db_default=Now())
    # Whether customers are told of the new orders; none: it is not confirmed yet.
    notify = models.BooleanField(null=True)
    # How many lines are done.
    position = models.PositiveIntegerField(default=0, db_default=0)
    orders_made = models.PositiveIntegerField(default=0, db_default=0)
    customers_made = models.PositiveIntegerField(default=0, db_default=0)
    messages_made = models.PositiveIntegerField(default=0, db_default=0)
    finished_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.file_name
