"""The end of an event loop that leaves no connection open."""

import asyncio
from typing import Any


async def close_connections() -> None:
    """Close every connection of the running loop, whoever had it, and however far.

    A task that is cancelled while its connection is being made knows of none, and what
    is open when the loop ends is reported in the test during which it becomes garbage.
    """
    loop: Any = asyncio.get_running_loop()
    for transport in list(loop._transports.values()):
        transport.abort()
    await asyncio.sleep(0)  # the turn of the loop in which they are closed
