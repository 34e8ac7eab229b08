"""Compressed messages that inflate a thousandfold: the server decompresses them in small
portions.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
import struct
import zlib
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as websockets_serve
from websockets.exceptions import ConnectionClosed
from websockets.protocol import State

import rtmon
from rtmon import Hub, Monitor, probe
from rtmon.core.flood_protection import PINGS_AT_ONCE, GuardedServerConnection
from rtmon.hub.transports.websocket import handler, serve_arguments
from rtmon.testing import until
from tests.transports.raw_sockets import LONG, SERVERS, Wire, frame, opened, upgrade

DEFLATE = upgrade("Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover")

SIZE = 131_000
"""Decompressed size of one message in bytes, just below the size limit."""


def compressed(message: bytes) -> bytes:
    """Return a client's text frame with a compressed message."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    data = (deflate.compress(message) + deflate.flush(zlib.Z_SYNC_FLUSH))[:-4]
    size = bytes([0x80 | len(data)])
    if len(data) > 125:
        size = bytes([0x80 | 126]) + struct.pack("!H", len(data))
    return b"\xc1" + size + bytes(4) + data


def padded(number: int, size: int = SIZE) -> bytes:
    """Return a hub ``ping`` message with a number as its id, padded with spaces to this size."""
    return compressed(f'{{"type":"ping","id":"{number}"}}'.encode().ljust(size))


async def pongs(wire: Wire, count: int) -> list[str]:
    """Return the ids of the first ``count`` pings that the server answers."""
    found: list[str] = []
    while len(found) < count:
        head, size = await wire.reader.readexactly(2)
        if size == 126:
            (size,) = struct.unpack("!H", await wire.reader.readexactly(2))
        data = await wire.reader.readexactly(size)
        if head & 0x40:
            data = zlib.decompressobj(-15).decompress(data + b"\0\0\xff\xff")
        if head & 0x0F == 1:
            message = msgspec.json.decode(data)
            if message["type"] == "pong":
                found.append(message["reply_to"])
    return found


@pytest.mark.parametrize("kind", SERVERS)
async def test_server_answers_150_messages_that_inflate_a_thousandfold_in_order(kind: str) -> None:
    """Server that gets 150 compressed messages in one read answers each of them once and in
    order, and reads later messages.
    """
    sizes = [SIZE, 40, 5_000, SIZE, SIZE]
    said = b"".join(padded(number, sizes[number % 5]) for number in range(150))
    async with (
        opened(kind, byte_rate=1e9) as hub_server,
        asyncio.timeout(LONG),
        Wire.to(hub_server.port, DEFLATE) as wire,
    ):
        await wire.upgraded()
        wire.writer.write(said[:-7])
        await asyncio.sleep(0)
        wire.writer.write(said[-7:] + frame(9, b"x"))
        assert await pongs(wire, 150) == [str(number) for number in range(150)]
        wire.writer.write(frame(8, b"\x03\xe8"))
        assert (await wire.rest()).endswith(b"\x88\x02\x03\xe8")


@pytest.mark.parametrize("kind", SERVERS)
async def test_server_answers_a_fragmented_message_that_inflates_a_thousandfold(kind: str) -> None:
    """Server answers a compressed message whose fragments arrive in one read."""
    said = b'{"type":"ping","id":"1"}'.ljust(SIZE)
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    parts = [said[start : start + 33_000] for start in range(0, SIZE, 33_000)]
    data = [deflate.compress(part) + deflate.flush(zlib.Z_SYNC_FLUSH) for part in parts]
    data[-1] = data[-1][:-4]
    heads = [b"\x41", *[b"\x00"] * (len(data) - 2), b"\x80"]
    frames = [
        head + bytes([0x80 | len(part)]) + bytes(4) + part
        for head, part in zip(heads, data, strict=True)
    ]
    async with (
        opened(kind) as hub_server,
        asyncio.timeout(LONG),
        Wire.to(hub_server.port, DEFLATE) as wire,
    ):
        await wire.upgraded()
        wire.writer.write(b"".join(frames))
        assert await pongs(wire, 1) == ["1"]


@pytest.mark.parametrize("way", ["serve", "guarded", "probe", "own class"])
async def test_server_decompresses_at_most_16_messages_before_the_handler_reads(way: str) -> None:
    """Server decompresses at most 16 of 3,000 messages before the handler reads, and the
    handler then receives all messages.
    """
    connections: list[ServerConnection] = []
    go_on = asyncio.Event()
    received = 0

    async def handle(connection: ServerConnection) -> None:
        nonlocal received
        if isinstance(connection, GuardedServerConnection):
            connection.pace_input()  # A hub calls pace_input() too.
        connections.append(connection)
        await go_on.wait()
        async for message in connection:
            assert len(message) in {SIZE, 2}
            received += 1

    class Own(ServerConnection):
        def data_received(self, data: bytes) -> None:
            super().data_received(data)

    guarded = serve_arguments(Hub())["create_connection"]
    server: Any = {
        "serve": lambda: rtmon.serve(handle, "127.0.0.1", 0),
        "own class": lambda: rtmon.serve(handle, "127.0.0.1", 0, create_connection=Own),
        "guarded": lambda: websockets_serve(handle, "127.0.0.1", 0, create_connection=guarded),
        "probe": lambda: websockets_serve(
            handle, "127.0.0.1", 0, create_connection=probe(Monitor(), base=guarded)
        ),
    }[way]()
    async with server as running, asyncio.timeout(LONG):
        port = getattr(running, "port", None) or running.sockets[0].getsockname()[1]
        async with Wire.to(port, DEFLATE) as wire:
            await wire.upgraded()
            wire.writer.write(compressed(b"x" * SIZE) * 3_000)
            await until(lambda: connections and len(connections[0].recv_messages.frames) > 4)
            for _ in range(50):  # Enough loop iterations to decompress all.
                await asyncio.sleep(0.002)
            inflated = len(connections[0].recv_messages.frames)
            go_on.set()
            assert inflated <= 16
            await until(lambda: received == 3_000, timeout=LONG)
            wire.writer.write(frame(1, b"{}"))
            await until(lambda: received == 3_001, timeout=LONG)


@contextlib.asynccontextmanager
async def handled(
    handle: Any, tls: tuple[ssl.SSLContext, ssl.SSLContext] | None = None, **options: Any
) -> AsyncIterator[tuple[rtmon.Server, Wire]]:
    """Serve a handler, and connect a client with compression."""
    mine, theirs = tls or (None, None)
    async with (
        rtmon.serve(handle, "127.0.0.1", 0, ssl=mine, ping_interval=None, **options) as server,
        asyncio.timeout(LONG),
    ):
        wire = Wire(*await asyncio.open_connection("localhost", server.port, ssl=theirs))
        try:
            wire.writer.write(DEFLATE)
            await wire.upgraded()
            yield server, wire
        finally:
            wire.writer.transport.abort()


async def test_server_decompresses_64_kib_per_event_loop_iteration() -> None:
    """Server decompresses about 64 KiB of small messages that arrive in one read before other
    tasks run.
    """
    size, connections = 2_000, []

    async def handle(connection: ServerConnection) -> None:
        connections.append(connection)
        await connection.wait_closed()

    async with handled(handle) as (_, wire):
        wire.writer.write(compressed(b"x" * size) * 1_000)
        await until(lambda: connections and len(connections[0].recv_messages.frames) > 4)
        # The first read may contain few messages; then a second portion is decompressed.
        assert len(connections[0].recv_messages.frames) <= 2 * (65_536 // size + 1)


def lost(connection: ServerConnection) -> bool:
    """Return True if the client has ended the connection while some input is still compressed."""
    return type(connection.transport).__name__ == "_LostTransport"


@pytest.mark.parametrize("end", ["with TLS", "by a reset"])
async def test_handler_receives_all_messages_sent_before_the_client_disconnected(
    end: str, tls: tuple[ssl.SSLContext, ssl.SSLContext], caplog: pytest.LogCaptureFixture
) -> None:
    """Handler receives all compressed messages that a client sent before the client closed a
    TLS connection or reset TCP, and asyncio logs nothing.
    """
    received = 0
    begin, ended = asyncio.Event(), asyncio.Event()
    connections: list[ServerConnection] = []

    async def handle(connection: ServerConnection) -> None:
        nonlocal received
        connections.append(connection)
        await begin.wait()
        with contextlib.suppress(ConnectionClosed):
            async for message in connection:
                received += len(message) == SIZE
                with contextlib.suppress(ConnectionClosed):
                    await connection.send("x" * 1_000)
        ended.set()

    async with handled(handle, tls if end == "with TLS" else None) as (server, wire):
        wire.writer.write(compressed(b"x" * SIZE) * 60)
        if end == "with TLS":
            wire.writer.close()  # The server reads the end with the messages.
        await until(lambda: connections and len(connections[0].recv_messages.frames) > 4)
        if end == "by a reset":
            wire.writer.transport.abort()
            transport = connections[0].transport
            await until(lambda: transport.write(b"x") or transport.is_closing())
        await until(lambda: lost(connections[0]))
        begin.set()
        await ended.wait()
        assert received == 60
        await until(lambda: server.monitor.snapshot().closed == 1)
        server.monitor.tick()
        (row,) = server.monitor.collector.connections()
        assert row.messages_in == 60
        assert row.cause == ("peer vanished" if end == "with TLS" else "reset")
        assert connections[0].state is State.CLOSED
        assert "at_eof" not in vars(connections[0].protocol.reader)
    assert not [record for record in caplog.records if record.name == "asyncio"]


async def test_server_drops_compressed_input_when_the_handler_returns_without_reading(
    tls: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    """Server drops a disconnected client's compressed input after ``close_timeout`` when the
    handler returns without reading.
    """
    connections: list[ServerConnection] = []
    begin = asyncio.Event()

    async def handle(connection: ServerConnection) -> None:
        connections.append(connection)
        await begin.wait()

    async with handled(handle, tls, close_timeout=0.2) as (server, wire):
        wire.writer.write(compressed(b"x" * SIZE) * 60)
        wire.writer.close()
        await until(lambda: connections and lost(connections[0]))
        await until(lambda: len(connections[0].recv_messages.frames) > 4)
        held = len(connections[0].recv_messages.frames)
        begin.set()
        await until(lambda: connections[0].state is State.CLOSED)
        assert len(connections[0].recv_messages.frames) == held
        assert server.monitor.probe_failures == 0


async def test_server_decompresses_nothing_after_it_aborts_a_connection() -> None:
    """Server decompresses no further messages of a connection after aborting it."""
    connections: list[Any] = []

    async def handle(connection: ServerConnection) -> None:
        connections.append(connection)
        await connection.wait_closed()

    async with handled(handle) as (server, wire):
        wire.writer.write(compressed(b"x" * SIZE) * 300)
        await until(lambda: connections and len(connections[0].recv_messages.frames) > 4)
        connections[0].transport.abort()
        await until(lambda: connections[0].state is State.CLOSED)
        held = len(connections[0].recv_messages.frames)
        await asyncio.sleep(0.01)
        assert len(connections[0].recv_messages.frames) == held
        async with connect(server.url):
            pass
        assert server.monitor.probe_failures == 0


async def test_handler_blocked_in_send_receives_all_messages_after_the_client_disconnects(
    tls: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    """Handler that waits in ``send()`` continues when the client disconnects, and then receives
    all of its messages.
    """
    received = 0
    connections: list[Any] = []
    ended = asyncio.Event()

    async def handle(connection: ServerConnection) -> None:
        nonlocal received
        connections.append(connection)
        with contextlib.suppress(ConnectionClosed):
            for _ in range(16):
                await connection.send(os.urandom(1 << 20))
        with contextlib.suppress(ConnectionClosed):
            async for _ in connection:
                received += 1
        ended.set()

    async with handled(handle, tls) as (_, wire):
        wire.writer.transport.pause_reading()
        await until(lambda: connections and connections[0].paused)
        wire.writer.write(compressed(b"x" * SIZE) * 60)
        wire.writer.close()
        await ended.wait()
        assert received == 60


@pytest.mark.parametrize("kind", SERVERS)
@pytest.mark.parametrize("how", ["compressed", "plain"])
async def test_hub_publishes_all_messages_that_a_client_sent_before_a_reset(
    kind: str, how: str
) -> None:
    """Hub publishes all messages that a client sent before it reset the connection, in order."""
    size = 60_000 if how == "compressed" else 100
    messages = [
        msgspec.json.encode({"type": "publish", "payload": {"channel": "c", "data": f"{number}"}})
        for number in range(100)
    ]
    padded_ = [message.ljust(size) for message in messages]
    said = b"".join(compressed(each) if how == "compressed" else frame(1, each) for each in padded_)
    taken: list[str] = []
    async with opened(kind, byte_rate=1e9) as hub_server:
        hub_server.hub.subscribe("c", lambda publication: taken.append(publication.data))
        async with asyncio.timeout(LONG), Wire.to(hub_server.port, DEFLATE) as wire:
            await wire.upgraded()
            await wire.reader.readexactly(2)
            wire.writer.write(said)
            wire.writer.transport.pause_reading()
        await until(lambda: len(taken) == 100, timeout=LONG)
        assert taken == [str(number) for number in range(100)]


async def test_server_closes_client_with_1002_when_it_floods_pings_among_compressed_messages() -> (
    None
):
    """Server closes a client with 1002 when it floods pings between compressed messages."""

    async def handle(connection: ServerConnection) -> None:
        async for _ in connection:
            pass

    async with rtmon.serve(handle, "127.0.0.1", 0) as server:
        async with asyncio.timeout(LONG), Wire.to(server.port, DEFLATE) as wire:
            await wire.upgraded()
            said = (padded(1, 40) + frame(9) * 10) * (PINGS_AT_ONCE // 5)
            for _ in range(20):
                wire.writer.write(said)
            await wire.rest()
            await until(lambda: server.monitor.snapshot().closed == 1, timeout=LONG)
        (row,) = server.monitor.collector.connections()
        assert row.code_sent == 1002


async def test_probe_uses_the_fast_path_with_the_hubs_connection_class() -> None:
    """Probe with ``fast=True`` uses the fast path on top of the connection class of
    ``serve_arguments(hub)``.
    """
    monitor = Monitor(interval=1000)
    cls = probe(monitor, base=serve_arguments(Hub())["create_connection"], fast=True)
    assert issubclass(cls, GuardedServerConnection)
    assert any(each.__name__ == "FastPath" for each in cls.__mro__)
    monitor.close()


async def test_hub_behind_websockets_serve_answers_messages_that_inflate_a_thousandfold() -> None:
    """Hub behind ``websockets.serve()`` answers 20 messages that inflate a thousandfold, in
    order.
    """
    hub = Hub()
    async with (
        websockets_serve(handler(hub), "127.0.0.1", 0, **serve_arguments(hub)) as server,
        asyncio.timeout(LONG),
        Wire.to(next(iter(server.sockets)).getsockname()[1], DEFLATE) as wire,
    ):
        await wire.upgraded()
        wire.writer.write(b"".join(map(padded, range(20))))
        assert await pongs(wire, 20) == [str(number) for number in range(20)]
