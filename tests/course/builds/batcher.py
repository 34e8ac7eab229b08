"""Sample solutions of the exercise "batcher": a right one, and four wrong ones."""

from __future__ import annotations

import asyncio
from typing import Any

from rtmon.course import judges


class Right:
    def __init__(self, send: Any, *, size: int, delay: float) -> None:
        self.send, self.size, self.delay = send, size, delay
        self.items: list[Any] = []
        self.timer: asyncio.Task[None] | None = None

    async def put(self, item: Any) -> None:
        self.items.append(item)
        if len(self.items) >= self.size:
            await self.flush()
        elif self.timer is None:
            self.timer = asyncio.create_task(self.wait())

    async def wait(self) -> None:
        await asyncio.sleep(self.delay)
        self.timer = None
        await self.flush()

    async def flush(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        items, self.items = self.items, []
        if items:
            await self.send(items)

    async def close(self) -> None:
        await self.flush()


class WithoutATimer(Right):
    async def put(self, item: Any) -> None:
        self.items.append(item)
        if len(self.items) >= self.size:
            await self.flush()


class StartsTheTimerAnew(Right):
    async def put(self, item: Any) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        await super().put(item)


class ClearsAfterSending(Right):
    async def flush(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        await self.send(self.items)
        self.items.clear()


class DropsTheRest(Right):
    async def close(self) -> None:
        if self.timer is not None:
            self.timer.cancel()


def right() -> Any:
    return Right


def without_a_timer() -> Any:
    return WithoutATimer


def starts_the_timer_anew() -> Any:
    return StartsTheTimerAnew


def clears_after_sending() -> Any:
    return ClearsAfterSending


def drops_the_rest() -> Any:
    return DropsTheRest


judge = judges.batcher
wrong = {
    without_a_timer: "leaves when its delay is over: nothing was sent",
    starts_the_timer_anew: "no item was sent during 3 s",
    clears_after_sending: "on a slow link",
    drops_the_rest: "never reached the server",
}
