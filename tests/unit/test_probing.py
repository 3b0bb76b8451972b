"""A paused queue is asked one question at a time."""

import asyncio

from django_workers.database import DatabaseThread
from django_workers.probing import Prober
from django_workers.running import Runner
from tests.shop.task_queues import AsyncQueue


def test_whoever_is_asked_already_answers_for_the_next_pause_too():
    class Slow(AsyncQueue):
        asked = 0

        async def probe(self):
            self.asked += 1
            await may_answer.wait()

    async def ask_twice():
        runner = Runner(queue, 1)
        prober = Prober(queue, runner, DatabaseThread("default"))
        prober.start(1, answered.set)
        await asyncio.wait_for(was_asked(), 5)
        prober.start(2, answered.set)
        may_answer.set()
        await asyncio.wait_for(answered.wait(), 5)
        assert await runner.close()

    async def was_asked():
        while not queue.asked:
            await asyncio.sleep(0)

    queue, may_answer, answered = Slow(), asyncio.Event(), asyncio.Event()

    asyncio.run(ask_twice())

    assert queue.asked == 1
