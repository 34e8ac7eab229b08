"""Hub nodes that share one Redis server, each behind a WebSocket server of its own."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from rtmon.core.backoff import Backoff
from rtmon.hub.brokers.redis import RedisBroker
from rtmon.testing import until
from tests.hub.conftest import Place

__all__ = ["Nodes"]

QUICK = Backoff(base=0.01, max=0.05)


class Nodes:
    """The hub nodes of one test, which share a Redis key prefix."""

    def __init__(self) -> None:
        self.prefix = secrets.token_hex(4)
        self.places: list[Place] = []

    async def open(
        self, url: str, *, timeout: float = 60.0, expires: float = 600.0, **options: Any
    ) -> Place:
        """Serve another hub node, and wait until it is connected to Redis."""
        broker = RedisBroker(
            url, prefix=self.prefix, timeout=timeout, expires=expires, backoff=QUICK
        )
        options.setdefault("announce", 0.02)
        place = await Place.open(broker=broker, **options)
        self.places.append(place)
        await place.hub.start()
        await until(lambda: place.hub.away is None)
        return place

    @classmethod
    @asynccontextmanager
    async def opened(cls) -> AsyncIterator[Nodes]:
        """Yield an empty ``Nodes``, and close all its hub nodes at the end of the test."""
        nodes = cls()
        yield nodes
        for place in nodes.places:
            await place.aclose()
