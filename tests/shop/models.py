"""Tables of tasks that know nothing of queues: one per kind of primary key."""

import uuid

from django.db import models


class Task(models.Model):
    """What the tutorial's author would have, and what a test wants done."""

    # What the handler shall do, see tests/shop/task_queues.py.
    todo = models.CharField(max_length=100, default="", db_default="")
    done = models.BooleanField(default=False, db_default=False)
    failures = models.PositiveSmallIntegerField(default=0, db_default=0)
    last_error = models.TextField(default="", db_default="")

    class Meta:
        abstract = True


class Parcel(Task):
    """Has an integer for its key."""

    label = models.CharField(max_length=20, default="", db_default="")
    groups = models.ManyToManyField("self")

    class Meta:
        # As an admin list would want it: the newest first.
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"parcel {self.pk}"


class Letter(Task):
    """Has a UUID for its key."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)

    def __str__(self) -> str:
        return f"letter {self.pk}"


class Tin(Task):
    """Has a text for its key."""

    name = models.CharField(max_length=1000, primary_key=True)

    def __str__(self) -> str:
        return f"tin {self.pk}"


class Customs(models.Model):
    """Has another row's key for its own."""

    parcel = models.OneToOneField(Parcel, models.CASCADE, primary_key=True)
    done = models.BooleanField(default=False, db_default=False)
    failures = models.PositiveSmallIntegerField(default=0, db_default=0)
    last_error = models.TextField(default="", db_default="")

    def __str__(self) -> str:
        return f"customs of parcel {self.pk}"


class Shelf(models.Model):
    """Has two columns for its key, which no queue can be made of."""

    pk = models.CompositePrimaryKey("row", "place")
    done = models.BooleanField(default=False, db_default=False)
    failures = models.PositiveSmallIntegerField(default=0, db_default=0)
    row = models.IntegerField()
    place = models.IntegerField()

    def __str__(self) -> str:
        return f"shelf {self.row}/{self.place}"
