"""Ties a process to the supervisor that started it: it starts and ends with it.

The supervisor keeps the other end of our standard input. A line in it means "go"; its
end means that the supervisor is no more, whichever way it died.
"""

import ctypes
import os
import signal
import sys
import threading
import time

# What is in mid-send may finish and be recorded; then nobody is left to be waited for.
GRACE_SECONDS = 3.0
GO = b"go\n"

_STDIN = 0
_PR_SET_PDEATHSIG = 1


def end_with_parent() -> bool:
    """Have the kernel send SIGTERM when the supervisor dies; False if it cannot."""
    if sys.platform != "linux":
        return False
    return bool(ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM) == 0)


def wait_for_go() -> bool:
    """Return True on "go", False when the supervisor ended before."""
    return os.read(_STDIN, len(GO)) == GO


def watch(*, is_told_by_kernel: bool) -> None:
    """From now on, stop politely when the supervisor dies, and soon in any case.

    A second SIGTERM, on top of the kernel's, would cut off what is in mid-send.
    """

    def wait_for_end() -> None:
        while os.read(_STDIN, 1):
            pass
        if not is_told_by_kernel:
            os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(GRACE_SECONDS)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=wait_for_end, name="lifeline", daemon=True).start()
