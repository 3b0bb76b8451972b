"""Texts are read as Telegram reads them."""

import pytest

from bot.local_telegram.answers import ApiError
from bot.local_telegram.markup import commands_in, length, parse_html


def test_html_becomes_plain_text_with_entities():
    text, entities = parse_html(
        '<b>Заказ 7</b> &lt;<a href="https://x.y/?a=1&amp;b">я</a>'
    )

    assert text == "Заказ 7 <я"
    assert entities == [
        {"type": "bold", "offset": 0, "length": 7},
        {"type": "text_link", "offset": 9, "length": 1, "url": "https://x.y/?a=1&b"},
    ]


def test_entities_are_counted_in_utf_16_units():
    _, entities = parse_html("🌸<i>🐈</i>")

    assert entities == [{"type": "italic", "offset": 2, "length": 2}]


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("a < b", 'Unsupported start tag "" at byte offset 2'),
        ("a <", "Unclosed start tag at byte offset 2"),
        ("я<x>", 'Unsupported start tag "x" at byte offset 2'),
        ("</b>", "Unexpected end tag at byte offset 0"),
        (
            "<b><i>a</b></i>",
            'Unmatched end tag at byte offset 7, expected "</i>", found "</b>"',
        ),
        ("<b>a", 'Can\'t find end tag corresponding to start tag "b"'),
    ],
)
def test_broken_html_is_refused_in_telegrams_words(source, reason):
    with pytest.raises(ApiError) as caught:
        parse_html(source)

    assert caught.value.code == 400
    assert caught.value.description.startswith("Bad Request: can't parse entities: ")
    if not source.startswith("a <"):
        assert caught.value.description.endswith(reason)


def test_commands_of_a_text_are_found_wherever_they_stand():
    found = commands_in("🌸 /start@shop_bot и/нет /help!")

    assert [(one["offset"], one["length"]) for one in found] == [(3, 15), (25, 5)]


def test_length_counts_an_emoji_as_two():
    assert length("a🌸") == 3
