"""SQLite's lock is left to others for as long as it was kept."""

import pytest

from django_workers.lock_debt import LockDebt


def keep(debt, since, seconds):
    debt.add(since, since + seconds)
    return since + seconds


def test_it_is_left_for_as_long_as_it_was_kept():
    debt = LockDebt()

    now = keep(debt, 100.0, 0.2)

    assert debt.pay(now) == pytest.approx(0.2)
    assert debt.pay(now + 0.2) == 0


def test_what_is_kept_in_a_row_adds_up():
    """A settle need not wait for the claim after it; three in a row are too many."""
    debt, now, paid = LockDebt(), 100.0, []

    for _ in range(3):
        now = keep(debt, now, 0.02)
        paid.append(debt.pay(now))

    assert paid == pytest.approx([0, 0, 0.06])


def test_the_time_for_which_it_was_free_already_counts():
    debt = LockDebt()

    now = keep(debt, 100.0, 0.2)

    assert debt.pay(now + 0.1) == pytest.approx(0.1)


def test_who_was_idle_for_long_has_nothing_to_his_credit():
    debt = LockDebt()
    now = keep(debt, 100.0, 0.2)
    assert debt.pay(now + 60) == 0

    now = keep(debt, now + 60, 0.2)

    assert debt.pay(now) == pytest.approx(0.2)


def test_it_is_never_left_for_more_than_a_second_at_once():
    debt = LockDebt()

    now = keep(debt, 100.0, 30)

    assert debt.pay(now) == 1
    assert debt.pay(now + 1) == 0
