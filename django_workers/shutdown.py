"""How a worker's process ends: SIGTERM and SIGINT ask its loop to; or at once."""

import asyncio
import logging
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn

LAST_WORDS_SECONDS = 1.0
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopRequest:
    """Whether a worker was asked to stop; it may be asked from any thread."""

    def __init__(self) -> None:
        self.is_set = False
        self._wake: Callable[[], object] | None = None

    def make(self) -> None:
        """Ask the worker to stop."""
        self.is_set = True
        # A loop that is closed has stopped already.
        with suppress(RuntimeError):
            if self._wake is not None:
                self._wake()

    def wake_with(self, notify: Callable[[], None]) -> None:
        """Have `notify` called on the running loop when the request is made."""
        loop = asyncio.get_running_loop()
        self._wake = lambda: loop.call_soon_threadsafe(notify)
        if self.is_set:
            notify()


def end_at_once(code: int) -> NoReturn:
    """End the process; in the ordinary way Python would wait for a stuck handler.

    What is still to be written of the log gets a moment; it may be what hangs.
    """
    if sys.exc_info()[0] is not None:
        traceback.print_exc()
        code = 1
    last_resort = threading.Timer(LAST_WORDS_SECONDS, os._exit, [code])
    last_resort.daemon = True
    last_resort.start()
    try:
        logging.shutdown()
        sys.stdout.flush()
    finally:
        os._exit(code)


@contextmanager
def stop_on_signals(request: StopRequest) -> Iterator[None]:
    """Make the request at the first signal; the second ends the process at once.

    The second one exits with 128 + the signal's number, even when the loop is stuck.
    Only the main thread can be asked this way: elsewhere (under --reload) nothing is
    installed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def record(signum: int, frame: FrameType | None) -> None:
        if request.is_set:
            os._exit(128 + signum)
        request.make()

    previous = {number: signal.signal(number, record) for number in STOP_SIGNALS}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
