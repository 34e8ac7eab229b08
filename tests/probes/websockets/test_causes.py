"""Causes of closing in the rows of ``websockets`` connections, on real sockets."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from rtmon import Monitor
from rtmon.testing import FakeClock, until
from tests.probes.websockets.serving import dead, serving, upgraded


def _freeze(client: ClientConnection) -> None:
    """Stop the client from reading, and keep its socket open."""
    client.transport.pause_reading()


async def test_websockets_row_has_cause_reset_and_the_last_frames_when_the_client_resets_tcp() -> (
    None
):
    """Monitor's connection row has close code 1006, the cause ``reset`` and the last frames when
    the client resets the TCP connection.
    """
    async with serving() as (monitor, _, url):
        client = await connect(url)
        await client.send("x" * 5)
        await client.recv()
        raw: socket.socket = client.transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.transport.abort()
        row = await dead(monitor)
        await client.wait_closed()
    assert (row.close_code, row.cause, row.initiator) == (1006, "reset", None)
    assert row.last_frames is not None
    first, second = row.last_frames.split("; ")
    assert first.endswith("in text 5")
    assert second.endswith(" out text 5")
    assert float(first.split(" ")[0]) <= float(second.split(" ")[0]) <= 0


async def test_websockets_row_has_cause_reset_when_a_slow_client_resets_tcp() -> None:
    """Monitor's connection row has the cause ``reset``, not ``slow consumer``, when a client
    resets TCP while the server waits to send to it.
    """

    async def flood(connection: ServerConnection) -> None:
        while True:
            await connection.send(b"x" * 100_000)

    async with serving(flood, ping_interval=None) as (monitor, server, url):
        client = await connect(url, compression=None, max_queue=1)
        _freeze(client)
        (connection,) = server.connections
        await until(lambda: connection.paused)
        raw: socket.socket = client.transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.transport.abort()
        row = await dead(monitor)
        await client.wait_closed()
    assert (row.close_code, row.cause, row.initiator) == (1006, "reset", None)


async def test_websockets_row_has_cause_peer_vanished_when_tcp_ends_without_close_frame() -> None:
    """Monitor's connection row has close code 1006 and the cause ``peer vanished`` when the
    client ends TCP without a close frame.
    """
    async with serving() as (monitor, _, url):
        client = await connect(url)
        client.transport.write_eof()
        row = await dead(monitor)
        await client.wait_closed()
    assert (row.close_code, row.cause) == (1006, "peer vanished")


async def test_websockets_row_has_cause_ping_timeout_when_the_client_answers_no_ping() -> None:
    """Monitor's connection row has the cause ``ping timeout`` when a client that stopped reading
    does not answer the keepalive ping.
    """
    async with serving(ping_interval=0.1, ping_timeout=0.2, close_timeout=0.05) as (
        monitor,
        _,
        url,
    ):
        client = await connect(url, ping_interval=None)
        _freeze(client)
        row = await dead(monitor)
        client.transport.abort()
        await client.wait_closed()
    assert (row.close_code, row.cause, row.code_sent) == (1006, "ping timeout", 1011)
    assert row.last_frames is not None
    assert "out ping" in row.last_frames


async def test_websockets_row_has_queue_and_cause_slow_consumer_when_the_client_stops_reading() -> (
    None
):
    """Monitor's connection row of a client that stops reading has the queued bytes and their
    age, and the cause ``slow consumer`` once the server disconnects it.
    """

    async def flood(connection: ServerConnection) -> None:
        while True:
            await connection.send(b"x" * 100_000)

    monitor = Monitor(interval=0.02)
    async with serving(flood, monitor=monitor, ping_interval=None, close_timeout=0.05) as (
        _,
        server,
        url,
    ):
        client = await connect(url, compression=None, max_queue=1)
        _freeze(client)
        await until(lambda: (latest := monitor.collector.history.latest()) and latest.slow == 1)
        (row,) = monitor.collector.connections()
        assert row.send_queue is not None
        assert row.queue_age is not None
        assert row.send_queue > 0
        assert row.queue_age > 1
        assert row.paused is not None
        assert row.paused > 1, "a pause that still lasts counts too"
        (connection,) = server.connections
        # close() waits until the client reads, which this client never does.
        closing = asyncio.create_task(connection.close(1013, "you read too slowly"))
        await until(lambda: connection.protocol.close_sent is not None)
        connection.transport.abort()
        row = await dead(monitor)
        await asyncio.wait([closing])
        client.transport.abort()
        await client.wait_closed()
        events = [event.kind for event in monitor.collector.history.events()]
    assert row.cause == "slow consumer"
    assert row.paused is not None
    assert row.paused > 1
    assert row.send_queue == 0
    assert events.count("slow") == 1


async def test_websockets_row_has_cause_server_shutdown_when_the_server_stops() -> None:
    """Monitor's connection row has close code 1001 and the cause ``server shutdown`` when the
    server stops.
    """
    async with serving() as (monitor, server, url):
        client = await connect(url)
        server.close()
        row = await dead(monitor)
        await client.wait_closed()
    assert (row.close_code, row.cause) == (1001, "server shutdown")
    assert row.last_frames is None, "the last frames of a clean end are not kept"


async def test_last_frames_have_redacted_payloads_with_capture_payload() -> None:
    """Last frames in the Monitor's connection row contain each payload as ``redact`` returned it
    when ``capture_payload`` is on.
    """
    monitor = Monitor(
        interval=1000, capture_payload=True, redact=lambda data: data.replace(b"pass", b"****")
    )
    async with serving(monitor=monitor) as (_, _, url):
        client = await connect(url)
        await client.send("pass word")
        await client.recv()
        client.transport.abort()
        row = await dead(monitor)
        await client.wait_closed()
    assert row.last_frames is not None
    assert "in text 9 b'**** word'" in row.last_frames


async def test_last_frames_omit_the_payload_when_redact_raises() -> None:
    """Last frames in the Monitor's connection row omit the payload of a frame for which
    ``redact`` raises, and the frame is still counted.
    """

    def redact(data: bytes) -> bytes:
        if b"secret" in data:
            raise ValueError("what is this?")
        return data

    monitor = Monitor(interval=1000, capture_payload=True, redact=redact)
    async with serving(monitor=monitor) as (_, _, url):
        client = await connect(url)
        for message in ("one", "secret", "two"):
            await client.send(message)
            assert await client.recv() == message
        client.transport.abort()
        row = await dead(monitor)
        await client.wait_closed()
    assert (row.messages_in, row.messages_out, row.bytes_in) == (3, 3, 12)
    assert monitor.probe_failures == 2
    assert row.last_frames is not None
    kept = [frame.split(" ", 1)[1] for frame in row.last_frames.split("; ")]
    assert kept == [
        *("in text 3 b'one'", "out text 3 b'one'"),
        *("in text 6", "out text 6"),
        *("in text 3 b'two'", "out text 3 b'two'"),
    ]


async def test_slow_handler_is_measured_as_handler_time_and_wait_of_the_next_message() -> None:
    """Slow handler is measured as handler time of its message, and as waiting time of the next
    message.
    """

    async def slow(connection: ServerConnection) -> None:
        async for message in connection:
            await asyncio.sleep(0.05)
            await connection.send(message)

    async with serving(slow) as (monitor, _, url), connect(url) as client:
        await client.send("one")
        await client.send("two")
        await client.recv()
        await client.recv()
        await until(lambda: monitor.snapshot().handler.count == 2)
        snapshot = monitor.snapshot()
    median, waited = snapshot.handler.quantile(0.5), snapshot.receive.quantile(1.0)
    assert median is not None
    assert waited is not None
    assert 0.045 < median < 60
    assert 0.03 < waited < 60, "the second message waited for the first one's handler"


async def test_websockets_row_counts_pings_pongs_fragmented_and_binary_messages() -> None:
    """Monitor's connection row counts pings, pongs, fragmented and binary messages separately."""
    async with serving() as (monitor, _, url), connect(url) as client:
        await client.send(["in ", "two"])
        await client.send(b"binary")
        assert [await client.recv(), await client.recv()] == ["in two", b"binary"]
        await (await client.ping())
        monitor.tick()
        (row,) = monitor.collector.connections()
    assert (row.messages_in, row.fragmented_in, row.binary_in) == (2, 1, 1)
    assert (row.messages_out, row.fragmented_out, row.binary_out) == (2, 0, 1)
    assert (row.pings_in, row.pongs_out, row.pings_out, row.pongs_in) == (1, 1, 0, 0)
    assert monitor.snapshot().size_in.count == 2


async def test_websockets_row_has_tls_version_and_unencrypted_wire_bytes(
    tls: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    """Monitor's connection row has the TLS version, and counts wire bytes before encryption."""
    server_side, client_side = tls
    async with (
        serving(ssl=server_side, compression=None) as (monitor, _, url),
        connect(url, ssl=client_side, server_hostname="localhost") as client,
    ):
        await client.send("x" * 1000)
        await client.recv()
        monitor.tick()
        (row,) = monitor.collector.connections()
    assert row.tls == "TLSv1.3"
    assert row.wire_in is not None
    assert 1000 + 8 < row.wire_in < 1000 + 8 + 400


async def test_websockets_row_has_queued_bytes_and_their_age_under_tls(
    tls: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    """Monitor's connection row has the queued bytes and their age when a client with TLS does
    not read.
    """
    server_side, client_side = tls
    size = 5_000_000

    async def handler(connection: ServerConnection) -> None:
        sock = connection.transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
        await connection.send(b"x" * size)
        await connection.wait_closed()

    clock = FakeClock()
    monitor = Monitor(interval=1000, clock=clock)
    async with serving(handler, monitor=monitor, ssl=server_side, compression=None) as (_, _, url):
        peer = socket.socket()
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        peer.connect(("127.0.0.1", int(url.rpartition(":")[2])))
        _, _, writer = await upgraded(
            url, sock=peer, ssl=client_side, server_hostname="localhost", limit=1024
        )
        await until(lambda: (monitor.snapshot().messages_out or 0) > 0)
        monitor.tick()
        clock.advance(2)
        monitor.tick()
        (row,) = monitor.collector.connections()
        sample = monitor.collector.history.latest()
        writer.transport.abort()
        await dead(monitor)
    assert row.send_queue is not None
    assert size / 2 < row.send_queue < size * 1.1
    assert row.queue_age is not None
    assert row.queue_age >= 2
    assert sample is not None
    assert sample.slow == 1


async def test_websockets_row_has_cause_aborted_when_the_server_aborts_the_transport() -> None:
    """Monitor's connection row has close code 1006 and the cause ``aborted`` when the server's
    handler aborts the transport.
    """

    async def handler(connection: ServerConnection) -> None:
        connection.transport.abort()
        await connection.wait_closed()

    async with serving(handler) as (monitor, _, url):
        with pytest.raises(ConnectionClosed):
            async with connect(url) as client:
                await client.recv()
        row = await dead(monitor)
    assert (row.close_code, row.cause) == (1006, "aborted")


async def test_websockets_row_has_cause_peer_vanished_when_the_close_frame_gets_no_answer() -> None:
    """Monitor's connection row has close code 1006 and the cause ``peer vanished`` when the
    client does not answer the server's close frame.
    """

    async def handler(connection: ServerConnection) -> None:
        await connection.recv()

    async with serving(handler, close_timeout=0.1) as (monitor, _, url):
        client, _, writer = await upgraded(url)
        client.send_text(b"and now I am gone")
        writer.writelines(client.data_to_send())
        row = await dead(monitor)
        writer.transport.abort()
    assert (row.close_code, row.code_sent, row.cause) == (1006, 1000, "peer vanished")
    assert row.last_frames is not None
