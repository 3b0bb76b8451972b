"""Keeps the project's `.env`: the secret key is made there on the first run."""

import os
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured
from django.core.management.utils import get_random_secret_key

SECRET_KEY_LINE = "SECRET_KEY="  # noqa: S105 - the variable's name, not a secret


def check_encoding(path: Path) -> None:
    """Check that the file is text in UTF-8.

    Raises:
        ImproperlyConfigured: it is not, or cannot be read.
    """
    try:
        text = path.read_bytes()
        text.decode()
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 1
        raise ImproperlyConfigured(
            f"{path} is not UTF-8 text: see line {line}. Save it in that encoding."
        ) from None
    except OSError as error:
        raise ImproperlyConfigured(
            f"{path} cannot be read ({error.strerror})."
        ) from None


def ensure_secret_key(path: Path) -> str:
    """Return the secret key of `.env`, which is written there if it has none.

    The file is made readable to its owner alone (mode 0600).

    Raises:
        ImproperlyConfigured: the file cannot be read or written.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "r+", encoding="utf-8") as file:
            _lock(file.fileno())
            text = file.read()
            if key := _find_secret_key(text):
                return key
            os.fchmod(file.fileno(), 0o600)
            key = get_random_secret_key().replace("$", "S").replace("#", "h")
            separator = "" if not text or text.endswith("\n") else "\n"
            file.write(f"{separator}{SECRET_KEY_LINE}'{key}'\n")
            return key
    except OSError as error:
        raise ImproperlyConfigured(
            f"The secret key cannot be kept in {path} ({error.strerror}). Make the "
            "folder writable for this user, or set SECRET_KEY in the environment."
        ) from None


def _lock(descriptor: int) -> None:
    """Two first starts at once must agree on one key."""
    try:
        import fcntl
    except ImportError:  # pragma: no cover - Windows has no fcntl
        return
    fcntl.flock(descriptor, fcntl.LOCK_EX)


def _find_secret_key(text: str) -> str:
    lines = [line for line in text.splitlines() if line.startswith(SECRET_KEY_LINE)]
    return lines[-1].removeprefix(SECRET_KEY_LINE).strip().strip("'\"") if lines else ""
