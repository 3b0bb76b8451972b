"""Every event is one line of words, whatever its facts are."""

import logging
import re
from typing import Any

import pytest

from django_workers import events


@pytest.mark.parametrize("name", events._EVENTS)
def test_every_event_makes_a_line(name, caplog):
    caplog.set_level(logging.DEBUG, "django_workers")
    level, text = events._EVENTS[name]
    facts: dict[str, Any] = dict.fromkeys(re.findall(r"%\((\w+)\)", text), 1)

    events.emit(name, **facts)

    (record,) = caplog.records
    assert record.levelno == level
    assert record.event == name
    assert record.facts == facts
    assert "%(" not in record.getMessage()
    assert "\n" not in record.getMessage()


def test_the_line_comes_from_where_it_was_told(caplog):
    caplog.set_level(logging.DEBUG, "django_workers")

    events.emit("database.back")

    assert caplog.records[0].filename == "test_events.py"


def test_an_exception_is_written_with_its_traceback(caplog):
    try:
        raise ZeroDivisionError("told")
    except ZeroDivisionError as error:
        events.emit("task.crashed", exc_info=error, task_id=1)

    assert "ZeroDivisionError: told" in caplog.text


def test_what_nobody_wants_to_read_costs_nothing(caplog):
    caplog.set_level(logging.WARNING, "django_workers")

    class Untold:
        def __str__(self):
            raise AssertionError

    events.emit("task.started", task_id=Untold())

    assert not caplog.records


def test_percent_signs_in_facts_are_harmless(caplog):
    events.emit("task.failed", task_id=1, reason_code="100%s", description="%d")

    assert "100%s" in caplog.text
