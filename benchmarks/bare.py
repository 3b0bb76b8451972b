"""The limit: the product's own client in a loop, with no queue and no database.

python -m benchmarks.bare URL TOKEN COUNT CONCURRENCY [tuned [SECONDS]]

`tuned` treats Python as a worker does. SECONDS is how much processor time a second
thread spends for each message, as a worker's thread for the database does: what is left
of the rate then is the limit for whatever has such a thread.
"""

import asyncio
import hashlib
import json
import sys
import threading
import time

from django_workers import interpreter
from notifications.judging import judge
from notifications.telegram import BotApiClient
from notifications.verdicts import Kind

# A database's driver lets go of the interpreter lock for each statement, which is some
# tenth of a millisecond of Python apart from the next. To hash so much does, too.
LOOPS_APART = 5_000
HASHED = b"." * 4_096


async def send_all(
    url: str, token: str, count: int, concurrency: int, beside: float = 0.0
) -> float:
    """Return the seconds that `count` sends took, `concurrency` at once.

    `beside` is how many seconds of a second thread go with each.
    """
    client = BotApiClient(api_url=url, token=token, connections=concurrency)
    numbers = iter(range(count))

    async def send() -> None:
        for number in numbers:
            text = f"Сформирован заказ номер {number}"
            verdict = judge(await client.send_message(number + 1, text))
            if verdict.kind is not Kind.ACCEPTED:
                raise RuntimeError(f"The stub answered with {verdict}")
            if beside:
                neighbour.count_one()

    neighbour = _Neighbour(beside, batch=concurrency)
    if beside:
        neighbour.start()
    started = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(concurrency):
            group.create_task(send())
    seconds = time.perf_counter() - started
    if beside:
        neighbour.end()
    await client.aclose()
    return seconds


class _Neighbour(threading.Thread):
    """Spends `seconds` of processor time for each message, a batch at a time."""

    def __init__(self, seconds: float, batch: int) -> None:
        super().__init__(daemon=True)
        self._seconds, self._batch = seconds, batch
        self._counted, self._spent_for = 0, 0
        self._news, self._ended = threading.Event(), False

    def count_one(self) -> None:
        self._counted += 1
        if self._counted - self._spent_for >= self._batch:
            self._news.set()

    def end(self) -> None:
        self._ended = True
        self._news.set()
        self.join()

    def run(self) -> None:
        while self._news.wait() and not self._ended:
            self._news.clear()
            count = self._counted - self._spent_for
            enough = time.thread_time() + count * self._seconds
            while time.thread_time() < enough:
                for _ in range(LOOPS_APART):
                    pass
                hashlib.sha256(HASHED).digest()
            self._spent_for += count


if __name__ == "__main__":
    url, token, count, concurrency, *more = sys.argv[1:]
    if more[:1] == ["tuned"]:
        interpreter.tune(int(concurrency))
    beside = float(more[1]) if more[1:] else 0.0
    seconds = asyncio.run(send_all(url, token, int(count), int(concurrency), beside))
    sys.stdout.write(json.dumps({"count": int(count), "seconds": seconds}))
