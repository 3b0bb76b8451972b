"""A temporary folder that goes away, if need be when the next one is made."""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PREFIX = "order-notifications-demo-"
_MARK = "in-use.lock"
# A younger one may be about to be locked.
_SURE_AFTER_SECONDS = 10.0


@contextmanager
def throwaway_folder() -> Iterator[Path]:
    """Yield a new folder and remove it afterwards.

    Folders are removed, too, whose process was killed before it could do so.
    """
    _remove_forgotten()
    with tempfile.TemporaryDirectory(prefix=_PREFIX) as name:
        folder = Path(name)
        with (folder / _MARK).open("w") as mark:
            fcntl.flock(mark, fcntl.LOCK_EX)
            yield folder


def _remove_forgotten() -> None:
    for mark in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*/{_MARK}"):
        with suppress(OSError):
            if _is_forgotten(mark):
                shutil.rmtree(mark.parent)


def _is_forgotten(mark: Path) -> bool:
    status = mark.stat()
    if status.st_uid != os.getuid() or time.time() < status.st_mtime + (
        _SURE_AFTER_SECONDS
    ):
        return False
    with mark.open("r+") as file:
        # BlockingIOError, an OSError: somebody lives there.
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return True
