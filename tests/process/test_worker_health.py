"""`manage.py worker_health` as a health check of a container runs it."""

import os
import subprocess
import sys

import pytest
from django.conf import settings
from django.db import connections

from tests.support.workers import Workers, database_url

PATH = "tests.shop.task_queues.parcels"


def ask(database, *options):
    return subprocess.run(
        [sys.executable, "manage.py", "worker_health", PATH, *options],
        cwd=settings.BASE_DIR,
        env=os.environ
        | {"DJANGO_SETTINGS_MODULE": "tests.settings", "TEST_DATABASE_URL": database},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_file_that_is_not_there_is_told_and_not_made(tmp_path):
    done = ask(f"sqlite:///{tmp_path / 'no.sqlite3'}")

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("CommandError: There is no database file /")
    assert "Run: python manage.py migrate" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_missing_migrations_are_named(tmp_path):
    (tmp_path / "empty.sqlite3").touch()

    done = ask(f"sqlite:///{tmp_path / 'empty.sqlite3'}")

    assert (done.returncode, done.stdout) == (1, "")
    assert "lacks migrations (django_workers.0001_initial" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_server_that_does_not_answer_is_told():
    done = ask("postgres://me:s3cret@127.0.0.1:9/shop")

    assert (done.returncode, done.stdout) == (1, "")
    assert "cannot be used: connection failed" in done.stderr
    assert "s3cret" not in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.django_db(transaction=True)
def test_it_follows_the_life_of_a_worker(tmp_path):
    workers = Workers(tmp_path)
    connections.close_all()
    try:
        worker = workers.start()
        alive = ask(database_url())
        worker.popen.terminate()
        worker.wait()
        stopped = ask(database_url())
    finally:
        workers.close()

    assert alive.stdout == "Queue shop.Parcel is healthy: 1 worker is alive.\n"
    assert alive.returncode == 0
    assert stopped.stdout == "Queue shop.Parcel: no worker is alive.\n"
    assert stopped.returncode == 1
