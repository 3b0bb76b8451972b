"""One process of the product, and when it is started again."""

import logging
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress

from bot.processes.lifeline import GO

# The first restart is at once; a part that keeps failing is left alone for longer.
_FIRST_DELAY_SECONDS = 1.0
_LONGEST_DELAY_SECONDS = 30.0
_HEALTHY_SECONDS = 60.0

_logger = logging.getLogger(__name__)


class Part:
    """A child process with one job; `python -m bot NAME` is what it runs.

    Its process group is its own, so that Ctrl-C in a terminal reaches the supervisor
    alone, which then stops the parts in order.
    """

    def __init__(
        self,
        name: str,
        *arguments: str,
        restarts: bool = True,
        stop_seconds: float = 5.0,
        environment: Mapping[str, str] | None = None,
        descriptors: Sequence[int] = (),
        is_quiet: bool = False,
    ) -> None:
        self.name = name
        self.restarts = restarts
        self.stop_seconds = stop_seconds
        self.starts = 0
        self._command = [sys.executable, "-m", "bot", name, "--lifeline", *arguments]
        self._environment = environment
        self._descriptors = descriptors
        self._is_quiet = is_quiet
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0
        self._delay = 0.0
        self._due_at: float | None = None

    # --- life -------------------------------------------------------------------------

    def start(self) -> None:
        """Start importing; the work itself begins with `go`."""
        self._due_at = None
        self.starts += 1
        self._started_at = time.monotonic()
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL if self._is_quiet else None,
            process_group=0,
            env=self._environment,
            pass_fds=self._descriptors,
        )
        _logger.debug("%s started, process %s", self.name, self._process.pid)

    def go(self) -> None:
        """Let the work begin."""
        if self._process is not None and self._process.stdin is not None:
            # One that has died already is noticed by `take_exit_code`.
            with suppress(BrokenPipeError):
                os.write(self._process.stdin.fileno(), GO)

    def ask_to_stop(self) -> None:
        if self._process is not None:
            self._process.terminate()

    def kill(self) -> None:
        """End it now; when this returns it does nothing more."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    # --- what became of it ------------------------------------------------------------

    @property
    def is_running(self) -> bool:
        """Whether there is a process that `take_exit_code` has not told the end of."""
        return self._process is not None

    def take_exit_code(self) -> int | None:
        """Return, once, how the process ended; None when there is nothing new."""
        if self._process is None or (code := self._process.poll()) is None:
            return None
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process = None
        return code

    # --- starting again ---------------------------------------------------------------

    def plan_restart(self) -> float:
        """Return in how many seconds it is to be started again."""
        now = time.monotonic()
        if now - self._started_at >= _HEALTHY_SECONDS:
            self._delay = 0.0
        delay, self._delay = (
            self._delay,
            min(max(2 * self._delay, _FIRST_DELAY_SECONDS), _LONGEST_DELAY_SECONDS),
        )
        self._due_at = now + delay
        return delay

    @property
    def seconds_to_restart(self) -> float | None:
        """In how many seconds it is due; None when no restart is planned."""
        if self._due_at is None:
            return None
        return max(0.0, self._due_at - time.monotonic())
