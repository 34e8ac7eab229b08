"""Measure what monitoring costs a server: `make bench`, about four minutes.

Single runs vary by tens of per cent on a shared machine. So the compared servers take turns within
one run. The results are medians of the differences or ratios within each round, with the 95 %
interval of that median.
"""

from __future__ import annotations

import asyncio
import gc
import random
import statistics
import time
import tracemalloc
from collections.abc import Callable
from typing import Any, TypeAlias

from echo import KINDS, SOCKET_KINDS
from measure import heading, interval, machine, table, verdict
from sockets import CONNECTIONS, SIZE, cpu_per_message
from websockets.asyncio.server import ServerConnection
from websockets.frames import Opcode

from rtmon import Monitor, probe
from rtmon.metrics.meter import Meter
from rtmon.probes.websockets.in_memory_connection import MemoryConnection, frame_bytes

MEMORY_ROUNDS = 100
BATCH = 500
SOCKET_ROUNDS = 40
SOCKET_SECONDS = 0.4
IDLE = 2000

Interval: TypeAlias = tuple[float, float, float]
"""A median, and the ends of its 95 % interval."""


async def in_memory() -> dict[str, Interval]:
    """Echo in memory, which measures the CPU of the Python code alone.

    Returns:
        Microseconds per message that each kind takes more than the bare library.
    """
    heading(
        "Per echoed message, without a network",
        f"One connection in memory, {SIZE} B text, CPU time. {MEMORY_ROUNDS} rounds; in each, "
        f"every kind echoes {BATCH} messages, in random order.",
    )
    monitor = Monitor(interval=3600)
    echoes: dict[str, Callable[[], float]] = {}
    for kind, chosen in KINDS.items():
        pair = MemoryConnection(chosen.connection_class(monitor))
        await pair.open()
        echoes[kind] = _echoes(pair, asyncio.ensure_future(chosen.handler()(pair.connection)))
    results: dict[str, list[float]] = {kind: [] for kind in KINDS}
    gc.collect()
    for number in range(-5, MEMORY_ROUNDS):  # the first rounds warm up, and are not counted
        for kind in random.sample(list(KINDS), k=len(KINDS)):
            used = await echoes[kind]()
            if number >= 0:
                results[kind].append(used)
    assert monitor.probe_failures == 0
    rows, over = [], {}
    for kind, values in results.items():
        over[kind] = interval([a - b for a, b in zip(values, results["bare"], strict=True)])
        more, low, high = over[kind]
        ratio = statistics.median(a / b for a, b in zip(values, results["bare"], strict=True))
        against = [f"{more:+.2f} ({low:+.2f} to {high:+.2f})", f"{ratio:.2f}"]
        rows.append(
            [KINDS[kind].title, f"{statistics.median(values):.2f}"]
            + (["", ""] if kind == "bare" else against)
        )
    table(["", "µs", "more than bare, µs (95 %)", "ratio"], rows)
    return over


def _echoes(pair: MemoryConnection, handler: asyncio.Future[None]) -> Any:
    frame = frame_bytes(Opcode.TEXT, b"x" * SIZE)
    receive = pair.connection.data_received
    written = pair.transport.written

    async def run() -> float:
        before = time.process_time()
        for _ in range(BATCH):
            receive(frame)
            await asyncio.sleep(0)  # the future that wakes the handler runs here
            await asyncio.sleep(0)
        used = time.process_time() - before
        assert len(written) == BATCH, "every message was echoed"
        assert not handler.done()
        written.clear()
        return used / BATCH * 1e6

    return run


def over_sockets(kinds: tuple[str, ...], *, freed: bool) -> dict[str, Interval]:
    """Echo over TCP on loopback, with the load generator in its own process.

    Returns:
        CPU of each kind as a multiple of the bare library's CPU.
    """
    before = "has freed a large block of memory before" if freed else "has freed no large block"
    heading(
        f"Per echoed message, over sockets, by a process that {before}",
        f"{CONNECTIONS} connections × {SIZE} B text in a closed loop: all send, and the next when "
        "all have their echo. Server on one core, load generator on another; CPU of the server "
        f"process, user and system. {SOCKET_ROUNDS} rounds; in each, every kind is loaded for "
        f"{SOCKET_SECONDS:g} s, in random order.",
    )
    results = cpu_per_message(kinds, rounds=SOCKET_ROUNDS, seconds=SOCKET_SECONDS, freed=freed)
    rows, ratios = [], {}
    for kind, values in results.items():
        ratios[kind] = interval([a / b for a, b in zip(values, results["bare"], strict=True)])
        against = "" if kind == "bare" else "{:.2f} ({:.2f} to {:.2f})".format(*ratios[kind])
        rows.append([KINDS[kind].title, f"{statistics.median(values):.1f}", against])
    table(["", "µs", "ratio to bare (95 %)"], rows)
    return ratios


async def memory() -> dict[str, float]:
    """Measure the memory of an open connection before and after its first message.

    Returns:
        Bytes that an idle connection of each kind takes more than the bare library's.
    """
    heading(
        "Memory per open connection",
        f"{IDLE:,} connections in memory, bytes allocated by Python (tracemalloc), without "
        "sockets and buffers of the kernel. Spoken: one message each way.",
    )
    rows, idle = [], {}
    bare = 0.0, 0.0
    for kind in ("bare", "probe", "fast"):
        quiet, spoken = await _allocated(KINDS[kind].connection_class)
        if kind == "bare":
            bare = quiet, spoken
        idle[kind] = quiet - bare[0]
        over = ["", ""]
        if kind != "bare":
            over = [f"{quiet - bare[0]:+,.0f}", f"{spoken - bare[1]:+,.0f}"]
        rows.append([KINDS[kind].title, f"{quiet:,.0f}", over[0], f"{spoken:,.0f}", over[1]])
    table(["", "idle, B", "over bare", "spoken, B", "over bare"], rows)
    return idle


async def _allocated(connection_class: Callable[[Monitor], type[Any]]) -> tuple[float, float]:
    monitor = Monitor(interval=3600)
    made = connection_class(monitor)
    warm = MemoryConnection(made)
    await warm.open()
    gc.collect()
    tracemalloc.start()
    connections = []
    for _ in range(IDLE):
        pair = MemoryConnection(made)
        await pair.open()
        connections.append(pair.connection)
        pair.connection.transport.written.clear()
    monitor.tick()
    del pair
    gc.collect()
    quiet = tracemalloc.get_traced_memory()[0] / IDLE
    frame = frame_bytes(Opcode.TEXT, b"x" * SIZE)
    for connection in connections:
        connection.data_received(frame)
        await connection.send(await connection.recv())
        connection.transport.written.clear()
    monitor.tick()
    gc.collect()
    spoken = tracemalloc.get_traced_memory()[0] / IDLE
    tracemalloc.stop()
    return quiet, spoken


def ticks() -> dict[int, float]:
    """Measure for how long a tick blocks the event loop.

    Returns:
        Number of active connections → median milliseconds.
    """
    heading("A tick", "10,000 open connections, nobody watching; 50 ticks, wall-clock time.")
    monitor = Monitor(interval=3600)
    clock = monitor.clock
    meters = []
    for _ in range(10_000):
        meter = monitor.collector.meter()
        meter.queue = lambda: 0
        monitor.collector.opened(meter, clock.monotonic(), clock.time())
        meters.append(meter)
    monitor.tick()
    rows, medians = [], {}
    for active in (0, 100, 10_000):
        took = []
        for _ in range(50):
            _talk(random.sample(meters, k=active))
            before = time.perf_counter()
            monitor.tick()
            took.append((time.perf_counter() - before) * 1e3)
        median, low, high = interval(took)
        medians[active] = median
        rows.append([f"{active:,} active", f"{median:.2f} ({low:.2f} to {high:.2f})"])
        rows[-1].append(f"{max(took):.2f}")
    table(["", "ms (95 %)", "longest, ms"], rows)
    return medians


def _talk(meters: list[Meter]) -> None:
    for meter in meters:
        for size in random.choices(range(64, 256), k=3):
            meter.received(size)
            meter.sent(size)


async def unwatched() -> None:
    """Measure the CPU of an idle Monitor without viewers."""
    heading(
        "Idle connections without viewers",
        "1,000 open connections in memory, 5 s each; CPU of the process per second.",
    )
    rows = []
    for title, watched in (("bare", False), ("monitored", True)):
        monitor = Monitor()
        pairs = [MemoryConnection(probe(monitor, fast=True) if watched else ServerConnection)]
        pairs += [MemoryConnection(type(pairs[0].connection)) for _ in range(999)]
        for pair in pairs:
            await pair.open()
        await asyncio.sleep(1.5)  # wait until the tick with the new connections is over
        before = time.process_time()
        await asyncio.sleep(5)
        rows.append([title, f"{(time.process_time() - before) / 5 * 1e3:.2f}"])
        monitor.close()
    table(["", "ms of CPU per second"], rows)


def aims(
    over: dict[str, Interval],
    fresh: dict[str, Interval],
    freed: dict[str, Interval],
    idle: dict[str, float],
    tick: dict[int, float],
) -> None:
    """Print the targets, and whether the medians of this run meet them."""
    heading("Targets", "Medians of this run; their intervals stand above.")
    title = {kind: chosen.title for kind, chosen in KINDS.items()}
    wanted = [
        (f"{title['fast']}, CPU over sockets, a large block freed", 0.8, freed["fast"][0], ".2f"),
        (f"{title['fast']}, CPU over sockets, none freed", 0.8, fresh["fast"][0], ".2f"),
        (f"{title['fast counters']}, µs in memory", 0.5, over["fast counters"][0], "+.1f"),
        (f"{title['fast']}, µs in memory", 1.5, over["fast"][0], "+.1f"),
        (f"{title['counters']}, µs in memory", 0.5, over["counters"][0], "+.1f"),
        (f"{title['probe']}, µs in memory", 1.5, over["probe"][0], "+.1f"),
        ("an idle connection over bare, B", 1500, idle["fast"], ",.0f"),
        ("a tick, 10,000 open, 100 active, ms", 1, tick[100], ".2f"),
        ("a tick, 10,000 open, all active, ms", 10, tick[10_000], ".2f"),
    ]
    table(
        ["", "target", "measured", ""],
        [
            [what, f"≤ {aim:{form}}", f"{measured:{form}}", verdict(measured <= aim)]
            for what, aim, measured, form in wanted
        ],
    )


def main() -> None:
    """Run all measurements, and print them as Markdown."""
    began = time.monotonic()
    print(machine())
    over = asyncio.run(in_memory())
    fresh = over_sockets(("bare", "probe", "fast"), freed=False)
    # Imports of a process usually free large blocks of memory, too. After that all kinds behave
    # alike.
    freed = over_sockets(SOCKET_KINDS, freed=True)
    idle = asyncio.run(memory())
    tick = ticks()
    asyncio.run(unwatched())
    aims(over, fresh, freed, idle, tick)
    print(f"\nAll this took {time.monotonic() - began:.0f} s.")


if __name__ == "__main__":
    main()
