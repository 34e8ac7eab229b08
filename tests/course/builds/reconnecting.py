"""Sample solutions of the exercise "reconnecting client": a right one, and five wrong ones."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any

from websockets.asyncio.client import connect

from rtmon.course import judges


def client(
    *,
    wait: Callable[[int], float] = lambda failures: random.uniform(0.05, 0.1 * 2**failures),
    resumes: bool = True,
    lost: tuple[type[BaseException], ...] = (Exception,),
    ends_with_stream: bool = False,
) -> Any:
    """Make a solution; an argument other than its default introduces one fault."""

    async def follow(url: str, receive: Callable[[int], None]) -> None:
        last, failures = 0, 0
        while True:
            try:
                async with connect(url, open_timeout=2) as websocket:
                    failures = 0
                    await websocket.send(str(last if resumes else 0))
                    async for text in websocket:
                        last = int(text)
                        receive(last)
                if ends_with_stream:
                    return
            except lost:
                pass
            failures = min(failures + 1, 4)
            await asyncio.sleep(wait(failures))

    return follow


def right() -> Any:
    return client()


def begins_anew() -> Any:
    return client(resumes=False)


def hammers() -> Any:
    return client(wait=lambda _: 0.01)


def waits_in_step() -> Any:
    return client(wait=lambda failures: 0.2 * 2**failures)


def ends_with_a_goodbye() -> Any:
    return client(ends_with_stream=True)


def cannot_be_cancelled() -> Any:
    return client(lost=(Exception, asyncio.CancelledError))


judge = judges.reconnecting_client
wrong = {
    begins_anew: "twice",
    hammers: "times in 2 s",
    waits_in_step: "in step",
    ends_with_a_goodbye: "has ended, though nobody cancelled it",
    cannot_be_cancelled: "went on after it was cancelled",
}
