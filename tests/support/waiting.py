"""Waits for what another thread or process is about to do."""

import time
from collections.abc import Callable
from typing import TypeVar

_Result = TypeVar("_Result")


def wait_until(
    predicate: Callable[[], _Result], timeout: float = 10.0, what: str = "it"
) -> _Result:
    """Return the first true answer of `predicate`.

    Raises:
        AssertionError: `what` did not happen in time.
    """
    deadline = time.monotonic() + timeout
    while True:
        if found := predicate():
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not happen within {timeout:g} s")
        time.sleep(0.02)
