"""A loop that stands still is noticed; one that is busy, or slept, is left alone."""

import asyncio
import contextlib
import threading

import pytest

from django_workers.watchdog import Watchdog
from tests.support.waiting import wait_until


class Watched:
    """A loop in a thread that can be stopped from going round, and its watchdog."""

    def __init__(self, seconds: float, longest: float | None) -> None:
        self.longest = longest
        self.given_up: list[int] = []
        self.may_go_on = threading.Event()
        self.is_blocked = False
        self.watchdog = Watchdog(seconds, lambda: self.longest, self.give_up)

    def give_up(self) -> None:
        self.given_up.append(1)

    def look(self, times: int) -> None:
        for _ in range(times):
            self.watchdog.look()

    def look_and_wait_for_an_answer(self) -> None:
        self.watchdog.look()
        wait_until(lambda: self.watchdog._has_answered, what="the answer")

    def block(self) -> None:
        self.loop.call_soon_threadsafe(self.stand_still)
        wait_until(lambda: self.is_blocked, what="the standstill")

    def stand_still(self) -> None:
        self.is_blocked = True
        self.may_go_on.wait(30)

    @contextlib.contextmanager
    def running(self):
        is_over, is_ready = asyncio.Event(), threading.Event()

        async def go_round():
            self.loop = asyncio.get_running_loop()
            self.watchdog.start()
            is_ready.set()
            await is_over.wait()

        thread = threading.Thread(target=lambda: asyncio.run(go_round()))
        thread.start()
        assert is_ready.wait(5)
        try:
            yield
        finally:
            self.may_go_on.set()
            self.loop.call_soon_threadsafe(is_over.set)
            thread.join()


def test_a_loop_that_answers_is_left_alone():
    watched = Watched(seconds=10, longest=1)

    with watched.running():
        for _ in range(5):
            watched.look_and_wait_for_an_answer()

    assert watched.given_up == []


def test_it_is_given_up_when_it_stood_still_for_longer_than_it_may(caplog):
    watched = Watched(seconds=1, longest=2)

    with watched.running():
        watched.look_and_wait_for_an_answer()
        watched.block()
        watched.look(1 + 3)
        assert watched.given_up == []
        watched.look(1)
        assert watched.given_up == [1]

    (told,) = [each for each in caplog.records if each.event == "worker.blocked"]
    assert "test_watchdog.py" in told.getMessage()
    assert "stand_still" in told.getMessage()


def test_a_loop_that_goes_on_begins_anew():
    watched = Watched(seconds=1, longest=2)

    with watched.running():
        watched.look_and_wait_for_an_answer()
        watched.block()
        watched.look(1 + 3)
        watched.may_go_on.set()
        wait_until(lambda: watched.watchdog._has_answered, what="the answer")
        watched.is_blocked = False
        watched.may_go_on.clear()
        watched.block()
        watched.look(1 + 3)

    assert watched.given_up == []


def test_without_a_limit_it_may_stand_still_for_ever():
    watched = Watched(seconds=1000, longest=None)

    with watched.running():
        watched.block()
        watched.look(100)

    assert watched.given_up == []


def test_whoever_asks_it_to_stop_gives_it_its_time_from_then_on():
    watched = Watched(seconds=1, longest=None)

    with watched.running():
        watched.block()
        watched.look(1 + 100)
        watched.longest = 2
        watched.look(3)
        assert watched.given_up == []
        watched.look(1)
        assert watched.given_up == [1]


@pytest.mark.parametrize("seconds", [5, 60])
def test_one_silent_look_proves_nothing(seconds):
    """The process may have slept right after the question."""
    watched = Watched(seconds=seconds, longest=0)

    with watched.running():
        watched.block()
        watched.look(1 + 1)
        assert watched.given_up == []
        watched.look(1)
        assert watched.given_up == [1]
