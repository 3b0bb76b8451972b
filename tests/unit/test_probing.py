"""A paused queue is asked one question at a time."""

import asyncio

import pytest

from django_workers.database import DatabaseThread
from django_workers.probing import Prober
from django_workers.running import Runner
from tests.shop.task_queues import AsyncQueue


@pytest.mark.parametrize(("second", "times"), [(1, 1), (2, 2)])
def test_a_queue_is_asked_once_for_each_pause(second, times):
    class Slow(AsyncQueue):
        asked = 0

        async def probe(self):
            self.asked += 1
            await may_answer.wait()

    async def ask_twice():
        runner = Runner(queue, 1)
        prober = Prober(queue, runner, DatabaseThread("default"))
        prober.start(1, answered.set)
        await asyncio.wait_for(was_asked(1), 5)
        prober.start(second, answered.set)
        await asyncio.wait_for(was_asked(times), 5)
        may_answer.set()
        assert prober._probe is not None
        await asyncio.wait_for(prober._probe, 5)
        assert await runner.close()

    async def was_asked(count):
        while queue.asked < count:
            await asyncio.sleep(0)

    queue, may_answer, answered = Slow(), asyncio.Event(), asyncio.Event()

    asyncio.run(ask_twice())

    assert queue.asked == times
