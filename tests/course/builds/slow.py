"""Sample solutions of the exercise "slow consumers of a publisher": a right one, and five wrong
ones.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from websockets.asyncio.server import ServerConnection, broadcast

from rtmon.course import judges


def queues(add: Callable[[asyncio.Queue[str], str], None], *, bound: int) -> Any:
    """Make a solution that has one queue of at most `bound` messages per connection; 0 means no
    limit.
    """
    waiting: dict[ServerConnection, asyncio.Queue[str]] = {}

    async def handler(websocket: ServerConnection) -> None:
        queue = waiting[websocket] = asyncio.Queue(bound)
        try:
            while True:
                await websocket.send(await queue.get())
        finally:
            del waiting[websocket]

    def publish(text: str) -> None:
        for queue in waiting.values():
            add(queue, text)

    return handler, publish


def drop_oldest(queue: asyncio.Queue[str], text: str) -> None:
    if queue.full():
        queue.get_nowait()
    queue.put_nowait(text)


def drop_newest(queue: asyncio.Queue[str], text: str) -> None:
    with suppress(asyncio.QueueFull):
        queue.put_nowait(text)


def right() -> Any:
    return queues(drop_oldest, bound=50)


def broadcasts() -> Any:
    connections: set[ServerConnection] = set()

    async def handler(websocket: ServerConnection) -> None:
        connections.add(websocket)
        await websocket.wait_closed()
        connections.discard(websocket)

    return handler, lambda text: broadcast(connections, text)


def waits_for_each() -> Any:
    connections: set[ServerConnection] = set()

    async def handler(websocket: ServerConnection) -> None:
        connections.add(websocket)
        await websocket.wait_closed()
        connections.discard(websocket)

    async def publish(text: str) -> None:
        for connection in list(connections):
            await connection.send(text)

    return handler, publish


def queues_without_end() -> Any:
    return queues(asyncio.Queue.put_nowait, bound=0)


def raises_when_full() -> Any:
    return queues(asyncio.Queue.put_nowait, bound=50)


def gives_up_the_newest() -> Any:
    return queues(drop_newest, bound=50)


async def judge(build: tuple[Any, Any]) -> judges.Verdict:
    return await judges.backpressure(*build)


wrong = {
    broadcasts: "MB more are in use",
    queues_without_end: "MB more are in use",
    waits_for_each: "`publish` had not returned after",
    raises_when_full: "QueueFull",
    gives_up_the_newest: "the last that cleo got is",
}
