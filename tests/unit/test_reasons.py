"""Whatever goes wrong, a manager is told in words what happened and what to do."""

import re
from pathlib import Path

import pytest
from django.utils import translation

from notifications.reasons import EXPLANATIONS, explain
from notifications.verdicts import ENDED_BY_START, REASON_CODES

ROOT = Path(__file__).resolve().parents[2]
# What a manager may do, or that nothing need be done.
WHAT_TO_DO = {
    "en": r"\b(ask|send|check|reach|tell|show|press|correct|enter|shorten)\b"
    r"|by itself|nothing to do|administrator enters|^Delivered",
    "ru": r"(?i)\b(спросите|попросите|отправьте|проверьте|свяжитесь|сообщите|покажите"
    r"|нажмите|исправьте|введите|сократите)\b"
    r"|сам[ао]\b|ничего не нужно|администратор не укажет|^Доставлено",
}


def engine_codes() -> set[str]:
    """Return the reason codes that the engine itself gives, from its source."""
    source = "".join(
        path.read_text("utf-8")
        for name in ("running", "reaping", "errors")
        for path in [ROOT / f"django_workers/{name}.py"]
    )
    given = r'(?:TaskError\(|PauseQueue\([A-Z_]+,|    reason_code =)\s*"([a-z_]+)"'
    return set(re.findall(given, source))


ENGINE_CODES = engine_codes()


def test_the_engine_s_reasons_are_found():
    assert {"worker_lost", "interrupted", "timeout"} < ENGINE_CODES
    assert {"unhandled_exception", "probe_crashed"} < ENGINE_CODES


@pytest.mark.parametrize("language", ["en", "ru"])
@pytest.mark.parametrize("reason_code", sorted(REASON_CODES | ENGINE_CODES))
def test_every_reason_says_what_happened_and_what_to_do(reason_code, language):
    with translation.override(language):
        words = explain(reason_code)

    assert "_" not in words
    assert words.endswith(".")
    happened, _, to_do = words.partition(". " if ". " in words else ": ")
    assert happened
    assert to_do
    assert re.search(WHAT_TO_DO[language], words, re.IGNORECASE), words
    is_russian = re.search("[а-яё]{4}", words) is not None
    assert is_russian == (language == "ru")


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
