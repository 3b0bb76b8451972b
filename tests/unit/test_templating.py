"""Texts with variables: what they say, and what is wrong with them."""

import pytest
from django.core.exceptions import ValidationError

from notifications.templating import (
    LONGEST_MESSAGE,
    VARIABLES,
    check_text,
    render,
    telegram_length,
)

VALUES = dict.fromkeys(VARIABLES, "x")


@pytest.fixture(autouse=True)
def _english(settings):
    settings.LANGUAGE_CODE = "en"


def problems(text: str, **longest: str) -> list[str]:
    try:
        check_text(text, VALUES | longest)
    except ValidationError as error:
        return list(error.messages)
    return []


def test_variables_are_filled_in() -> None:
    values = {"order_number": "42", "customer_name": "Анна", "status": "Оплачен"}

    text = render("{customer_name}, заказ { order_number }: {status}!", values)

    assert text == "Анна, заказ 42: Оплачен!"


def test_what_is_filled_in_is_not_filled_in_again() -> None:
    values = {"customer_name": "{order_number}", "order_number": "42"}

    assert render("{customer_name} {order_number}", values) == "{order_number} 42"


@pytest.mark.parametrize("text", ["{unknown}", "{0}", "{}", "{", "}", "a{b}c}", "{{x"])
def test_what_is_no_variable_stays_and_breaks_nothing(text: str) -> None:
    assert render(text, VALUES) == text


@pytest.mark.parametrize(
    "text", ["", "Заказ {order_number}", "🌸", "{ status }", "a\n\nb", "%s %(a)s"]
)
def test_a_right_text_has_no_problems(text: str) -> None:
    assert problems(text) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{number}", "There is no variable {number}"),
        ("{Order_number}", "There is no variable {Order_number}"),
        ("{order_number!r}", "There is no variable {order_number!r}"),
        ("{status.pk}", "There is no variable {status.pk}"),
        ("{}", "There is no variable {}"),
        ("Заказ {order_number", "never closed"),
        ("Заказ order_number}", "never opened"),
        ("{{order_number}}", "never opened"),
        ("\u200b \u2060", "nothing to see"),
    ],
)
def test_a_wrong_text_is_explained(text: str, words: str) -> None:
    assert words in " ".join(problems(text))


def test_every_unknown_variable_is_named() -> None:
    assert len(problems("{a} {b} {a}")) == 2


def test_an_unknown_variable_is_told_with_those_that_there_are() -> None:
    (problem,) = problems("{a}")

    assert "{order_number}, {customer_name}, {status}" in problem


def test_length_is_counted_as_telegram_does() -> None:
    assert telegram_length("Заказ") == 5
    assert telegram_length("🌸🌸") == 4


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("я" * LONGEST_MESSAGE, True),
        ("я" * (LONGEST_MESSAGE + 1), False),
        ("🌸" * (LONGEST_MESSAGE // 2), True),
        ("🌸" * (LONGEST_MESSAGE // 2) + "я", False),
    ],
)
def test_the_longest_message_is_telegrams(text: str, fits: bool) -> None:
    assert (problems(text) == []) is fits


def test_length_is_that_with_the_longest_values() -> None:
    text = "я" * (LONGEST_MESSAGE - 10) + "{customer_name}"

    assert problems(text, customer_name="я" * 10) == []
    assert "4097" in problems(text, customer_name="я" * 11)[0]
