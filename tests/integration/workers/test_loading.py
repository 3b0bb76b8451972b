"""A queue is found by its path and checked before it is drained."""

import logging

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, connections

from django_workers.events import logger
from django_workers.loading import check_queue, load_queue
from tests.shop import mistakes, task_queues
from tests.shop.models import Parcel
from tests.support.workers import has_no_claims

pytestmark = pytest.mark.django_db(transaction=True)

PATH = "tests.shop.task_queues"


@pytest.fixture
def _log_level():
    """Have what run_worker sets put back."""
    level = logger.level
    yield
    logger.setLevel(level)
    connections.close_all()


def test_a_dotted_path_names_an_instance():
    assert load_queue(f"{PATH}.parcels") is task_queues.parcels


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("parcels", "is not a dotted path"),
        ("tests/shop/task_queues.py", "is not a dotted path"),
        ("nowhere.at.all", "There is no module 'nowhere'"),
        ("tests.shop.nowhere.parcels", "There is no module 'tests.shop.nowhere'"),
        (f"{PATH}.parcel", f"has no 'parcel'. Task queues in it: {PATH}.parcels"),
        ("tests.shop.models.parcels", "has no 'parcels'."),
        (f"{PATH}.PlainQueue", "Write `task_queue = PlainQueue()` below it"),
        (f"{PATH}.ONE_BEAT", "is float, not a task queue"),
    ],
)
def test_a_wrong_path_is_told(path, words):
    with pytest.raises(CommandError) as raised:
        load_queue(path)

    assert words in str(raised.value)


def test_a_module_that_lacks_a_module_is_no_wrong_path(tmp_path, monkeypatch):
    (tmp_path / "broken_queues.py").write_text("import nowhere_at_all")
    monkeypatch.syspath_prepend(tmp_path)

    with pytest.raises(ModuleNotFoundError, match="nowhere_at_all"):
        load_queue("broken_queues.task_queue")


def test_a_queue_in_order_passes():
    check_queue(task_queues.parcels)
    check_queue(task_queues.async_parcels)


@pytest.mark.parametrize(
    ("queue", "words"),
    [
        (mistakes.shelves, "has several columns"),
        (mistakes.async_errors, "AsyncErrorsQueue.process_task_error is `async def`"),
        (mistakes.no_rate, "rate must be more than 0"),
        (mistakes.not_ready, "There are no stamps left."),
    ],
)
def test_a_queue_that_cannot_work_is_told(queue, words):
    with pytest.raises(CommandError) as raised:
        check_queue(queue)

    assert words in str(raised.value)


def test_serializable_transactions_are_refused():
    if connection.vendor != "postgresql":
        pytest.skip("only PostgreSQL has a level")
    with connection.cursor() as cursor:
        cursor.execute(
            "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE"
        )
    try:
        with pytest.raises(CommandError, match="only under 'read committed'"):
            check_queue(task_queues.parcels)
    finally:
        connection.close()


@pytest.mark.usefixtures("_log_level")
def test_the_command_drains_a_queue():
    Parcel.objects.create()

    call_command("run_worker", f"{PATH}.parcels", drain=True)

    assert Parcel.objects.get().done
    assert has_no_claims()


@pytest.mark.usefixtures("_log_level")
@pytest.mark.parametrize(
    ("verbosity", "level"),
    [(0, logging.WARNING), (1, logging.INFO), (2, logging.DEBUG), (3, logging.DEBUG)],
)
def test_verbosity_sets_what_is_logged(verbosity, level):
    logger.setLevel(logging.NOTSET)

    call_command("run_worker", f"{PATH}.parcels", drain=True, verbosity=verbosity)

    assert logger.level == level


@pytest.mark.usefixtures("_log_level")
def test_a_wrong_number_is_told_by_its_option():
    with pytest.raises(CommandError, match="--concurrency must be 1 or more"):
        call_command("run_worker", f"{PATH}.parcels", concurrency=0)
