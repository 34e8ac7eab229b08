"""A server process with simulated connections, all of which change each tick.

``python -m tests.browser.crowded 10000`` prints the address of its admin listener, and runs until
its standard input ends.
"""

from __future__ import annotations

import asyncio
import random
import sys

from rtmon import Monitor, serve_admin


async def main(size: int) -> None:
    """Open the connections; before every tick each receives, sends and is pinged."""
    rng = random.Random(1)
    monitor = Monitor(interval=1.0, node="crowded")
    meters = []
    for number in range(size):
        meter = monitor.collector.meter()
        meter.name, meter.path = f"user-{number}", f"/room-{number % 50}"
        meter.transport = "websocket"
        monitor.connection_opened(meter)
        meters.append(meter)
    ended = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
    async with serve_admin(monitor, port=0) as admin:
        print(admin.url, flush=True)  # noqa: T201 - its parent waits for it
        while not ended.done():
            for meter in meters:
                meter.received(rng.randrange(1000))
                meter.sent(100)
                monitor.collector.rtt(meter, rng.random())
            await asyncio.wait({ended}, timeout=1.0)
    monitor.close()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
