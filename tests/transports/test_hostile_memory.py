"""Memory use of a server under hostile clients, and service for its other clients."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from websockets.asyncio.client import connect

from tests.servers.test_paced_decompression import DEFLATE, padded
from tests.transports.raw_sockets import LONG, Wire, frame, upgrade

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

SERVER = """
import asyncio, sys, rtmon
from rtmon.asgi import serve
async def main():
    hub = rtmon.Hub()
    make = rtmon.serve if sys.argv[1] == "native" else serve
    async with make(hub, "127.0.0.1", 0) as server:
        print(server.port, flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
asyncio.run(main())
"""

MOST = 32_768
"""Limit in KiB for the growth of the server's memory."""

HOSTILE = {
    "pings without reading": (1, b"", frame(9) * 200),
    "large pings without reading": (1, b"", frame(9, b"x" * 125) * 200),
    "pings at once": (4, b"", frame(9) * 10_000),
    "empty fragments": (4, frame(1, fin=False), frame(0, fin=False) * 10_000),
    "fragments of a byte": (4, frame(1, fin=False), frame(0, b"x", fin=False) * 10_000),
    "messages without end": (4, b"", frame(1, b"{}") * 10_000),
}
"""Number of clients, the bytes that each sends first, and the bytes that it sends repeatedly."""


def memory(process: asyncio.subprocess.Process, what: str) -> int:
    """Return a process's memory in KiB: ``VmRSS`` is the present value, ``VmHWM`` the peak."""
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(what))


@asynccontextmanager
async def server(kind: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, int]]:
    """Serve a hub in its own process; yield the process and the port."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SERVER, kind, stdin=pipe, stdout=pipe
    )
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        yield process, int(await process.stdout.readline())
    finally:
        process.stdin.close()
        await process.wait()


async def welcomed(port: int) -> None:
    """Check that a new client gets its welcome."""
    async with asyncio.timeout(LONG), connect(f"ws://127.0.0.1:{port}/ws", proxy=None) as client:
        assert json.loads(await client.recv())["type"] == "welcome"


async def attack(port: int, first: bytes, again: bytes) -> None:
    """Send these bytes without reading, until the server disconnects or five seconds have
    passed.
    """
    with contextlib.suppress(ConnectionError, TimeoutError):
        async with asyncio.timeout(5), Wire.to(port, upgrade()) as wire:
            await wire.upgraded()
            wire.writer.transport.pause_reading()
            wire.writer.write(first)
            while True:
                wire.writer.write(again)
                await wire.writer.drain()
                await asyncio.sleep(0.001)


async def check_attack(kind: str, what: str) -> None:
    """Attack a new server three times, and check the growth of its memory."""
    clients, first, again = HOSTILE[what]
    async with server(kind) as (process, port):
        await welcomed(port)
        before = memory(process, "VmRSS")
        for _ in range(3):
            await asyncio.gather(*(attack(port, first, again) for _ in range(clients)))
        assert memory(process, "VmHWM") - before < MOST
        await welcomed(port)


@pytest.mark.parametrize("kind", ["native", "asgi"])
async def test_server_memory_stays_bounded_when_a_client_reads_no_pongs(kind: str) -> None:
    """Server's memory grows by less than 32 MiB when a client sends endless pings and reads no
    pongs.
    """
    await check_attack(kind, "pings without reading")


@pytest.mark.matrix
@pytest.mark.parametrize("kind", ["native", "asgi"])
@pytest.mark.parametrize("what", HOSTILE)
async def test_server_memory_stays_bounded_under_endless_input(kind: str, what: str) -> None:
    """Server's memory grows by less than 32 MiB under endless pings, fragments or messages, and
    a new client is served afterwards.
    """
    await check_attack(kind, what)


async def check_compressed(kind: str, clients: int) -> None:
    """Send a new server 3,000 messages per client that inflate to 375 MiB; check its memory."""
    said = padded(1) * 3_000

    async def flood(port: int) -> None:
        with contextlib.suppress(ConnectionError, TimeoutError):
            async with asyncio.timeout(6), Wire.to(port, DEFLATE) as wire:
                await wire.upgraded()
                wire.writer.write(said)
                await wire.rest()

    async with server(kind) as (process, port):
        await welcomed(port)
        before = memory(process, "VmRSS")
        floods = [asyncio.create_task(flood(port)) for _ in range(clients)]
        for _ in range(20):
            async with asyncio.timeout(5):  # A new client is served meanwhile.
                await welcomed(port)
            await asyncio.sleep(0.1)
        await asyncio.gather(*floods)
        grown = memory(process, "VmHWM") - before
        assert grown < (MOST if clients == 1 else 2 * MOST)
        await welcomed(port)


@pytest.mark.parametrize("kind", ["native", "asgi"])
async def test_server_memory_stays_bounded_when_messages_inflate_a_thousandfold(kind: str) -> None:
    """Server's memory grows by less than 32 MiB when a client's messages inflate a thousandfold."""
    await check_compressed(kind, 1)


@pytest.mark.matrix
@pytest.mark.parametrize("kind", ["native", "asgi"])
async def test_server_memory_stays_bounded_when_messages_of_eight_clients_inflate(
    kind: str,
) -> None:
    """Server's memory grows by less than 64 MiB when messages of eight clients inflate a
    thousandfold, and new clients are served meanwhile.
    """
    await check_compressed(kind, 8)


@pytest.mark.matrix
@pytest.mark.parametrize("kind", ["native", "asgi"])
async def test_server_closes_hundreds_of_sockets_without_a_complete_request(kind: str) -> None:
    """Server closes 300 sockets that send nothing, half a request or too large headers, and its
    memory grows by less than 32 MiB.
    """
    said = [b"", b"GET / HTTP/1.1\r\nX: 1\r\n", upgrade("Cookie: s=" + "x" * 8_200)]
    if kind == "asgi":
        said.append(b"POST /events HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n")
    async with server(kind) as (process, port):
        await welcomed(port)
        before = memory(process, "VmRSS")
        async with AsyncExitStack() as stack:
            wires = [
                await stack.enter_async_context(Wire.to(port, said[number % len(said)]))
                for number in range(300)
            ]
            await welcomed(port)
            await asyncio.gather(*(wire.rest() for wire in wires))
        assert memory(process, "VmHWM") - before < MOST
        await welcomed(port)


@pytest.mark.matrix
async def test_server_memory_stays_bounded_after_thousands_of_connection_resets() -> None:
    """Server's memory grows by less than 32 MiB when 9,000 clients reset their connections."""
    async with server("native") as (process, port):
        await welcomed(port)
        before = memory(process, "VmRSS")
        for _ in range(90):
            async with AsyncExitStack() as stack:
                for client in [Wire.to(port, upgrade()) for _ in range(100)]:
                    await (await stack.enter_async_context(client)).upgraded()
        assert memory(process, "VmHWM") - before < MOST
        await welcomed(port)
