"""Long load tests of the client, run by hand.

``python -m tests.client.soak --cuts 200`` cuts one client's connection 200 times. ``python -m
tests.client.soak --clients 500`` makes the server of 500 clients unreachable for five seconds. It
fails unless all clients reconnect within 30 seconds, and at most 35 % of them in one second.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
from collections import Counter
from dataclasses import dataclass

import rtmon
from rtmon.core.backoff import Backoff
from rtmon.testing import FaultProxy, until


@dataclass(frozen=True, slots=True)
class Report:
    """Result of :func:`soak`.

    Attributes:
        published: number of messages published.
        got: offsets of the messages that the client received.
        gaps: number of messages that reported a gap.
        reconnects: number of the client's reconnects.
        duplicates: number of messages that arrived twice and were delivered once.
    """

    published: int
    got: list[int]
    gaps: int
    reconnects: int
    duplicates: int


async def soak(
    hub: rtmon.Hub, proxy: FaultProxy, *, cuts: int, rate: float, apart: float, seed: int
) -> Report:
    """Publish at a constant rate while the client's connection is cut at random moments.

    Args:
        hub: the hub; its history must be longer than an outage.
        proxy: the proxy between the client and the hub.
        cuts: number of cuts.
        rate: messages per second.
        apart: mean time between two cuts in seconds.
        seed: seed of the random moments.
    """
    rng = random.Random(seed)
    got: list[int] = []
    published = gaps = 0
    cutting = True

    async def publish() -> None:
        nonlocal published
        loop = asyncio.get_running_loop()
        due = loop.time()
        while cutting:
            published += 1
            await hub.publish("soak", published)
            due += 1 / rate
            await asyncio.sleep(max(0.0, due - loop.time()))

    backoff = Backoff(base=0.01, max=0.05)
    async with rtmon.connect(proxy.url, proxy=None, backoff=backoff) as client:
        async with client.subscribe("soak") as messages:

            async def read() -> None:
                nonlocal gaps
                async for message in messages:
                    assert message.position is not None
                    got.append(message.position.offset)
                    gaps += message.gap

            reading, publishing = asyncio.create_task(read()), asyncio.create_task(publish())
            for done in range(cuts):
                await asyncio.sleep(rng.expovariate(1 / apart))
                proxy.cut()
                # Cut again only after a reconnect; without a connection, a cut has no effect.
                await until(lambda done=done: client.stats.reconnects > done)  # type: ignore[misc]
            cutting = False
            await publishing
            await until(lambda: len(got) >= published)
            reading.cancel()
        stats = client.stats
    return Report(published, got, gaps, stats.reconnects, stats.duplicates)


@dataclass(frozen=True, slots=True)
class Return:
    """Result of :func:`crowd`.

    Attributes:
        reconnects: number of reconnects of each client.
        slowest: seconds until the last client had reconnected.
        busiest: largest fraction of clients that reconnected within the same second.
    """

    reconnects: list[int]
    slowest: float
    busiest: float


async def crowd(
    proxy: FaultProxy, *, clients: int, away: float, backoff: Backoff | None = None
) -> Return:
    """Make the server of many clients unreachable, and wait until all have reconnected.

    Args:
        proxy: the proxy between the clients and the hub.
        clients: number of clients.
        away: seconds for which the server is unreachable.
        backoff: the clients' reconnection delays; the default ones if None.
    """
    changes = {} if backoff is None else {"backoff": backoff}
    loop = asyncio.get_running_loop()
    backs: list[float] = []
    async with contextlib.AsyncExitStack() as stack:
        connected = []
        for _ in range(clients):
            client = rtmon.connect(proxy.url, proxy=None, compression=None, **changes)
            client.on_reconnect(lambda _: backs.append(loop.time()))
            connected.append(await stack.enter_async_context(client))
        proxy.refusing = True
        proxy.cut()
        await asyncio.sleep(away)
        proxy.refusing = False
        began = loop.time()
        await until(lambda: len(backs) == clients, timeout=60)
        seconds = Counter(int(back - began) for back in backs)
        return Return(
            reconnects=[client.stats.reconnects for client in connected],
            slowest=max(backs) - began,
            busiest=max(seconds.values()) / clients,
        )


async def main() -> None:
    """Run the test that the command line requests, and print the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int)
    parser.add_argument("--cuts", type=int, default=200)
    parser.add_argument("--rate", type=float, default=100.0)
    parser.add_argument("--apart", type=float, default=0.3)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    hub = rtmon.Hub(history=10_000)
    async with rtmon.serve(hub, "127.0.0.1", 0) as server, FaultProxy(server) as proxy:
        if options.clients is not None:
            back = await crowd(proxy, clients=options.clients, away=5.0)
            print(  # noqa: T201 - output of a program
                f"{options.clients} clients, the last back {back.slowest:.1f} s after the server, "
                f"at most {back.busiest:.0%} in one second"
            )
            if back.slowest > 30.0 or back.busiest > 0.35:
                raise SystemExit(1)
            return
        report = await soak(
            hub,
            proxy,
            cuts=options.cuts,
            rate=options.rate,
            apart=options.apart,
            seed=options.seed,
        )
    right = report.got == list(range(1, report.published + 1)) and not report.gaps
    print(  # noqa: T201 - output of a program
        f"{options.cuts} cuts, {report.reconnects} reconnects, {report.published} messages, "
        f"{report.duplicates} came twice: {'1…N' if right else 'WRONG'}"
    )
    if not right:
        raise SystemExit(1)


if __name__ == "__main__":
    asyncio.run(main())
