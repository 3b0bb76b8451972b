"""Turns SIGTERM and SIGINT into a request that the worker's loop can see."""

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopRequest:
    """Whether this worker was asked to stop."""

    def __init__(self) -> None:
        self.is_set = False


@contextmanager
def stop_on_signals(notify: Callable[[], None]) -> Iterator[StopRequest]:
    """Record the first signal and call `notify` on the loop; the second ends at once.

    The second one exits with 128 + the signal's number, even when the loop is stuck.
    Only the main thread can be asked this way: elsewhere (under --reload) nothing is
    installed.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    loop = asyncio.get_running_loop()

    def record(signum: int, frame: FrameType | None) -> None:
        if request.is_set:
            os._exit(128 + signum)
        request.is_set = True
        loop.call_soon_threadsafe(notify)

    previous = {number: signal.signal(number, record) for number in STOP_SIGNALS}
    try:
        yield request
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
