"""By which words customers are found: letters of any case, phones in any notation."""

import pytest

from notifications.models.search_words import MOST_TERMS, terms_of, words_of


def is_found(term: str, *, name: str = "", phone: str = "", username: str = "") -> bool:
    words = words_of(name, phone, username)
    return all(
        any(word.startswith(beginning) for word in words for beginning in beginnings)
        for beginnings in terms_of(term)
    )


@pytest.mark.parametrize(
    "term",
    [
        *("Семёнов", "СЕМЕНОВ", "семёнов пётр", "петр сем", "щедрин", "салтыков-щ"),
        *("«Семёнов»", "  семенов  ", "ленина 5", "🌸"),
    ],
)
def test_a_name_is_found_by_the_beginnings_of_its_words(term: str) -> None:
    assert is_found(term, name="Семёнов Пётр Салтыков-Щедрин, ул. Ленина, 5 🌸")


@pytest.mark.parametrize("term", ["еменов", "петров", "семенов анна", "ленина 51"])
def test_other_names_are_not_found(term: str) -> None:
    assert not is_found(term, name="Семёнов Пётр, ул. Ленина, 5")


@pytest.mark.parametrize(
    "term",
    [
        *("+7 916 123-45-67", "8 (916) 123-45-67", "89161234567", "79161234567"),
        *("9161234567", "916 123 45 67", "+7916", "8916", "8 916 12", "916"),
        *("4567", "123-45-67", "45 67", "Анна +7 916 123-45-67", "8916123 анна"),
        "٩١٦١٢٣٤٥٦٧",
    ],
)
@pytest.mark.parametrize("phone", ["+7 916 123-45-67", "8(916)1234567", "79161234567"])
def test_a_phone_is_found_in_any_notation_by_its_beginning_or_end(
    term: str, phone: str
) -> None:
    assert is_found(term, name="Анна", phone=phone)


@pytest.mark.parametrize("term", ["+7 917", "4568", "79161234568", "Пётр 4567"])
def test_other_phones_are_not_found(term: str) -> None:
    assert not is_found(term, name="Анна", phone="+7 916 123-45-67")


@pytest.mark.parametrize("term", ["@Anna_Petrova", "anna_p", "ANNA_PETROVA", "petrova"])
def test_a_username_is_found_with_and_without_its_sign(term: str) -> None:
    assert is_found(term, username="Anna_Petrova")


def test_a_foreign_phone_keeps_its_first_digit() -> None:
    assert is_found("+44 7700", phone="+44 7700 900004")
    assert is_found("900004", phone="+44 7700 900004")


@pytest.mark.parametrize("term", ["", "   ", "()", "–", "'"])
def test_nothing_to_look_for_makes_no_terms(term: str) -> None:
    assert terms_of(term) == []


def test_a_word_is_never_longer_than_its_column() -> None:
    long = "я" * 200
    assert words_of(long, "9" * 100, "") == {"я" * 64, "9" * 64, "~" + "9" * 63}
    assert is_found(long, name=long)


def test_a_whole_text_that_was_pasted_asks_for_its_first_words_only() -> None:
    text = " ".join(f"слово{number}" for number in range(200))

    assert terms_of(text) == [{f"слово{number}"} for number in range(MOST_TERMS)]


def test_a_word_that_is_typed_twice_is_looked_for_once() -> None:
    assert terms_of("Анна анна АННА") == [{"анна"}]


@pytest.mark.parametrize("term", ["ivan1985", "@IVAN1985", "ivan198", "лист1400 0"])
def test_digits_within_a_word_are_no_phone(term: str) -> None:
    assert is_found(term, name="Лист1400 0", username="ivan1985")
