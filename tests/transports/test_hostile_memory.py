"""Cost of hostile clients for a server in its own process: memory, and its other clients."""

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
"""KiB by which hostile clients may make a server grow."""

HOSTILE = {
    "pings without reading": (1, b"", frame(9) * 200),
    "large pings without reading": (1, b"", frame(9, b"x" * 125) * 200),
    "pings at once": (4, b"", frame(9) * 10_000),
    "empty fragments": (4, frame(1, fin=False), frame(0, fin=False) * 10_000),
    "fragments of a byte": (4, frame(1, fin=False), frame(0, b"x", fin=False) * 10_000),
    "messages without end": (4, b"", frame(1, b"{}") * 10_000),
}
"""Number of clients, the bytes that each sends first, and those that it repeats."""


def memory(process: asyncio.subprocess.Process, what: str) -> int:
    """A process's memory in KiB: ``VmRSS`` now, ``VmHWM`` at its highest."""
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(what))


@asynccontextmanager
async def server(kind: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, int]]:
    """A hub's server in its own process."""
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
    """Check that a well-behaved client is served."""
    async with asyncio.timeout(LONG), connect(f"ws://127.0.0.1:{port}/ws", proxy=None) as client:
        assert json.loads(await client.recv())["type"] == "welcome"


async def attack(port: int, first: bytes, again: bytes) -> None:
    """Send without reading, until the server ends the connection or five seconds have passed."""
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
    """Attack a fresh server three times, and check the growth of its memory."""
    clients, first, again = HOSTILE[what]
    async with server(kind) as (process, port):
        await welcomed(port)
        before = memory(process, "VmRSS")
        for _ in range(3):
            await asyncio.gather(*(attack(port, first, again) for _ in range(clients)))
        assert memory(process, "VmHWM") - before < MOST
        await welcomed(port)


@pytest.mark.parametrize("kind", ["native", "asgi"])
async def test_memory_does_not_grow_by_unread_pongs(kind: str) -> None:
    """A client that sends pings and reads no pong does not grow the server's memory."""
    await check_attack(kind, "pings without reading")


@pytest.mark.matrix
@pytest.mark.parametrize("kind", ["native", "asgi"])
@pytest.mark.parametrize("what", HOSTILE)
async def test_memory_does_not_grow_by_endless_input(kind: str, what: str) -> None:
    """Endless input of any kind does not grow the server's memory, and other clients are served
    afterwards.
    """
    await check_attack(kind, what)


async def check_compressed(kind: str, clients: int) -> None:
    """Send a fresh server 3,000 messages from each of some clients, which inflate to 375 MiB."""
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
            async with asyncio.timeout(5):  # a newcomer is answered meanwhile
                await welcomed(port)
            await asyncio.sleep(0.1)
        await asyncio.gather(*floods)
        grown = memory(process, "VmHWM") - before
        assert grown < (MOST if clients == 1 else 2 * MOST)
        await welcomed(port)


@pytest.mark.parametrize("kind", ["native", "asgi"])
async def test_memory_does_not_grow_by_messages_that_inflate_much(kind: str) -> None:
    """Messages that inflate a thousandfold do not grow the server's memory."""
    await check_compressed(kind, 1)


@pytest.mark.matrix
@pytest.mark.parametrize("kind", ["native", "asgi"])
async def test_memory_does_not_grow_when_eight_clients_inflate_much(kind: str) -> None:
    """Eight such clients do not grow it either, and new clients are served meanwhile."""
    await check_compressed(kind, 8)


@pytest.mark.matrix
@pytest.mark.parametrize("kind", ["native", "asgi"])
async def test_server_ends_hundreds_of_sockets_without_a_request(kind: str) -> None:
    """Hundreds of silent sockets, half requests and large heads are ended, and take no memory."""
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
async def test_memory_does_not_grow_by_thousands_of_resets() -> None:
    """Clients that reset their connection once it is open leave no memory behind."""
    async with server("native") as (process, port):
        await welcomed(port)
        before = memory(process, "VmRSS")
        for _ in range(90):
            async with AsyncExitStack() as stack:
                for client in [Wire.to(port, upgrade()) for _ in range(100)]:
                    await (await stack.enter_async_context(client)).upgraded()
        assert memory(process, "VmHWM") - before < MOST
        await welcomed(port)
