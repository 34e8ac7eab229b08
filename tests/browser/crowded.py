"""A server process with simulated connections, each of which has new numbers at each tick.

``python -m tests.browser.crowded 10000`` opens 10,000 simulated connections, prints the address of
its admin listener, and runs until its standard input ends.
"""

from __future__ import annotations

import asyncio
import random
import sys

from rtmon import Monitor, serve_admin


async def main(size: int) -> None:
    """Open `size` connections; before every tick each one receives, sends and gets a round trip."""
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
        print(admin.url, flush=True)  # noqa: T201 - the parent process reads it
        while not ended.done():
            for meter in meters:
                meter.received(rng.randrange(1000))
                meter.sent(100)
                monitor.collector.rtt(meter, rng.random())
            await asyncio.wait({ended}, timeout=1.0)
    monitor.close()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
