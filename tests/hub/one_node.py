"""Program that serves one hub node with Redis, and prints its URL."""

from __future__ import annotations

import asyncio
import sys

import rtmon
from rtmon.hub.brokers.redis import RedisBroker


async def main(url: str, prefix: str, expires: str = "1") -> None:
    """Serve a hub that is connected to this Redis, until the process is killed."""
    broker = RedisBroker(url, prefix=prefix, expires=float(expires))
    hub = rtmon.Hub(broker=broker, announce=0.02)
    async with rtmon.serve(hub, "127.0.0.1", 0) as server:
        print(server.url, flush=True)  # noqa: T201 - the test reads it
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
