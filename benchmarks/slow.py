"""Benchmark of a slow consumer and of a ping flood: `make bench-slow`, under five minutes.

Ten clients receive 100 messages of 20 KB per second for a minute, first alone, then beside an
eleventh client that reads nothing. After that a client sends pings for 40 seconds as fast as it can
and reads no answer. The server has one core and the clients another.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import multiprocessing
import socket
import threading
import time
from importlib.metadata import version
from multiprocessing.connection import Connection
from typing import Any

from crowd import pin
from dialects import frame, upgrade
from measure import machine, rows, verdict
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

import rtmon
from rtmon.monitor.process_gauges import ProcessGauges

READERS, RATE, SIZE = 10, 100, 20_000
RATIO, SLACK = 1.2, 5.0
"""Largest p99 delay of the other clients: this multiple of their p99 alone, plus milliseconds."""
GONE, WAITING = 10.0, 1 << 20
"""Seconds until the stalled client is disconnected, or else most bytes that may wait for it."""
STALLED = 10.0
"""Largest growth of the server's memory in MB while the stalled client is connected."""
FLOOD_GONE, FLOOD = 5.0, 16.0
"""Seconds until the flooding client is disconnected, or else largest growth of the server's memory
in MB.
"""


def server(kind: str, pipe: Connection) -> None:
    """Run the server until the pipe requests its end.

    Reports the server's memory, and when the slow client was disconnected.
    """
    pin(0)
    asyncio.run(_serve(kind, pipe))


async def _serve(kind: str, pipe: Connection) -> None:
    hub = rtmon.Hub(max_size=65_536)
    target: Any = hub if kind == "hub" else _echo
    memory = ProcessGauges(rtmon.Monitor().clock).memory
    async with rtmon.serve(target, "127.0.0.1", 0, compression=None) as serving:
        pipe.send(serving.port)
        loop = asyncio.get_running_loop()
        while (asked := await loop.run_in_executor(None, pipe.recv)) is not None:
            before, peak, worst, gone = memory() or 0, 0, 0, None
            began = time.monotonic()
            for n in range(int(asked["seconds"] * RATE)):
                due = began + n / RATE
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                if asked["publish"]:
                    await hub.publish("c", {"at": due, "pad": "x" * SIZE})
                peak = max(peak, memory() or 0)
                waiting = [each.peer.waiting for each in hub.connections.values()]
                worst = max([worst, *waiting])
                if gone is None and len(serving.websockets.connections) < asked["connections"]:
                    gone = time.monotonic() - began
            pipe.send({"memory": (peak - before) / 1e6, "waiting": worst, "gone": gone})


async def _echo(connection: ServerConnection) -> None:
    with contextlib.suppress(ConnectionClosed):
        async for message in connection:
            await connection.send(message)


async def _read(port: int, count: int) -> list[float]:
    """Subscribe, and read this many messages; return their delays in seconds."""
    delays: list[float] = []
    async with connect(f"ws://127.0.0.1:{port}", compression=None, max_queue=None) as client:
        await client.send('{"type": "subscribe", "payload": {"channel": "c"}}')
        with contextlib.suppress(TimeoutError):
            while len(delays) < count:
                message = json.loads(await asyncio.wait_for(client.recv(), 10))
                if message["type"] == "publication":
                    delays.append(time.monotonic() - message["payload"]["data"]["at"])
    return delays


def _handshake(port: int) -> socket.socket:
    """Open a WebSocket that never reads."""
    sock = socket.create_connection(("127.0.0.1", port))
    sock.sendall(upgrade("/"))
    sock.recv(1)
    return sock


def _ask(port: int, pipe: Connection, seconds: float, *, stalled: bool) -> dict[str, Any]:
    count = int(seconds * RATE)
    silent = _handshake(port) if stalled else None
    if silent is not None:
        silent.sendall(frame(b'{"type": "subscribe", "payload": {"channel": "c"}}'))

    async def run() -> list[list[float]]:
        readers = [asyncio.create_task(_read(port, count)) for _ in range(READERS)]
        await asyncio.sleep(1.0)
        connections = READERS + stalled
        pipe.send({"seconds": seconds, "publish": True, "connections": connections})
        return await asyncio.gather(*readers)

    delays = asyncio.run(run())
    result: dict[str, Any] = pipe.recv()
    if silent is not None:
        silent.close()
    each = sorted(delay for reader in delays for delay in reader)
    result["received"], result["due"] = len(each), READERS * count
    result["p99"] = each[int(0.99 * len(each))] * 1e3 if each else float("nan")
    return result


def _flood(port: int, pipe: Connection, seconds: float) -> dict[str, Any]:
    sock = _handshake(port)
    sent, ended = 0, threading.Event()
    gone: float | None = None

    def send() -> None:
        nonlocal sent, gone
        pings = frame(b"", opcode=9) * 40_000
        sock.settimeout(seconds)
        began = time.monotonic()
        try:
            while not ended.is_set():
                sock.sendall(pings)
                sent += 40_000
        except TimeoutError:
            pass  # the server reads no more, but may keep the connection open
        except OSError:
            gone = time.monotonic() - began

    pipe.send({"seconds": seconds, "publish": False, "connections": 1})
    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    result: dict[str, Any] = pipe.recv()
    ended.set()
    sock.close()
    thread.join(5.0)
    return result | {"sent": sent, "gone": gone}


def main() -> None:
    """Run all measurements, and print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0, help="of publishing, in each run")
    parser.add_argument("--flood", type=float, default=40.0, help="seconds of pings")
    options = parser.parse_args()
    pin(1)
    found: dict[str, dict[str, Any]] = {}
    for name, kind in (("alone", "hub"), ("stalled", "hub"), ("flood", "plain"), ("hub", "hub")):
        ours, theirs = multiprocessing.Pipe()
        process = multiprocessing.get_context("spawn").Process(
            target=server, args=(kind, theirs), daemon=True
        )
        process.start()
        port = ours.recv()
        if name in ("alone", "stalled"):
            found[name] = _ask(port, ours, options.seconds, stalled=name == "stalled")
        else:
            found[name] = _flood(port, ours, options.flood)
        ours.send(None)
        process.join(10.0)
        if process.is_alive():
            process.kill()
    print(report(found))


def report(found: dict[str, dict[str, Any]]) -> str:
    """Return the tables as Markdown."""
    alone, stalled = found["alone"], found["stalled"]
    lines = [
        [
            "the others received",
            f"{stalled['received']:,} of {stalled['due']:,}",
            "everything",
            verdict(stalled["received"] == stalled["due"]),
        ],
        [
            "p99 of their delay, without and with it",
            f"{alone['p99']:.1f} → {stalled['p99']:.1f} ms",
            f"≤ {RATIO:g}×, plus {SLACK:g} ms",
            verdict(stalled["p99"] <= RATIO * alone["p99"] + SLACK),
        ],
        [
            "the stalled one gone, and the most that waited for it",
            f"{_after(stalled)}, {stalled['waiting'] / (1 << 20):.2f} MiB",
            f"≤ {GONE:g} s, or ≤ {WAITING >> 20} MiB",
            verdict(_within(stalled["gone"], GONE) or stalled["waiting"] <= WAITING),
        ],
        ["memory, without", f"{alone['memory']:+.1f} MB", "", ""],
        [
            "memory, with",
            f"{stalled['memory']:+.1f} MB",
            f"≤ {STALLED:+g} MB",
            verdict(stalled["memory"] <= STALLED),
        ],
    ]
    for name, words in (("flood", "a handler"), ("hub", "a hub")):
        flood = found[name]
        lines.append(
            [
                f"a flood of pings, {words}",
                f"gone {_after(flood)}, {flood['memory']:+.1f} MB, {flood['sent']:,} pings",
                f"≤ {FLOOD_GONE:g} s, or ≤ {FLOOD:+g} MB",
                verdict(_within(flood["gone"], FLOOD_GONE) or flood["memory"] <= FLOOD),
            ]
        )
    heading = f"### A slow reader among {READERS + 1}, {RATE} messages of {SIZE:,} bytes a second"
    versions = [f"{name} {version(name)}" for name in ("rtmon", "websockets")]
    return "\n\n".join([machine(*versions), heading, rows(["", "measured", "target", ""], lines)])


def _after(run: dict[str, Any]) -> str:
    return "never" if run["gone"] is None else f"after {run['gone']:.1f} s"


def _within(seconds: float | None, bound: float) -> bool:
    return seconds is not None and seconds <= bound


if __name__ == "__main__":
    main()
