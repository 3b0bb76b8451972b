"""Numbers that make no sense are refused, by the name of their option."""

import pytest

from django_workers.options import WorkerOptions


def test_the_defaults_are_those_of_a_plain_queue():
    options = WorkerOptions()

    assert options.concurrency == 1
    assert options.poll_seconds == 5
    assert options.stop_timeout_seconds == 30
    assert options.max_tasks is None
    assert not options.drain


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"concurrency": 0}, "--concurrency must be 1 or more, not 0."),
        ({"poll_seconds": 0}, "--reindex_timeout must be 0.01 or more, not 0."),
        ({"poll_seconds": float("nan")}, "--reindex_timeout must be"),
        ({"stop_timeout_seconds": -1}, "--stop-timeout must be 0 or more, not -1."),
        ({"stop_timeout_seconds": float("inf")}, "--stop-timeout must be"),
        ({"max_tasks": 0}, "--max-tasks must be 1 or more, not 0."),
    ],
)
def test_a_number_that_makes_no_sense_is_refused(values, text):
    with pytest.raises(ValueError, match=text):
        WorkerOptions(**values)


def test_no_time_to_stop_is_allowed():
    assert WorkerOptions(stop_timeout_seconds=0).stop_timeout_seconds == 0
