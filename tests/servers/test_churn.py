"""Memory of connections that have ended: it is freed without the garbage collector."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.connection import Connection

import rtmon
from rtmon.asgi import GuardedHTTP, GuardedWebSocket
from rtmon.testing import until
from tests.transports.raw_sockets import LONG, Wire, frame, opened, upgrade
from tests.transports.test_hostile_memory import memory, server

ROUND = 10_000
"""Connections per round of :func:`test_server_memory_stops_growing_as_clients_come_and_go`."""


@pytest.fixture
def without_collector() -> Iterator[None]:
    """Turn the garbage collector off during the test."""
    gc.disable()
    yield
    gc.enable()


async def _greet(connection: Any) -> None:
    await connection.send("welcome")
    async for message in connection:
        await connection.send(message)


@asynccontextmanager
async def hub_server(kind: str) -> AsyncIterator[int]:
    """Serve a hub or a handler, and yield the port."""
    if kind == "handler":
        async with rtmon.serve(_greet, "127.0.0.1", 0) as handler:
            yield handler.port
    else:
        async with opened(kind) as hub:
            yield hub.port


def connections() -> dict[int, object]:
    """Return all connection objects in this process by ``id()``, also of closed connections."""
    kinds = (Connection, GuardedHTTP, GuardedWebSocket)
    return {id(one): one for one in gc.get_objects() if isinstance(one, kinds)}


@pytest.mark.usefixtures("without_collector")
@pytest.mark.parametrize("end", ["close", "reset"])
@pytest.mark.parametrize("kind", ["native", "handler", "asgi"])
async def test_closed_connection_is_freed_without_the_garbage_collector(
    kind: str, end: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Connection object is freed without the garbage collector after a clean close or a reset."""
    caplog.set_level("CRITICAL")  # A log record would keep the traceback alive.
    async with hub_server(kind) as port:
        gc.collect()  # Remove objects of self-tests.
        of_others = connections()  # Session fixtures may have open connections.
        for _ in range(3):
            async with Wire.to(port, upgrade()) as wire:
                await wire.upgraded()
                await wire.reader.read(1)
                assert connections().keys() - of_others
                if end == "close":
                    wire.writer.write(frame(8, b"\x03\xe8"))
                    await wire.rest()
        await until(lambda: not connections().keys() - of_others, timeout=LONG)


async def test_idle_asgi_connection_keeps_no_input_of_a_large_message() -> None:
    """Idle ASGI WebSocket keeps no unparsed input of a large message that it has received."""
    said = b'{"type": "ping", "id": "1"}'.ljust(60_000)
    async with opened("asgi") as hub, Wire.to(hub.port, upgrade()) as wire:
        await wire.upgraded()
        wire.writer.write(b"\x81\xfe" + len(said).to_bytes(2, "big") + bytes(4) + said)
        async with asyncio.timeout(LONG):
            await wire.reader.readuntil(b'"pong"')
        (one,) = (each for each in gc.get_objects() if isinstance(each, GuardedWebSocket))
        assert not one._unparsed.obj


CHURN = """
import asyncio, sys
from tests.transports.raw_sockets import Wire, upgrade
async def come_and_go(port, times):
    for _ in range(times):
        async with Wire.to(port, upgrade()) as wire:
            await wire.upgraded()
            await wire.reader.read(1)
async def main(port, times):
    await asyncio.gather(*(come_and_go(port, times // 50) for _ in range(50)))
asyncio.run(main(*map(int, sys.argv[1:])))
"""


@pytest.mark.matrix
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("kind", ["native", "asgi"])
async def test_server_memory_stops_growing_as_clients_come_and_go(kind: str) -> None:
    """Server's memory grows by at most 5 percent from the second to the third round of 10,000
    connections.
    """
    async with server(kind) as (process, port):
        taken = []
        for _ in range(3):
            client = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", CHURN, str(port), str(ROUND))
            )
            assert await client.wait() == 0
            taken.append(memory(process, "VmRSS"))
        first, second, third = taken
        assert second <= 1.5 * first, taken
        assert third <= 1.05 * second, taken
