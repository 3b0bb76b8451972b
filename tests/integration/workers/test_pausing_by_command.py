"""`pause_queue` stops a queue for all its workers, `resume_queue` lets it go on."""

import getpass
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from django_workers.claiming import Claimer
from django_workers.models import Queue
from tests.shop.models import Parcel
from tests.shop.task_queues import parcels
from tests.support.workers import make_worker

pytestmark = pytest.mark.django_db(transaction=True)

PATH = "tests.shop.task_queues.parcels"


def tell(command, path=PATH, *options):
    """Run the command; return what it said."""
    said = StringIO()
    call_command(command, path, *options, stdout=said)
    return said.getvalue()


def claim():
    return Claimer(parcels).claim(make_worker(parcels).pk, 1, 0).attempts


def test_a_paused_queue_gives_out_no_task_until_it_is_resumed():
    Parcel.objects.create()

    paused = tell("pause_queue")
    assert claim() == []
    resumed = tell("resume_queue")

    assert len(claim()) == 1
    assert paused == "Queue shop.Parcel is paused. To go on: manage.py resume_queue\n"
    assert resumed == "Queue shop.Parcel goes on.\n"


def test_who_paused_it_and_why_is_kept_until_it_is_resumed():
    tell("pause_queue", PATH, "--by", "Ann", "--reason", "stocktaking")
    row = Queue.objects.get()
    tell("resume_queue")

    assert (row.stopped_by, row.stop_reason) == ("Ann", "stocktaking")
    row.refresh_from_db()
    assert (row.stopped_at, row.stopped_by, row.stop_reason) == (None, "", "")


def test_who_gives_no_name_is_known_by_that_of_the_system(monkeypatch):
    monkeypatch.setenv("LOGNAME", "bob")
    tell("pause_queue")

    assert Queue.objects.get().stopped_by == "bob" == getpass.getuser()


@pytest.mark.parametrize("command", ["pause_queue", "resume_queue"])
def test_a_wrong_path_is_told(command):
    with pytest.raises(CommandError, match=r"has no 'parcel'\. Task queues in it: "):
        tell(command, "tests.shop.task_queues.parcel")


@pytest.mark.parametrize("command", ["pause_queue", "resume_queue"])
def test_a_database_that_cannot_be_used_is_told(command):
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE django_workers_queue RENAME TO gone")
    try:
        with pytest.raises(CommandError, match=r"cannot be used: .*_queue"):
            tell(command)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE gone RENAME TO django_workers_queue")
