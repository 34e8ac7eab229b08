"""Sample solutions of the exercise "health check of servers": a right one, and six wrong ones."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from rtmon.course import judges

FAILURES = (OSError, TimeoutError, WebSocketException)


def check(
    *,
    pings: bool = True,
    failures: tuple[type[Exception], ...] = FAILURES,
    patience: float = 3,
    close_timeout: float = 0.5,
    at_once: bool = True,
    closes: bool = True,
) -> Any:
    """Make a solution; an argument other than its default introduces one fault."""

    async def ask(url: str) -> str:
        seconds = 0.0
        try:
            async with asyncio.timeout(patience):
                connection = await connect(url, close_timeout=close_timeout)
                try:
                    if pings:
                        seconds = await (await connection.ping())
                finally:
                    if closes:
                        await connection.close()
        except failures:
            return "down"
        return "ok" if seconds < 0.5 else "slow"

    async def health(urls: Sequence[str]) -> dict[str, str]:
        if not at_once:
            return {url: await ask(url) for url in urls}
        return dict(zip(urls, await asyncio.gather(*map(ask, urls)), strict=True))

    return health


def right() -> Any:
    return check()


def never_pings() -> Any:
    return check(pings=False)


def catches_one_kind() -> Any:
    return check(failures=(OSError,))


def waits_for_ever() -> Any:
    return check(patience=60)


def closes_slowly() -> Any:
    return check(close_timeout=10)


def asks_one_by_one() -> Any:
    return check(at_once=False)


def leaves_them_open() -> Any:
    return check(closes=False)


judge = judges.health_check
wrong = {
    never_pings: "a server that is slow was reported as 'ok'",
    catches_one_kind: "`health` raised InvalidStatus",
    waits_for_ever: "a server that is silent is down: `health` had not returned",
    closes_slowly: "a server that is silent is down: `health` had not returned",
    asks_one_by_one: "asked at the same time: `health` had not returned",
    leaves_them_open: "connections were still open",
}
