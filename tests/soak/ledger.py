"""What all processes of a chaos run write down, outside of the database under test.

One JSON object a line, each written by one append: a process that dies in the next
instruction has written it whole. `at` is the system's monotonic clock, which is one
for all processes of a machine and which no test sets.
"""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

VARIABLE = "SOAK_LEDGER"

Entry = dict[str, Any]


def note(event: str, **facts: Any) -> None:
    """Add a line to the file that SOAK_LEDGER names."""
    entry = {"at": time.monotonic(), "pid": os.getpid(), "event": event, **facts}
    line = json.dumps(entry, ensure_ascii=False) + "\n"
    file = os.open(os.environ[VARIABLE], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(file, line.encode())
    finally:
        os.close(file)


def read(path: Path) -> list[Entry]:
    """Return all entries in the order of their times."""
    with path.open(encoding="utf-8") as lines:
        return sorted(map(json.loads, lines), key=lambda entry: entry["at"])


class Tail:
    """Gives the entries that were added since it was asked last."""

    def __init__(self, path: Path) -> None:
        path.touch(mode=0o600)
        self._file = path.open("rb")
        self._rest = b""

    def entries(self) -> Iterator[Entry]:
        *lines, self._rest = (self._rest + self._file.read()).split(b"\n")
        yield from map(json.loads, lines)

    def close(self) -> None:
        self._file.close()
