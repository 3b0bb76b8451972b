"""What is meant for the person at the terminal, and not for a log."""

import sys


def say(text: str = "") -> None:
    """Show it at once, also when somebody reads the output through a pipe."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
