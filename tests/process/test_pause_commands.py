"""`manage.py pause_queue` and `resume_queue` as a person runs them."""

import os
import subprocess
import sys

import pytest
from django.conf import settings
from django.db import connections

from django_workers.models import Queue
from tests.support.workers import database_url

PATH = "tests.shop.task_queues.parcels"
NAMES_OF_USER = ("LOGNAME", "USER", "LNAME", "USERNAME")
# Its files and sockets stay those of root, who runs it.
AS_NOBODY_KNOWN = """
import os, sys
os.setreuid(4242, 0)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


def manage(database, *arguments, prefix=()):
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "TEST_DATABASE_URL": database,
    }
    for name in NAMES_OF_USER:
        environment.pop(name, None)
    return subprocess.run(
        [sys.executable, *prefix, "manage.py", *arguments],
        cwd=settings.BASE_DIR,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def manage_as_nobody_known(database, *arguments):
    """Run it as Docker does with `user: 4242`: no system knows that user's name."""
    if os.geteuid() != 0:
        pytest.skip("only root may become somebody else")
    return manage(database, *arguments, prefix=("-c", AS_NOBODY_KNOWN))


@pytest.fixture
def database():
    connections.close_all()
    return database_url()


@pytest.mark.django_db(transaction=True)
def test_a_user_without_a_name_pauses_as_a_number(database):
    done = manage_as_nobody_known(database, "pause_queue", PATH)

    assert done.returncode == 0, done.stderr
    assert Queue.objects.get().stopped_by == "uid 4242"


@pytest.mark.django_db(transaction=True)
def test_a_user_without_a_name_may_give_one(database):
    done = manage_as_nobody_known(database, "pause_queue", PATH, "--by", "Ann")

    assert done.returncode == 0, done.stderr
    assert Queue.objects.get().stopped_by == "Ann"


def test_a_user_without_a_name_gets_help(tmp_path):
    done = manage_as_nobody_known(
        f"sqlite:///{tmp_path / 'no.sqlite3'}", "pause_queue", "--help"
    )

    assert done.returncode == 0, done.stderr
    assert "who paused it" in done.stdout


@pytest.mark.django_db(transaction=True)
def test_one_process_pauses_and_another_resumes(database):
    paused = manage(database, "pause_queue", PATH, "--reason", "stocktaking")
    row = Queue.objects.get()
    connections.close_all()
    resumed = manage(database, "resume_queue", PATH)

    assert paused.returncode == 0, paused.stderr
    assert row.stop_reason == "stocktaking"
    assert row.stopped_by
    assert resumed.returncode == 0, resumed.stderr
    assert resumed.stdout == "Queue shop.Parcel goes on.\n"
    assert Queue.objects.get().stopped_at is None


@pytest.mark.parametrize("command", ["pause_queue", "resume_queue"])
def test_missing_migrations_are_named(tmp_path, command):
    (tmp_path / "empty.sqlite3").touch()

    done = manage(f"sqlite:///{tmp_path / 'empty.sqlite3'}", command, PATH)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("CommandError: The database 'default' lacks migr")
    assert "Run: python manage.py migrate" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["pause_queue", "resume_queue"])
def test_a_server_that_does_not_answer_is_told(command):
    done = manage("postgres://me:s3cret@127.0.0.1:9/shop", command, PATH)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(
        "CommandError: The database 'default' cannot be used: connection failed"
    )
    assert "s3cret" not in done.stderr
    assert "Traceback" not in done.stderr
