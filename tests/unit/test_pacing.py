"""The token bucket, as arithmetic."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from django_workers.pacing import Bucket

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def after(seconds):
    return NOON + timedelta(seconds=seconds)


def test_a_new_bucket_is_full():
    assert Bucket(0, None, 28).refilled(NOON).available == 7


def test_it_refills_at_its_rate_and_never_above_the_burst():
    empty = Bucket(0, NOON, 28)

    assert empty.refilled(after(0.1)).available == 2
    assert empty.refilled(after(3600)).available == 7


def test_a_slow_queue_may_start_one_task_at_least():
    assert Bucket(0, None, 0.1).refilled(NOON).available == 1
    assert Bucket(0, NOON, 0.1).refilled(after(9.9)).available == 0
    assert Bucket(0, NOON, 0.1).refilled(after(10)).available == 1


def test_it_says_when_the_next_token_is_there():
    assert Bucket(0.5, NOON, 10).seconds_to_next == pytest.approx(0.05)
    assert Bucket(3, NOON, 10).seconds_to_next == 0


def test_a_clock_that_goes_back_refills_nothing_and_stops_nothing():
    bucket = Bucket(0.25, NOON, 10).refilled(after(-3600))

    assert bucket.tokens == 0.25
    assert bucket.refilled(after(-3599)).available == 2


# How long one takes says how busy the machine is.
@settings(deadline=None)
@given(
    st.floats(0.1, 1000),
    st.lists(st.tuples(st.floats(-3600, 3600), st.integers(1, 300)), max_size=50),
)
def test_no_second_sees_more_than_the_rate_and_one_burst(rate, looks):
    """Whatever the clock does, between any two looks."""
    bucket, clock, taken = Bucket(0, None, rate), 0.0, []
    forward = 0.0
    for step, wanted in looks:
        clock += step
        forward += max(0.0, step)
        bucket = bucket.refilled(after(clock))
        count = min(wanted, bucket.available)
        bucket = bucket.take(count)
        taken.append((forward, count))
    for index, (start, _) in enumerate(taken):
        total = 0
        for moment, count in taken[index:]:
            total += count
            assert total <= bucket.burst + rate * (moment - start) + 0.001
