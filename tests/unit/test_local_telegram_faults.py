"""What is switched on strikes whom it should, as often as it should."""

import pytest

from bot.local_telegram import Rule
from bot.local_telegram.faults import Faults, make_rule


def test_a_rule_with_times_strikes_that_often_and_is_gone():
    faults = Faults()
    faults.add(Rule(kind="flood", times=2))

    struck = [faults.strike("sendMessage", 1) is not None for _ in range(4)]

    assert struck == [True, True, False, False]
    assert faults.rules == []


def test_a_rule_for_one_chat_leaves_the_others_alone():
    faults = Faults()
    faults.add(Rule(kind="refuse", chat_id=7))

    assert faults.strike("sendMessage", 8) is None
    assert faults.strike("sendMessage", 7) is not None


def test_rules_are_about_sending_unless_they_say_otherwise():
    faults = Faults()
    faults.add(Rule(kind="cut_before"))

    assert faults.strike("getMe", None) is None

    faults.add(Rule(kind="cut_before", method="*"))

    assert faults.strike("getMe", None) is not None


def test_shares_are_about_right_and_the_same_for_the_same_seed():
    def struck(seed):
        faults = Faults(seed)
        faults.set(
            rules=[
                {"kind": "refuse", "share": 0.05},
                {"kind": "flood", "share": 0.03},
                {"kind": "cut_after", "share": 0.02},
            ]
        )
        rules = [faults.strike("sendMessage", 1) for _ in range(5000)]
        return [rule.kind if rule else "" for rule in rules]

    first = struck(1)

    assert first == struck(1)
    assert first != struck(2)
    assert 200 < first.count("refuse") < 300
    assert 100 < first.count("flood") < 200
    assert 60 < first.count("cut_after") < 140


def test_a_flooded_chat_is_held_until_its_wait_is_over():
    faults = Faults()
    faults.add(Rule(kind="flood", times=1, retry_after=30, holds_chat=True))

    faults.strike("sendMessage", 1)
    again = faults.strike("sendMessage", 1)

    assert again is not None
    assert 29 <= again.retry_after <= 30
    assert faults.strike("sendMessage", 2) is None


def test_more_messages_a_second_than_allowed_are_flooded():
    faults = Faults()
    faults.set(messages_per_second=3)

    struck = [faults.strike("sendMessage", chat) is not None for chat in range(5)]

    assert struck == [False, False, False, True, True]


@pytest.mark.parametrize(
    "changes",
    [
        {"nonsense": 1},
        {"down": 1},
        {"slow_seconds": -1},
        {"slow_seconds": float("nan")},
        {"messages_per_second": 0},
        {"seed": "x"},
        {"rules": {}},
        {"rules": [7]},
        {"rules": [{"kind": "flood"}, {"kind": "nonsense"}]},
        {"rules": [{"kind": "flood", "share": 2}]},
        {"rules": [{"kind": "flood", "times": 0}]},
        {"rules": [{"kind": "flood", "times": True}]},
        {"rules": [{"kind": "flood", "nonsense": 1}]},
        {"rules": [{"kind": ["flood"]}]},
        {"rules": [{"kind": "refuse", "code": 200}]},
    ],
)
def test_nonsense_is_refused_and_changes_nothing(changes):
    faults = Faults()
    faults.add(Rule(kind="flood"))
    before = faults.as_json()

    with pytest.raises(ValueError, match=r".+"):
        faults.set(slow_seconds=3, **changes) if "slow_seconds" not in changes else (
            faults.set(**changes)
        )

    assert faults.as_json() == before


def test_a_rule_from_json_cannot_choose_its_own_number():
    rule = make_rule({"kind": "flood", "id": 99, "applied": 5})

    assert (rule.id, rule.applied) == (0, 0)
