"""How a process that does nothing but drain a queue treats Python itself."""

import gc
import sys

# How many new objects make the garbage collector look at them. By default it would look
# every few tasks, mostly at what is in use: each in flight is some hundred objects.
COLLECT_AFTER_OBJECTS = 50_000
# How long the database's thread waits for a busy event loop to let it go on, some ten
# times in each transaction. Python's default is 5 ms.
SWITCH_SECONDS = 0.001


def tune() -> None:
    """Spend less time on looking for garbage and on waiting for the other thread.

    What was imported stays: to look through it again and again takes a tenth of a busy
    worker's time. Call it once, when everything is imported.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER_OBJECTS, *gc.get_threshold()[1:])
    sys.setswitchinterval(SWITCH_SECONDS)
