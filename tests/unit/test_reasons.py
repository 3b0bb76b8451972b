"""Whatever goes wrong, a manager is told in words what happened and what to do."""

import pytest
from django.utils import translation

from notifications.reasons import EXPLANATIONS, explain
from notifications.verdicts import ENDED_BY_START, REASON_CODES

ENGINE_CODES = {"worker_lost", "interrupted", "timeout", "unhandled_exception"}


@pytest.mark.parametrize("reason_code", sorted(REASON_CODES | ENGINE_CODES))
def test_every_reason_has_words(reason_code):
    with translation.override("en"):
        words = explain(reason_code)

    assert "_" not in words
    assert words.endswith(".")
    # What happened, and what to do.
    assert len(words.split(". ")) >= 2 or ": " in words


def test_there_are_no_words_for_reasons_that_do_not_exist():
    assert set(EXPLANATIONS) == REASON_CODES | ENGINE_CODES


def test_what_start_puts_right_are_reasons_that_exist():
    assert ENDED_BY_START <= REASON_CODES


def test_no_two_reasons_are_told_in_the_same_words():
    assert len({explain(code) for code in EXPLANATIONS}) == len(EXPLANATIONS)


def test_what_may_arrive_twice_is_said_to():
    for code in ("server_error", "read_timeout", "connection_cut", "half_answer"):
        with translation.override("en"):
            assert "may arrive twice" in explain(code)


@pytest.mark.parametrize("language", ["en", "ru"])
def test_an_unknown_reason_is_explained_by_its_description(language):
    with translation.override(language):
        words = explain("printer_on_fire", "The printer is on fire.")

    assert "The printer is on fire" in words
    assert ".." not in words


def test_an_unknown_reason_without_a_description_is_at_least_named():
    assert "printer_on_fire" in explain("printer_on_fire")


def test_even_no_reason_at_all_gives_a_sentence():
    assert explain("").strip().endswith(".")
    assert explain(" ", " ").strip().endswith(".")


def test_a_description_is_not_taken_for_a_template():
    assert "100 %(x)s" in explain("unknown", "100 %(x)s")
