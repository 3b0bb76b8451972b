"""Keeps the parts of the product running, and stops them in order."""

import logging
import queue
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from bot import exit_codes
from bot.processes.parts import Part

_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

_ECHO_SECONDS = 0.5

_logger = logging.getLogger(__name__)


class Supervisor:
    """Runs `preparation` to its end, then all `parts` until told to stop.

    The parts are stopped in the order in which they are given. With `finishes`, the end
    of that part is the end of everything, and its exit code that of the supervisor.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        *,
        preparation: Part,
        finishes: Part | None = None,
        on_started: Callable[[], None] = lambda: None,
    ) -> None:
        self._parts = parts
        self._preparation = preparation
        self._finishes = finishes
        self._on_started = on_started
        self._stopping_since = 0.0
        # Handlers only record what came; it is a queue that they may put into.
        self._signals: queue.SimpleQueue[int] = queue.SimpleQueue()

    def run(self) -> int:
        """Return the exit code: 0 after a signal that everything obeyed."""
        with self._recorded_signals():
            # All at once: what takes long is the imports, and they need no database.
            for part in (self._preparation, *self._parts):
                part.start()
            self._preparation.go()
            try:
                code = self._prepare()
                if code is None:
                    code = self._keep_running()
                return self._stop(code)
            finally:
                for part in self._all_parts():
                    part.kill()

    # --- running ----------------------------------------------------------------------

    def _prepare(self) -> int | None:
        """Return None when all is prepared, else the code to exit with."""
        while True:
            if self._next_signal() is not None:
                return exit_codes.OK
            code = self._preparation.take_exit_code()
            if code is not None:
                break
        if code != exit_codes.OK:
            return code if code > 0 else exit_codes.FAILED
        for part in self._parts:
            part.go()
        self._on_started()
        return None

    def _keep_running(self) -> int:
        """Start again what ends, until a signal comes; return the code to exit with."""
        while True:
            for part in self._parts:
                if (code := self._look_after(part)) is not None:
                    return code
            if (signum := self._next_signal(self._seconds_to_restart())) is not None:
                _logger.info("Stopping: %s", signal.Signals(signum).name)
                return exit_codes.OK

    def _look_after(self, part: Part) -> int | None:
        """Start a part again if need be; return a code if everything must stop."""
        if (code := part.take_exit_code()) is not None:
            if part is self._finishes:
                return code if code >= 0 else exit_codes.FAILED
            if code == exit_codes.REJECTED and part.starts == 1:
                # It has said why. Later on, the others keep running without it.
                return code
            if part.restarts:
                delay = part.plan_restart()
                when = f"in {delay:g} s" if delay else "now"
                _logger.error(
                    "%s ended (%s): starting it again %s",
                    part.name,
                    _describe(code),
                    when,
                )
        if part.seconds_to_restart == 0:
            part.start()
            part.go()
        return None

    def _seconds_to_restart(self) -> float | None:
        waits = [part.seconds_to_restart for part in self._parts]
        return min((wait for wait in waits if wait is not None), default=None)

    # --- stopping ---------------------------------------------------------------------

    def _stop(self, code: int) -> int:
        """Stop the parts one after the other; a signal meanwhile kills them all."""
        self._stopping_since = time.monotonic()
        for part in self._all_parts():
            if not part.is_running:
                continue
            part.ask_to_stop()
            signum = self._wait_for_end(part)
            if signum is not None:
                _logger.error("Killed by a second signal; what was sent may repeat")
                return exit_codes.KILLED + signum
            if part.is_running:
                _logger.error(
                    "%s did not stop in %g s: killed", part.name, part.stop_seconds
                )
                part.kill()
                code = code or exit_codes.FAILED
        _logger.info("Stopped")
        return code

    def _wait_for_end(self, part: Part) -> int | None:
        """Return a second signal, or None when the part ended or its time is up."""
        deadline = time.monotonic() + part.stop_seconds
        while (left := deadline - time.monotonic()) > 0:
            if part.take_exit_code() is not None:
                return None
            signum = self._next_signal(left)
            if signum is not None and not self._is_echo():
                return signum
        return None

    def _is_echo(self) -> bool:
        """Whether it came with the first: `timeout` and `uv run` send it twice."""
        return time.monotonic() - self._stopping_since < _ECHO_SECONDS

    def _all_parts(self) -> Sequence[Part]:
        return (self._preparation, *self._parts)

    # --- signals ----------------------------------------------------------------------

    def _next_signal(self, timeout: float | None = None) -> int | None:
        """Return a signal to stop; None when a child ended or the time is up."""
        try:
            signum = self._signals.get(timeout=timeout)
        except queue.Empty:
            return None
        return None if signum == signal.SIGCHLD else signum

    @contextmanager
    def _recorded_signals(self) -> Iterator[None]:
        def record(signum: int, frame: FrameType | None) -> None:
            self._signals.put(signum)

        # `nohup` ignores SIGHUP on purpose.
        wanted = [s for s in _STOP_SIGNALS if signal.getsignal(s) != signal.SIG_IGN]
        previous = {s: signal.signal(s, record) for s in (*wanted, signal.SIGCHLD)}
        try:
            yield
        finally:
            for signum, handler in previous.items():
                signal.signal(signum, handler)


def _describe(code: int) -> str:
    """Return an exit code in words: Popen's codes below 0 are signals."""
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"
