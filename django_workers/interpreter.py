"""How a process that does nothing but drain a queue treats Python itself."""

import gc
import sys

# How long the database's thread waits for a busy event loop to let it go on, some ten
# times in each transaction. Python's default is 5 ms.
SWITCH_SECONDS = 0.001
# So many objects a task in flight is made of, about: those that hold others, which is
# what the garbage collector counts.
OBJECTS_OF_A_TASK = 100


def tune(concurrency: int) -> None:
    """Spend less time on looking for garbage and on waiting for the other thread.

    What was imported stays: to look through it again and again takes a tenth of a busy
    worker's time. And a worker starts many tasks at once; garbage is looked for when
    there may be as much of it as belongs to `concurrency` tasks, not several times
    while they start. Call it once, when everything is imported.
    """
    gc.collect()
    gc.freeze()
    usual, *older = gc.get_threshold()
    gc.set_threshold(usual + concurrency * OBJECTS_OF_A_TASK, *older)
    sys.setswitchinterval(SWITCH_SECONDS)
