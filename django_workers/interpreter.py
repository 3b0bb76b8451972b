"""How a process that does nothing but drain a queue treats Python itself."""

import gc
import sys

# How long the database's thread waits for a busy event loop to let it go on, some ten
# times in each transaction. Python's default is 5 ms.
SWITCH_SECONDS = 0.001


def tune() -> None:
    """Spend less time on looking for garbage and on waiting for the other thread.

    What was imported stays: to look through it again and again takes a tenth of a busy
    worker's time. What handlers leave behind is collected as often as ever, for it may
    hold far more memory than it counts objects. Call it once, when everything is
    imported.
    """
    gc.collect()
    gc.freeze()
    sys.setswitchinterval(SWITCH_SECONDS)
