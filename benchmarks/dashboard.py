"""Benchmark of the dashboard: CPU and bytes of opened pages and viewers.

Three processes run on 127.0.0.1: a server with simulated users, the dashboard, and this program.
This program's viewers open pages and read what the dashboard sends, as browsers do. CPU is that of
the dashboard's process. The same is measured for a page that a Bokeh session feeds with the same
frames. Panel sends no patches until a browser has drawn the page, so that page's CPU is that of a
session and its timer alone.

Then the effect on the server's users is measured: the p99 round trip of a ping with viewers and
without, in pairs. Pairs without viewers show how much of a difference is noise.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import statistics
import sys
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from measure import heading, machine, table
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from rtmon.core.child_processes import Child, stop
from rtmon.lab.load import Load, LoadOptions

ROOT = Path(__file__).parents[1]
PAGES = {
    "dashboards/live.py": "one frame for all, over the channel",
    "benchmarks/panel_page.py": "a Bokeh session for each tab",
}
TICKS = os.sysconf("SC_CLK_TCK")
PATIENCE = 60.0
"""Seconds to wait for a page before the benchmark fails."""


def cpu(pid: int) -> float:
    """Return the CPU seconds that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def get(url: str) -> bytes:
    """Request a page, as a browser's first request does."""
    # Address on this machine.
    with urllib.request.urlopen(url, timeout=PATIENCE) as answer:  # noqa: S310
        body: bytes = answer.read()
    return body


@asynccontextmanager
async def panel(script: str, url: str) -> AsyncIterator[tuple[int, str]]:
    """Run ``panel serve`` with a script; yield its process id and the page's address."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "panel", "serve", str(ROOT / script), "--port", "0"),
        *("--address", "127.0.0.1", "--allow-websocket-origin", "*"),
        env={**os.environ, "RTMON_URL": url},
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    found = None
    while found is None:
        line = await process.stderr.readline()
        assert line, f"panel serve {script} ended before it listened"
        found = re.search(rb"http://\S+?:(\d+)(/\w+)", line)
    drained = asyncio.create_task(process.stderr.read())
    try:
        yield process.pid, f"http://127.0.0.1:{int(found[1])}{found[2].decode()}"
    finally:
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), PATIENCE)
        except TimeoutError:
            process.kill()
        await drained


async def opened(pid: int, url: str, pages: int) -> float:
    """Return the CPU milliseconds of the process per opened page. The first page is not counted."""
    await asyncio.to_thread(get, url)
    await asyncio.sleep(1)
    costs = []
    for _ in range(pages):
        began = cpu(pid)
        for _ in range(5):
            await asyncio.to_thread(get, url)
        costs.append((cpu(pid) - began) / 5 * 1e3)
    return statistics.median(costs)


async def rested(pid: int, seconds: float) -> float:
    """Return the CPU seconds per second of the process while its viewers do not change."""
    began = cpu(pid)
    await asyncio.sleep(seconds)
    return (cpu(pid) - began) / seconds


async def fed(pid: int, url: str, viewers: int, seconds: float) -> tuple[float, float]:
    """Return CPU milliseconds and bytes per viewer and second.

    The CPU that the dashboard uses without viewers is subtracted.
    """
    alone = await rested(pid, seconds)
    size = 0

    async def read(connection: ClientConnection) -> None:
        nonlocal size
        async for message in connection:
            size += len(message)

    connections = [await joined(url) for _ in range(viewers)]
    readers = [asyncio.create_task(read(connection)) for connection in connections]
    await asyncio.sleep(3)
    size = 0
    busy = await rested(pid, seconds)
    received = size / viewers / seconds
    # Close all at once: each close waits up to ten seconds for the server's answer.
    await asyncio.gather(*(connection.close() for connection in connections))
    await asyncio.gather(*readers, return_exceptions=True)
    return (busy - alone) / viewers * 1e3, received


async def joined(url: str) -> ClientConnection:
    """Open a page and its WebSocket: rtmon's own, or that of the page's Bokeh session."""
    page = await asyncio.to_thread(get, url)
    token = re.search(rb'"token":"([^"]+)"', page)
    if token is None:
        channel = re.sub(r"/\w+$", "/rtmon/channel", url)
        return await connect(channel.replace("http", "ws"), compression=None)
    protocols = [Subprotocol("bokeh"), Subprotocol(token[1].decode())]
    address = f"{url}/ws".replace("http", "ws")
    return await connect(address, subprotocols=protocols, compression=None, max_size=None)


async def p99(connection: ClientConnection, seconds: float) -> float:
    """Return the p99 round trip of sequential pings, in milliseconds."""
    loop = asyncio.get_running_loop()
    end, found = loop.time() + seconds, []
    while loop.time() < end:
        found.append(await (await connection.ping()) * 1e3)
        await asyncio.sleep(0.005)
    return statistics.quantiles(found, n=100)[-1]


@asynccontextmanager
async def watched(url: str, viewers: int) -> AsyncIterator[None]:
    """Run viewers of a dashboard in their own process while the block runs."""
    if not viewers:
        yield
        return
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, __file__, "--read", url, "--viewers", str(viewers)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert await process.stdout.readline() == b"all read\n"
    try:
        yield
    finally:
        process.stdin.close()
        await process.wait()


async def drain(connection: ClientConnection) -> None:
    """Read until the connection closes."""
    async for _ in connection:
        pass


async def read(url: str, viewers: int) -> None:
    """Open viewers of the dashboard at an address, and read until standard input ends."""
    connections = [await joined(url) for _ in range(viewers)]
    readers = [asyncio.create_task(drain(connection)) for connection in connections]
    print("all read", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await asyncio.gather(*(connection.close() for connection in connections))
    await asyncio.gather(*readers, return_exceptions=True)


async def disturbed(hub: str, url: str, viewers: int, pairs: int, seconds: float) -> None:
    """Print how much longer round trips of a server's users are while its dashboard has viewers."""
    ratios: dict[str, list[float]] = {f"{viewers} viewers": [], "none again": []}
    idle = []
    async with connect(hub, ping_interval=None) as connection:
        # Read the connection's messages; otherwise its pongs would wait behind them.
        taken = asyncio.create_task(drain(connection))
        for number in range(pairs):
            for name, count in zip(ratios, (viewers, 0), strict=True):
                took = {}
                phases = [("before", 0), ("after", count)]
                for phase, many in phases if number % 2 else reversed(phases):
                    async with watched(url, many):
                        took[phase] = await p99(connection, seconds)
                idle.append(took["before"])
                ratios[name].append(took["after"] / took["before"])
        taken.cancel()
    heading(
        "What viewers cost the server's users",
        f"The p99 of a ping's round trip, {seconds:g} s each, against that without viewers "
        f"({statistics.median(idle):.2f} ms): {pairs} pairs, in turn.",
    )
    rows = []
    for name, values in ratios.items():
        low, middle, high = statistics.quantiles(values, n=4)
        rows.append([name, f"{middle:.2f} ({low:.2f} to {high:.2f})"])
    table(["", "p99 against none, median (quartiles)"], rows)


async def main(viewers: int, pages: int, pairs: int, seconds: float) -> None:
    """Run all measurements, and print the tables."""
    heading("What the dashboard costs", machine("panel", "bokeh", "tornado"))
    server = Child("the server's", "serve", "--port=0", "--admin-port=0")
    try:
        facts = dict(server.ready())
        rows: list[list[str]] = []
        options = LoadOptions(users=40, rate=2.0, ramp=0.0, churn=0.0)
        async with Load(facts["url"], options):
            for script, name in PAGES.items():
                async with panel(script, facts["admin"]) as (pid, url):
                    page = await opened(pid, url, pages)
                    cost, size = await fed(pid, url, viewers, seconds)
                    html = len(await asyncio.to_thread(get, url))
                figures = (
                    f"{page:.0f}",
                    f"{cost:.2f}",
                    f"{size / 1e3:.2f}" if size else "–",
                    f"{html / 1e3:.0f}",
                )
                rows.append([name, *figures])
            columns = ("page opened, ms of CPU", "viewer-second, ms of CPU", "viewer-second, kB")
            table(["", *columns, "page, kB"], rows)
            async with panel("dashboards/live.py", facts["admin"]) as (_, url):
                await disturbed(facts["url"], url, viewers, pairs, seconds / 3)
    finally:
        stop([server])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--viewers", type=int, default=25)
    parser.add_argument("--pages", type=int, default=5)
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--read", metavar="URL", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.read:
        asyncio.run(read(options.read, options.viewers))
    else:
        asyncio.run(main(options.viewers, options.pages, options.pairs, options.seconds))
