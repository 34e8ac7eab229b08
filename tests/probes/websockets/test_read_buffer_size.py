"""Size of the transport's reads: small at first, and larger once a read has filled its buffer."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.frames import Opcode

from rtmon import Monitor, probe
from rtmon.probes.websockets.in_memory_connection import (
    MemoryConnection,
    MemoryTransport,
    frame_bytes,
)
from rtmon.probes.websockets.read_buffer_size import READ_AT_ONCE

ITS_OWN = 256 * 1024
"""Bytes that asyncio's transports read at once by default."""

LENGTHS = (0, 1, READ_AT_ONCE - 8, READ_AT_ONCE, 3 * ITS_OWN, 5)


@pytest.mark.parametrize("secure", [False, True], ids=["TCP", "TLS"])
@pytest.mark.parametrize("fast", [False, True], ids=["probe", "fast path"])
async def test_messages_of_any_length_arrive_with_small_reads(
    tls: tuple[ssl.SSLContext, ssl.SSLContext], *, fast: bool, secure: bool
) -> None:
    """Messages of any length arrive unchanged and are counted to the byte although the transport
    begins with small reads.
    """
    monitor = Monitor(interval=1000)
    opened: list[Any] = []

    async def echo(connection: ServerConnection) -> None:
        opened.append(connection)
        async for message in connection:
            await connection.send(message)

    theirs, ours = tls if secure else (None, None)
    options: dict[str, Any] = {"compression": None, "max_size": None}
    probes = probe(monitor, fast=fast), probe(monitor, base=ClientConnection)
    async with serve(
        echo, "127.0.0.1", 0, create_connection=probes[0], ssl=theirs, **options
    ) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        async with (
            asyncio.timeout(60),
            connect(
                f"{'wss' if secure else 'ws'}://127.0.0.1:{port}",
                create_connection=probes[1],
                ssl=ours,
                server_hostname="localhost" if secure else None,
                **options,
            ) as client,
        ):
            for length in LENGTHS:
                message = bytes(n % 251 for n in range(length))
                await client.send(message)
                assert await client.recv() == message
                if length == 0 and not secure:
                    sizes = [one.transport.max_size for one in (client, *opened)]
                    assert sizes == [READ_AT_ONCE] * 2
            assert opened[0].meter.bytes_in == client.meter.bytes_in == sum(LENGTHS)
            assert opened[0].meter.wire_in == client.meter.wire_out
    assert monitor.probe_failures == 0
    monitor.close()


@pytest.mark.parametrize("fast", [False, True], ids=["probe", "fast path"])
async def test_transport_uses_its_default_read_size_after_a_full_read(
    monkeypatch: pytest.MonkeyPatch, *, fast: bool
) -> None:
    """Transport returns to its default read size after a read has filled the small buffer."""
    monkeypatch.setattr(MemoryTransport, "max_size", ITS_OWN, raising=False)
    monitor = Monitor(interval=1000)
    pair = MemoryConnection(probe(monitor, fast=fast))
    await pair.open()
    transport: Any = pair.transport
    begin = frame_bytes(Opcode.BINARY, b"x" * 2 * READ_AT_ONCE)
    pair.connection.data_received(begin[: READ_AT_ONCE - 1])
    assert transport.max_size == READ_AT_ONCE
    pair.connection.data_received(begin[READ_AT_ONCE - 1 :][:READ_AT_ONCE])
    assert transport.max_size == ITS_OWN
    monitor.close()
