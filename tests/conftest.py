"""What every test gets: a folder that goes away, and a look at what it left running."""

import contextlib
import os
import shutil
import tempfile
import threading
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from asgiref.sync import SyncToAsync
from django.utils import translation

GRACE_SECONDS = 2.0
FOLDER_IS_OURS = pytest.StashKey[bool]()


def pytest_configure(config: pytest.Config) -> None:
    # The processes of pytest-xdist find the folder made already, and leave it.
    config.stash[FOLDER_IS_OURS] = False
    with contextlib.suppress(FileExistsError):
        _folder().mkdir(mode=0o700)
        config.stash[FOLDER_IS_OURS] = True
    # What a killed process could not clean up goes away with the rest.
    os.environ["TMPDIR"] = tempfile.tempdir = str(_folder())


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Iterator[None]:
    """Stop what the tests forgot, also processes that have lost their parents."""
    yield
    if session.config.stash[FOLDER_IS_OURS] and (forgotten := _processes_of_this_run()):
        told = f"ERROR: the tests left running: {forgotten}"
        _kill(forgotten)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        reporter = session.config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None:
            reporter.write_line(told, red=True)


def pytest_unconfigure(config: pytest.Config) -> None:
    if config.stash[FOLDER_IS_OURS]:
        shutil.rmtree(_folder())


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable() -> Generator[None, Any, Any]:
    """Let pytest-xdist report on tests of text that is no valid Unicode."""
    return _as_unicode((yield))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes minutes, so that nothing else has to wait for it."""
    items.sort(key=lambda item: item.get_closest_marker("takes_minutes") is None)


@pytest.fixture(autouse=True)
def _nobody_else_s_language() -> Iterator[None]:
    """End with the shop's own language: a request's stays with the thread it ran in."""
    yield
    translation.deactivate()


@pytest.fixture(autouse=True)
def _nothing_remembered_of_content_types() -> None:
    """Begin as a new process does: what is remembered is not asked of the database."""
    # Only now: without its settings, Django lets nobody import a model.
    from django.contrib.contenttypes.models import ContentType

    ContentType.objects.clear_cache()


@pytest.fixture(autouse=True)
def _nothing_is_left_running() -> Iterator[None]:
    """Fail a test after which a thread or a child process of its own still runs."""
    threads, children = set(threading.enumerate()), set(_children())
    yield
    left_threads = [thread for thread in threading.enumerate() if thread not in threads]
    left_threads = [thread for thread in left_threads if _still_runs(thread)]
    _, left_children = psutil.wait_procs(set(_children()) - children, GRACE_SECONDS)
    _kill(left_children)
    if left_threads or left_children:
        pytest.fail(f"The test left running: {left_threads + left_children}")


def _as_unicode(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode(errors="backslashreplace").decode()
    if isinstance(value, dict):
        return {_as_unicode(key): _as_unicode(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(_as_unicode, value))
    return value


def _still_runs(thread: threading.Thread) -> bool:
    # asgiref keeps one thread for the ORM under asyncio until the process ends.
    if thread.daemon or thread in SyncToAsync.single_thread_executor._threads:
        return False
    thread.join(GRACE_SECONDS)
    return thread.is_alive()


def _children() -> list[psutil.Process]:
    """Return our own children; theirs may belong to a fixture of the whole session."""
    return [child for child in psutil.Process().children() if _is_running(child)]


def _processes_of_this_run() -> list[psutil.Process]:
    """Return the processes that inherited this run's folder, whoever started them."""
    return [
        process
        for process in psutil.process_iter()
        if process.pid != os.getpid()
        and _is_running(process)
        and _environment(process).get("TEST_FOLDER") == str(_folder())
    ]


def _is_running(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _environment(process: psutil.Process) -> dict[str, str]:
    try:
        return dict(process.environ())
    except psutil.Error:  # gone, or somebody else's
        return {}


def _kill(processes: Iterable[psutil.Process]) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def _folder() -> Path:
    return Path(os.environ["TEST_FOLDER"])
