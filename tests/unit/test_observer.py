"""Who is dead is judged by counters, on the observer's own clock."""

import time

import pytest

from django_workers.heartbeat import Observer, boot_seconds

BEAT = 2.0


def look(observer, *looks):
    """Show the observer a counter every BEAT seconds; return its last verdict."""
    dead = {}
    for now, heartbeats in looks:
        dead = observer.observe(heartbeats, now)
    return dead


def still(count, start=0.0):
    """The same counter of worker 1, seen `count` times."""
    return [(start + BEAT * n, {1: 5}) for n in range(count)]


def test_a_counter_that_stands_still_for_five_beats_is_dead():
    assert look(Observer(BEAT), *still(5)) == {}
    assert look(Observer(BEAT), *still(6)) == {1: 5}


def test_a_counter_that_moves_is_alive():
    moving = [(BEAT * n, {1: n // 4}) for n in range(50)]

    assert look(Observer(BEAT), *moving) == {}


def test_each_worker_is_judged_by_its_own_counter():
    looks = [(BEAT * n, {1: 5, 2: n}) for n in range(6)]

    assert look(Observer(BEAT), *looks) == {1: 5}


def test_after_a_gap_in_reading_the_observation_starts_anew():
    observer = Observer(BEAT)

    assert look(observer, *still(5)) == {}
    assert look(observer, *still(5, start=3600)) == {}
    assert look(observer, (3610, {1: 5})) == {1: 5}


def test_one_missed_look_is_no_gap():
    assert look(Observer(BEAT), *still(4), (10.0, {1: 5})) == {1: 5}


def test_a_worker_that_is_gone_is_forgotten():
    observer = Observer(BEAT)

    assert look(observer, *still(5), (10.0, {})) == {}
    assert look(observer, (12.0, {1: 5})) == {}


def test_a_dead_worker_is_named_again_until_it_is_gone():
    observer = Observer(BEAT)

    assert look(observer, *still(6)) == {1: 5}
    assert look(observer, (12.0, {1: 5})) == {1: 5}


@pytest.mark.skipif(not hasattr(time, "CLOCK_BOOTTIME"), reason="only Linux has it")
def test_a_worker_s_own_silence_is_counted_on_a_clock_that_counts_suspension(
    monkeypatch,
):
    """A laptop that slept for an hour was silent for an hour."""
    clocks = {time.CLOCK_BOOTTIME: 3605.0, time.CLOCK_MONOTONIC: 5.0}
    monkeypatch.setattr(time, "clock_gettime", clocks.__getitem__)

    assert boot_seconds() == 3605.0
