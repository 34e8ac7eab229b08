"""Latency of one client while other clients flood the server with compressed messages."""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from websockets.sync.client import connect

from tests.transports.test_hostile_memory import server

ROUNDS = 3
"""Number of comparisons of the same server with and without flooding clients."""

SECONDS = 3.0
"""Seconds for which the latency is measured each time."""

FLOOD = """
import asyncio, sys
from tests.servers.test_paced_decompression import DEFLATE, padded
from tests.transports.raw_sockets import Wire
async def flood(port):
    async with Wire.to(port, DEFLATE) as wire:
        await wire.upgraded()
        async def hear():
            while await wire.reader.read(65_536):
                pass
        hearing = asyncio.create_task(hear())
        said = padded(1)
        while not hearing.done():
            wire.writer.write(said)
            await wire.writer.drain()
            await asyncio.sleep(0)
async def main(port, clients):
    floods = [asyncio.create_task(flood(port)) for _ in range(clients)]
    await asyncio.sleep(1)
    print(flush=True)
    await asyncio.gather(*floods)
asyncio.run(main(*map(int, sys.argv[1:])))
"""


@pytest.fixture
def undisturbed() -> Iterator[None]:
    """Give this test and its child processes real-time priority, so that other processes do not
    affect the measured latency.
    """
    before = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    except PermissionError:
        pytest.skip("needs the right to real-time scheduling (root, or CAP_SYS_NICE)")
    yield
    os.sched_setscheduler(0, *before)


@asynccontextmanager
async def flooded(port: int, clients: int) -> AsyncIterator[None]:
    """Run a process whose clients send compressed messages as fast as the server reads them."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", FLOOD, str(port), str(clients)), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        assert await process.stdout.readline()
        yield
        assert process.returncode is None, "the flooding clients have ended"
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def round_trips(port: int) -> list[float]:
    """Send 200 pings a second, and return each round-trip time in milliseconds."""
    taken = []
    with connect(f"ws://127.0.0.1:{port}/ws", proxy=None, compression=None) as client:
        said = json.dumps({"type": "ping", "id": "1"})
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            began = time.perf_counter()
            client.send(said)
            while '"pong"' not in client.recv():
                pass
            taken.append((time.perf_counter() - began) * 1000)
            time.sleep(0.005)
    return taken


async def p99(port: int) -> float:
    """Return the 99th percentile of a client's round-trip times in milliseconds."""
    taken = await asyncio.to_thread(round_trips, port)
    return statistics.quantiles(taken, n=100)[98]


async def ratios(kind: str, clients: int) -> list[tuple[float, float]]:
    """Return pairs of 99th percentiles, without and with flooding clients."""
    found = []
    async with server(kind) as (_, port):
        await p99(port)
        for _ in range(ROUNDS):
            without = await p99(port)
            async with flooded(port, clients):
                found.append((without, await p99(port)))
    return found


@pytest.mark.matrix
@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's scheduler")
@pytest.mark.usefixtures("undisturbed")
@pytest.mark.parametrize("clients", [1, 8])
@pytest.mark.parametrize("kind", ["native", "asgi"])
async def test_p99_latency_at_most_triples_while_other_clients_flood(
    kind: str, clients: int
) -> None:
    """Server keeps a client's p99 latency within three times its normal value while other
    clients flood the server with messages that inflate a thousandfold.
    """
    found = await ratios(kind, clients)
    assert statistics.median(flooding / alone for alone, flooding in found) <= 3, found
