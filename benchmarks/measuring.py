"""Runs a command and says what it cost: its rate, its CPU time, its peak memory."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cost:
    """What some number of notifications cost one or more processes together."""

    count: int
    seconds: float
    cpu_seconds: float
    peak_megabytes: float

    @property
    def rate(self) -> float:
        return self.count / self.seconds

    @property
    def cpu_per_thousand(self) -> float:
        return 1000 * self.cpu_seconds / self.count


@dataclass(frozen=True, slots=True)
class Finished:
    """One process that came to its end."""

    output: str
    cpu_seconds: float
    peak_megabytes: float


def run_together(
    commands: Sequence[Sequence[str]], environment: Mapping[str, str]
) -> list[Finished]:
    """Run the Python commands at once and wait for all of them.

    Raises:
        RuntimeError: one of them failed.
    """
    started = []
    for command in commands:
        output = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed once it is read
        process = subprocess.Popen(
            [sys.executable, *command], env=dict(environment), stdout=output
        )
        started.append((process, output))
    finished = []
    for process, output in started:
        # wait4 tells what this one child used; getrusage would mix all of them.
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        with output:
            output.seek(0)
            text = output.read()
        if process.returncode:
            raise RuntimeError(f"{process.args} ended with {process.returncode}")
        finished.append(
            Finished(
                output=text,
                cpu_seconds=usage.ru_utime + usage.ru_stime,
                peak_megabytes=usage.ru_maxrss / 1024,
            )
        )
    return finished


def cost_of_script(
    module: str, arguments: Sequence[str], environment: Mapping[str, str]
) -> Cost:
    """Run a script that prints its count and seconds as JSON."""
    (finished,) = run_together([["-m", module, *arguments]], environment)
    said = json.loads(finished.output)
    return Cost(
        count=said["count"],
        seconds=said["seconds"],
        # Where the script tells, its start does not count.
        cpu_seconds=said.get("cpu_seconds", finished.cpu_seconds),
        peak_megabytes=finished.peak_megabytes,
    )
