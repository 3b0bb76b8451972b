"""The limit: the product's own client in a loop, with no queue and no database.

python -m benchmarks.bare URL TOKEN COUNT CONCURRENCY [tuned]
"""

import asyncio
import json
import sys
import time

from django_workers import interpreter
from notifications.judging import judge
from notifications.telegram import BotApiClient
from notifications.verdicts import Kind


async def send_all(url: str, token: str, count: int, concurrency: int) -> float:
    """Return the seconds that `count` sends took, `concurrency` at once."""
    client = BotApiClient(api_url=url, token=token, connections=concurrency)
    numbers = iter(range(count))

    async def send() -> None:
        for number in numbers:
            text = f"Сформирован заказ номер {number}"
            verdict = judge(await client.send_message(number + 1, text))
            if verdict.kind is not Kind.ACCEPTED:
                raise RuntimeError(f"The stub answered with {verdict}")

    started = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(concurrency):
            group.create_task(send())
    seconds = time.perf_counter() - started
    await client.aclose()
    return seconds


if __name__ == "__main__":
    url, token, count, concurrency, *more = sys.argv[1:]
    if more == ["tuned"]:
        interpreter.tune(int(concurrency))
    seconds = asyncio.run(send_all(url, token, int(count), int(concurrency)))
    sys.stdout.write(json.dumps({"count": int(count), "seconds": seconds}))
