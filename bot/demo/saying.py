"""What is meant for the person at the terminal, and not for a log."""

import os
import sys


def say(text: str = "") -> None:
    """Show it at once, also when somebody reads the output through a pipe.

    Whoever does may stop reading, as `head` does: then nobody needs to be told.
    """
    try:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        # What is left in the buffer would fail again when the process ends.
        with open(os.devnull, "wb") as nobody:
            os.dup2(nobody.fileno(), sys.stdout.fileno())
