"""What run_worker says to whoever makes a mistake: one message, and exit code 1."""

import re
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.product import ROOT
from tests.support.tutorial import README, Project, read_blocks, set_up

QUEUE = "notifications.task_queues.task_queue"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a project that no test changes."""
    return set_up(tmp_path_factory.mktemp("shared"), read_blocks(README))


@pytest.fixture
def own(shared: Project, tmp_path: Path) -> Iterator[Project]:
    """Return a project that a test may change."""
    with shared.copy_to(tmp_path / "project") as project:
        yield project


def run_worker(project: Project, *arguments: str) -> subprocess.CompletedProcess[str]:
    return project.run("python", "manage.py", "run_worker", *arguments)


def complaint(done: subprocess.CompletedProcess[str]) -> str:
    """Return the one message of a run that failed as it should."""
    kind, _, message = done.stderr.partition(": ")
    assert (done.returncode, done.stdout, kind) == (1, "", "CommandError"), done.stderr
    assert "Traceback" not in message
    assert "CommandError" not in message
    return message.rstrip("\n")


def write_settings(project: Project, name: str, database: str) -> str:
    """Write settings that differ in the database alone; return their dotted path."""
    text = f"from workers_tutorial.settings import *\n\n{database}\n"
    (project.folder / "workers_tutorial" / f"{name}.py").write_text(text)
    return f"workers_tutorial.{name}"


# --- the path -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "task_queue",
        "notifications/task_queues.py",
        "notifications.task_queues.",
        ".task_queue",
        "notifications..task_queue",
        "notifications.task-queues.task_queue",
        "",
    ],
)
def test_a_path_that_is_not_dotted_is_told_with_an_example(shared, path):
    message = complaint(run_worker(shared, path))

    assert message == (
        f"'{path}' is not a dotted path to a task queue, that is module.name. "
        f"For example: {QUEUE}"
    )


@pytest.mark.parametrize(
    ("path", "missing"),
    [
        ("shop.task_queues.task_queue", "shop"),
        ("notifications.queues.task_queue", "notifications.queues"),
        (f"{QUEUE}.handle_task", QUEUE),
    ],
)
def test_a_module_that_does_not_exist_is_named(shared, path, missing):
    message = complaint(run_worker(shared, path))

    assert message.startswith(f"There is no module '{missing}', so '{path}' cannot be")


def test_a_name_that_the_module_lacks_is_told_with_the_queues_that_it_has(shared):
    message = complaint(run_worker(shared, "notifications.task_queues.queue"))

    assert message == (
        "The module 'notifications.task_queues' has no 'queue'. "
        f"Task queues in it: {QUEUE}"
    )


def test_a_class_is_told_to_be_none_and_how_to_make_an_instance(shared):
    path = "notifications.task_queues.OrderNotificationQueue"

    message = complaint(run_worker(shared, path))

    assert message == (
        f"'{path}' is a class; a queue is an instance of it. "
        "Write `task_queue = OrderNotificationQueue()` below it and name that."
    )


@pytest.mark.parametrize("name", ["settings", "OrderNotification", "httpx"])
def test_something_else_than_a_queue_is_told_what_it_is(shared, name):
    message = complaint(run_worker(shared, f"notifications.task_queues.{name}"))

    assert message.startswith(f"'notifications.task_queues.{name}' is ")
    assert "must be an instance of a subclass of django_workers." in message


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("import no_such_package", "No module named 'no_such_package'"),
        ("from . import no_such_module", "cannot import name 'no_such_module'"),
        ("import notifications.gone", "No module named 'notifications.gone'"),
        ("task_queue = 1 / 0", "ZeroDivisionError"),
        ("def broken(:", "SyntaxError"),
    ],
)
def test_an_error_inside_the_module_is_shown_with_its_traceback(own, code, words):
    (own.folder / "notifications" / "broken.py").write_text(f"{code}\n")

    done = run_worker(own, "notifications.broken.task_queue")

    assert done.returncode == 1
    assert done.stderr.startswith("Traceback (most recent call last):")
    assert 'notifications/broken.py", line 1' in done.stderr
    assert words in done.stderr.splitlines()[-1] + done.stderr
    assert "CommandError" not in done.stderr


# --- the database ---------------------------------------------------------------------


def test_migrations_that_were_not_applied_are_named(own):
    settings = write_settings(own, "empty", 'DATABASES["default"]["NAME"] = "empty.db"')

    message = complaint(run_worker(own, QUEUE, "--settings", settings))

    files = sorted(ROOT.glob("django_workers/migrations/0*.py"))
    names = [f"django_workers.{file.stem}" for file in files]
    assert message == (
        f"The database 'default' lacks migrations ({', '.join(names)}, "
        "notifications.0001_initial). Run: python manage.py migrate"
    )


def test_a_table_without_a_migration_is_named(own):
    (own.folder / "notifications" / "migrations" / "0001_initial.py").unlink()
    settings = write_settings(own, "empty", 'DATABASES["default"]["NAME"] = "empty.db"')
    own.run("python", "manage.py", "migrate", "--settings", settings)

    message = complaint(run_worker(own, QUEUE, "--settings", settings))

    assert "no such table: notifications_ordernotification" in message


def test_a_column_without_a_migration_is_named(own):
    models = own.folder / "notifications" / "models.py"
    column = '    note = models.TextField(default="")\n\n    class Meta'
    models.write_text(models.read_text().replace("    class Meta", column))

    message = complaint(run_worker(own, QUEUE))

    assert "no such column: notifications_ordernotification.note" in message


def test_a_database_file_in_a_folder_that_does_not_exist_is_told(own):
    settings = write_settings(
        own, "nowhere", 'DATABASES["default"]["NAME"] = BASE_DIR / "no" / "db.sqlite3"'
    )

    message = complaint(run_worker(own, QUEUE, "--settings", settings))

    assert message == (
        "The database 'default' cannot be used: unable to open database file"
    )


def test_a_server_that_does_not_answer_is_told_without_the_password(own):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    engine = "django.db.backends.postgresql"
    settings = write_settings(
        own,
        "away",
        f'DATABASES = {{"default": {{"ENGINE": "{engine}", "HOST": "127.0.0.1", '
        f'"PORT": "{port}", "NAME": "shop", "USER": "me", "PASSWORD": "s3cret"}}}}',
    )

    message = complaint(run_worker(own, QUEUE, "--settings", settings))

    assert message.startswith("The database 'default' cannot be used: connection")
    assert f"port {port} failed: Connection refused" in message
    assert "s3cret" not in message


# --- the options ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--concurrency", "-1", "--concurrency must be 1 or more, not -1."),
        ("--concurrency", "0", "--concurrency must be 1 or more, not 0."),
        ("--reindex_timeout", "0", "--reindex_timeout must be 0.01 or more, not 0."),
        ("--poll", "nan", "--reindex_timeout must be 0.01 or more, not nan."),
        ("--stop-timeout", "-1", "--stop-timeout must be 0 or more, not -1."),
        ("--stop-timeout", "inf", "--stop-timeout must be 0 or more, not inf."),
        ("--max-tasks", "0", "--max-tasks must be 1 or more, not 0."),
    ],
)
def test_a_number_that_makes_no_sense_is_told(shared, option, value, words):
    assert complaint(run_worker(shared, QUEUE, option, value)) == words


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "the following arguments are required: QUEUE"),
        ((QUEUE, "--faster"), "unrecognized arguments: --faster"),
        ((QUEUE, "--concurrency", "many"), "invalid int value: 'many'"),
    ],
)
def test_a_command_line_that_cannot_be_read_is_exit_code_2(shared, arguments, words):
    done = run_worker(shared, *arguments)

    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_help_names_every_option_and_what_they_do(shared):
    done = run_worker(shared, "--help")

    for option in (
        "QUEUE",
        "--reindex_timeout SECONDS, --poll SECONDS",
        "--concurrency N",
        "--drain",
        "--max-tasks N",
        "--stop-timeout SECONDS",
        "--reload",
        "-v {0,1,2,3}, --verbosity {0,1,2,3}",
    ):
        assert re.search(rf"^  {re.escape(option)}( +|\n +)\w", done.stdout, re.M), (
            option
        )
    assert "SIGTERM" in done.stdout
    assert "Exit codes" in done.stdout
    assert QUEUE in done.stdout
    assert done.returncode == 0
