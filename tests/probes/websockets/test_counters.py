"""The probe for ``websockets``: counters, handler and waiting times, round-trip times."""

from __future__ import annotations

import asyncio
from array import array
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, broadcast
from websockets.frames import Opcode
from websockets.uri import parse_uri

from rtmon import Monitor, probe
from rtmon.testing import FakeClock, until
from tests.probes.websockets.serving import RawClient, dead, ended, events, row_of, serving


async def test_websockets_row_equals_the_byte_and_frame_counts_of_a_raw_client(
    *, fast: bool
) -> None:
    """Monitor's connection row equals a raw client's counts of messages, payload and wire bytes
    after a clean close.
    """
    async with serving(compression=None, fast=fast) as (monitor, _, url):
        client = await RawClient.connect(f"{url}/chat?token=secret")
        protocol = client.protocol
        protocol.send_text(b"hello")
        protocol.send_binary(b"\x00" * 70_000)
        protocol.send_text("grüße".encode(), fin=False)
        protocol.send_ping(b"in between")
        protocol.send_continuation(b" there", fin=True)
        await client.flush()
        await client.read(lambda: sum(len(f.data) for f in client.frames) >= 70_005 + 13 + 10)
        await client.close()
        await ended(monitor)
        row = row_of(monitor)

    data = [f for f in client.frames if f.opcode in {Opcode.TEXT, Opcode.BINARY, Opcode.CONT}]
    assert (row.messages_in, row.bytes_in) == (3, 5 + 70_000 + 7 + 6)
    assert (row.messages_out, row.bytes_out) == (3, sum(len(frame.data) for frame in data))
    assert row.wire_in == client.bytes_sent
    assert row.wire_out == client.bytes_received
    assert row.path == "/chat", "a query may hold secrets"
    assert (row.close_code, row.code_received, row.reason_received) == (1000, 1000, "done")
    assert (row.initiator, row.state) == ("remote", "closed")
    assert row.remote == "{}:{}".format(*client.writer.get_extra_info("sockname"))


async def test_payload_bytes_are_counted_uncompressed_and_wire_bytes_compressed(
    *, fast: bool
) -> None:
    """Monitor's connection row counts payload bytes before compression and wire bytes after it
    with permessage-deflate.
    """
    async with serving(fast=fast) as (monitor, _, url):
        async with connect(url) as client:
            await client.send("a" * 100_000)
            await client.recv()
        await ended(monitor)
        row = row_of(monitor)
    assert (row.bytes_in, row.bytes_out) == (100_000, 100_000)
    assert row.wire_in is not None
    assert row.wire_out is not None
    assert row.wire_in < 2_000
    assert row.wire_out < 2_000


async def test_memoryviews_with_larger_items_are_counted_in_bytes(*, fast: bool) -> None:
    """Monitor's connection row counts a memoryview of three 8-byte numbers as 24 bytes, sent
    whole, in fragments or by broadcast.
    """
    numbers = memoryview(array("d", [1.0, 2.0, 3.0]))
    table = memoryview(bytes(24)).cast("B", (4, 6))

    async def handler(connection: ServerConnection) -> None:
        await connection.send(numbers)
        await connection.send([numbers, numbers])
        await connection.send(table)
        broadcast([connection], numbers)

    async with serving(handler, fast=fast) as (monitor, _, url):
        async with connect(url) as client:
            received = [len(message) async for message in client]
        row = await dead(monitor)
    assert received == [24, 48, 24, 24]
    assert (row.messages_out, row.bytes_out) == (4, 120)


async def test_broadcast_and_fragmented_message_count_as_one_message_each(*, fast: bool) -> None:
    """Monitor's connection row counts a message of ``broadcast()`` and a message sent in three
    fragments as one message each.
    """

    async def handler(connection: ServerConnection) -> None:
        broadcast([connection], "to all")
        await connection.send(["in ", "three ", "parts"])
        await connection.wait_closed()

    async with serving(handler, fast=fast) as (monitor, _, url), connect(url) as client:
        assert [await client.recv(), await client.recv()] == ["to all", "in three parts"]
        row = row_of(monitor)
        assert (row.messages_out, row.bytes_out) == (2, 6 + 14)


async def test_message_read_by_recv_streaming_does_not_affect_times_of_later_messages(
    *, fast: bool
) -> None:
    """Message read by ``recv_streaming()`` adds no handler or waiting time, and does not change
    the times of later messages.
    """
    clock = FakeClock()
    monitor = Monitor(interval=1000, clock=clock)

    async def handler(connection: ServerConnection) -> None:
        await connection.send("".join([part async for part in connection.recv_streaming()]))
        async for message in connection:
            clock.advance(0.25)
            await connection.send(message)

    async with serving(handler, monitor=monitor, fast=fast) as (_, _, url):
        async with connect(url) as client:
            for message in (["stre", "amed"], "one", "two"):
                await client.send(message)
                assert await client.recv() == "".join(message)
                clock.advance(100)
            await client.close()
        await until(lambda: monitor.snapshot().closed == 1)
    snapshot = monitor.snapshot()
    monitor.close()
    assert (snapshot.messages_in, snapshot.fragmented_in) == (3, 1)
    assert (snapshot.receive.count, snapshot.receive.sum) == (2, 0)
    assert (snapshot.handler.count, snapshot.handler.sum) == (2, 0.5)


@pytest.mark.parametrize("compression", [None, "deflate"])
async def test_probe_records_no_handler_and_waiting_times_with_times_false(
    *, compression: str | None, fast: bool
) -> None:
    """Probe with ``times=False`` records no handler time and no waiting time."""
    monitor = Monitor(interval=1000)
    made = probe(monitor, times=False, fast=fast)
    async with serving(create_connection=made, compression=compression, fast=fast) as (_, _, url):
        async with connect(url, compression=compression) as client:
            for message in ("whole", ["in ", "pieces"], "whole"):
                await client.send(message)
                await client.recv()
        await until(lambda: monitor.snapshot().closed == 1)
    snapshot = monitor.snapshot()
    monitor.close()
    assert (snapshot.messages_in, snapshot.handler.count, snapshot.receive.count) == (3, 0, 0)


async def test_websockets_keepalive_ping_gives_a_round_trip_time(*, fast: bool) -> None:
    """Monitor's connection row has a round-trip time when the client answers keepalive pings."""
    async with serving(ping_interval=0.01, fast=fast) as (monitor, _, url), connect(url):
        await until(lambda: monitor.snapshot().rtt.count >= 2)
        row = row_of(monitor)
        assert row.rtt is not None
        assert 0 < row.rtt < 60
        published = monitor.collector.published()
        assert published is not None
        assert published.rtt.count >= 2


async def test_handler_time_is_recorded_when_handler_returns_after_its_last_message(
    *, fast: bool
) -> None:
    """Handler time of the last message is recorded when the handler returns instead of receiving
    again.
    """
    clock = FakeClock()
    monitor = Monitor(interval=1000, clock=clock)

    async def handler(connection: ServerConnection) -> None:
        await connection.recv()
        clock.advance(0.25)

    async with serving(handler, monitor=monitor, fast=fast) as (_, _, url):
        async with connect(url) as client:
            await client.send("x")
            await client.wait_closed()
        await ended(monitor)
    handled = monitor.snapshot().handler
    monitor.close()
    assert handled is not None
    assert (handled.count, handled.sum) == (1, 0.25)


def test_round_trip_times_are_finer_than_a_millisecond_under_uvloop(*, fast: bool) -> None:
    """Round-trip times under uvloop, whose clock has millisecond steps, are finer than a
    millisecond.
    """
    uvloop = pytest.importorskip("uvloop")

    async def pinged() -> list[float]:
        seconds: list[float] = []

        async def handler(connection: ServerConnection) -> None:
            for _ in range(5):
                await (await connection.ping())
                seconds.append(connection.meter.rtt)  # type: ignore[attr-defined]

        async with serving(handler, fast=fast) as (_, _, url), connect(url) as client:
            await client.wait_closed()
        return seconds

    seconds = uvloop.run(pinged())
    assert all(0 < each < 60 for each in seconds)
    assert any(abs(each * 1e3 - round(each * 1e3)) > 1e-6 for each in seconds)


async def test_client_connection_has_its_own_row_and_is_not_in_server_totals(*, fast: bool) -> None:
    """Probe on a client's connection gives a row with role ``client``, and the server totals do
    not include it.
    """
    mine = Monitor(interval=1000)
    async with serving(fast=fast) as (monitor, _, url):
        async with connect(
            f"{url}/room", create_connection=probe(mine, base=ClientConnection, fast=fast)
        ) as client:
            await client.send("hello")
            assert await client.recv() == "hello"
            await (await client.ping())
            client.meter.name = "me"
        await ended(monitor)
        theirs = row_of(monitor)
        own = row_of(mine)
    assert (own.role, own.path, own.name, own.state) == ("client", "/room", "me", "closed")
    assert (own.messages_out, own.bytes_in, own.initiator) == (1, 5, "local")
    assert (own.wire_out, own.wire_in) == (theirs.wire_in, theirs.wire_out)
    assert own.rtt is not None
    snapshot = mine.snapshot()
    assert (snapshot.opened, snapshot.messages_out, snapshot.wire_out) == (0, 0, 0)


async def test_probe_counts_rejected_handshakes_and_plain_http_requests_separately(
    *, fast: bool
) -> None:
    """Probe counts a rejected handshake as rejected, plain HTTP as a request and a port check as
    neither, and adds no row for them.
    """

    async def refuse(connection: ServerConnection, request: Any) -> Any:
        return connection.respond(403, "no\n") if request.path == "/no" else None

    async def talk(url: str, request: bytes) -> bytes:
        uri = parse_uri(url)
        reader, writer = await asyncio.open_connection(uri.host, uri.port)
        writer.write(request)
        if not request:
            writer.write_eof()
        answer = await reader.read()
        writer.close()
        return answer

    async with serving(process_request=refuse, fast=fast) as (monitor, _, url):
        with pytest.raises(Exception, match="403"):
            await connect(f"{url}/no")
        await until(lambda: monitor.snapshot().rejected == 1)
        assert b"426" in await talk(url, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await until(lambda: monitor.snapshot().http_requests == 1)
        await talk(url, b"")
        await talk(url, b"nonsense\r\n\r\n")
        await until(lambda: monitor.snapshot().rejected == 2)
        snapshot = monitor.snapshot()
    assert (snapshot.opened, snapshot.open, snapshot.http_requests) == (0, 0, 1)
    assert snapshot.wire_in is not None
    assert snapshot.wire_in > 38
    first, second = events(monitor, "rejected")
    assert (first.code, first.detail) == (403, "refused with HTTP 403 at /no")
    assert second.code is None
    assert monitor.collector.connections() == []
