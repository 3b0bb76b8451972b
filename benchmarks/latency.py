"""A worker with nothing to do: what it costs, and how soon it sends what comes.

python -m benchmarks.latency PORT COUNT

Serves the Bot API at PORT, and expects one worker to be started beside it.
"""

import asyncio
import json
import os
import random
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import django

from benchmarks.stubs import Stub

IDLE_SECONDS = 10.0
PAUSE_SECONDS = (0.05, 0.25)
PATIENCE_SECONDS = 30.0
LOOK_SECONDS = 0.05


class _Bell(Stub):
    """Answers at once, and tells when a message came."""

    arrived: "asyncio.Queue[float]"

    def data_received(self, data: bytes) -> None:
        if b"/sendMessage" in data:
            self.arrived.put_nowait(time.perf_counter())
        super().data_received(data)


async def measure(port: int, count: int) -> dict[str, object]:
    """Return how long each of `count` notifications took, and what waiting cost.

    From just before the row is written, so that the commit counts too, to the first
    byte of the request.
    """
    _Bell.arrived = asyncio.Queue()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Bell(0), "127.0.0.1", port)
    took = []
    # One thread, and so one connection, for the database.
    with ThreadPoolExecutor(1) as database:
        async with server:
            pid = await loop.run_in_executor(database, _wait_for_worker)
            await asyncio.sleep(IDLE_SECONDS / 5)
            before = _cpu_seconds(pid)
            await asyncio.sleep(IDLE_SECONDS)
            idle = (_cpu_seconds(pid) - before) / IDLE_SECONDS
            for number in range(1, count + 1):
                # At no fixed distance: no rhythm of the worker's is met or missed.
                await asyncio.sleep(random.uniform(*PAUSE_SECONDS))
                written_at = await loop.run_in_executor(database, _write, number)
                async with asyncio.timeout(PATIENCE_SECONDS):
                    took.append(await _Bell.arrived.get() - written_at)
    return {"took": took, "idle_share": idle, "idle_megabytes": _megabytes(pid)}


def _write(number: int) -> float:
    from notifications.models import OrderNotification

    written_at = time.perf_counter()
    OrderNotification.objects.create(order_number=str(number), tg_user_id=number)
    return written_at


def _wait_for_worker() -> int:
    """Return the process of the worker, once there is one."""
    from django_workers.models import Worker

    deadline = time.monotonic() + PATIENCE_SECONDS
    while (worker := Worker.objects.first()) is None:
        if time.monotonic() > deadline:
            raise RuntimeError("No worker came.")
        time.sleep(LOOK_SECONDS)
    return worker.pid


def _cpu_seconds(pid: int) -> float:
    # After the name, which may hold spaces: the 14th and 15th field, see proc(5).
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _megabytes(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (resident,) = (line for line in lines if line.startswith("VmRSS:"))
    return int(resident.split()[1]) / 1024


if __name__ == "__main__":
    django.setup()
    port, count = map(int, sys.argv[1:])
    sys.stdout.write(json.dumps(asyncio.run(measure(port, count))))
