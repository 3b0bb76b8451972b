"""The slots of a worker, and who waits for one."""

import asyncio

import pytest

from django_workers.slots import Slots


def test_a_question_that_fails_costs_no_slot():
    def may_begin():
        raise LookupError

    async def main():
        slots = Slots(1, may_begin)
        assert await slots.take(0)
        waiting = asyncio.create_task(slots.take(0))
        # After the first step of the task, which is to wait.
        asyncio.get_running_loop().call_soon(slots.give_back)
        with pytest.raises(LookupError):
            await waiting
        return await slots.take(0)

    assert asyncio.run(asyncio.wait_for(main(), 5))
