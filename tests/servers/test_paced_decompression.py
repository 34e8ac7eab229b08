"""Compressed messages that inflate a thousandfold, many in one read of the socket."""

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
"""Bytes of one message, inflated: just under the limit."""


def compressed(message: bytes) -> bytes:
    """A client's text frame with a compressed message."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    data = (deflate.compress(message) + deflate.flush(zlib.Z_SYNC_FLUSH))[:-4]
    size = bytes([0x80 | len(data)])
    if len(data) > 125:
        size = bytes([0x80 | 126]) + struct.pack("!H", len(data))
    return b"\xc1" + size + bytes(4) + data


def padded(number: int, size: int = SIZE) -> bytes:
    """A ``ping`` message of the hub with a number, padded with spaces to a size."""
    return compressed(f'{{"type":"ping","id":"{number}"}}'.encode().ljust(size))


async def pongs(wire: Wire, count: int) -> list[str]:
    """The numbers of the first pings that the server answers, in order."""
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
async def test_server_answers_all_messages_when_they_inflate_much(kind: str) -> None:
    """Messages that come in one read are answered once and in order, and later ones are read."""
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
async def test_server_answers_a_message_whose_fragments_inflate_much_in_one_read(kind: str) -> None:
    """A message is received whole when the parser stops between its fragments, and nothing comes
    after them.
    """
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
async def test_server_inflates_little_while_the_handler_does_not_read(way: str) -> None:
    """Of 3,000 messages in half a megabyte, few are inflated until the handler receives them;
    then it gets all, and the connection is read on.
    """
    connections: list[ServerConnection] = []
    go_on = asyncio.Event()
    received = 0

    async def handle(connection: ServerConnection) -> None:
        nonlocal received
        if isinstance(connection, GuardedServerConnection):
            connection.pace_input()  # as a hub does
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
            for _ in range(50):  # as many turns as would inflate all of it
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
    """A server with a handler, and a client that compresses."""
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


async def test_server_inflates_64_kib_at_a_time() -> None:
    """Of a thousand small messages in one read, 64 KiB are inflated before other tasks run."""
    size, connections = 2_000, []

    async def handle(connection: ServerConnection) -> None:
        connections.append(connection)
        await connection.wait_closed()

    async with handled(handle) as (_, wire):
        wire.writer.write(compressed(b"x" * size) * 1_000)
        await until(lambda: connections and len(connections[0].recv_messages.frames) > 4)
        # A second piece is, if the first read had few of them.
        assert len(connections[0].recv_messages.frames) <= 2 * (65_536 // size + 1)


def lost(connection: ServerConnection) -> bool:
    """True if the client has ended the connection, and some of its input is not inflated."""
    return type(connection.transport).__name__ == "_LostTransport"


@pytest.mark.parametrize("end", ["with TLS", "by a reset"])
async def test_server_receives_all_messages_when_a_client_ends_without_a_close_frame(
    end: str, tls: tuple[ssl.SSLContext, ssl.SSLContext], caplog: pytest.LogCaptureFixture
) -> None:
    """A client's messages are received even if not inflated when the client ended its
    connection, and answers to them are dropped without a log line.
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
            wire.writer.close()  # is read together with the messages
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


async def test_server_can_cut_a_connection_that_its_client_ended_while_input_waits(
    tls: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    """When a handler reads nothing and returns, the waiting input is dropped after the close
    timeout.
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


async def test_connection_drops_what_is_not_inflated_when_its_server_aborts_it() -> None:
    """Nothing of an aborted connection is inflated later."""
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


async def test_handler_reads_on_when_it_waited_to_send_to_a_client_that_ended(
    tls: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    """A handler whose send waits for a client that ends its connection continues, and receives
    all of the client's messages.
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
async def test_hub_takes_all_messages_of_a_client_that_resets_its_connection(
    kind: str, how: str
) -> None:
    """Messages that a client published before a reset reach the hub."""
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


async def test_pings_among_compressed_messages_are_counted_together() -> None:
    """A client that floods with pings is closed with 1002, however its input is divided."""

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


async def test_hub_behind_the_library_takes_the_fast_path_of_its_probe() -> None:
    """The connection class of a hub's arguments does not turn the probe's fast path off."""
    monitor = Monitor(interval=1000)
    cls = probe(monitor, base=serve_arguments(Hub())["create_connection"], fast=True)
    assert issubclass(cls, GuardedServerConnection)
    assert any(each.__name__ == "FastPath" for each in cls.__mro__)
    monitor.close()


async def test_hub_behind_the_library_inflates_in_turns() -> None:
    """A hub that ``websockets`` itself serves inflates in turns, too."""
    hub = Hub()
    async with (
        websockets_serve(handler(hub), "127.0.0.1", 0, **serve_arguments(hub)) as server,
        asyncio.timeout(LONG),
        Wire.to(next(iter(server.sockets)).getsockname()[1], DEFLATE) as wire,
    ):
        await wire.upgraded()
        wire.writer.write(b"".join(map(padded, range(20))))
        assert await pongs(wire, 20) == [str(number) for number in range(20)]
