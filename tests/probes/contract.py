"""Contract of a probe: conversations over real sockets, compared with the client's own counts."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from rtmon import Monitor
from rtmon.metrics.column import HTTP
from rtmon.metrics.columns import METER_COUNTERS
from rtmon.metrics.records import ConnectionInfo
from rtmon.testing import until

__all__ = ["CONVERSATIONS", "FAIL", "REFUSED", "Client", "Library", "SocketIOClient"]

FAIL = "fail"
"""A message for which the server's handler raises LookupError; it echoes all others."""

REFUSED = "/refused"
"""A URL path at which the server rejects handshakes."""

MESSAGES: tuple[str | bytes, ...] = ("a", "", "grüße", b"\x00" * 300, b"", "x" * 70_000, b"\xff")


class Client:
    """A WebSocket client that counts its messages.

    Attributes:
        sent: payload size in bytes of each message sent.
        received: payload size in bytes of each message received.
        binary: number of binary messages sent.
    """

    path = "/"
    refused_path = REFUSED

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.sent: list[int] = []
        self.received: list[int] = []
        self.binary = 0

    @classmethod
    async def joined(cls, address: str, path: str | None = None) -> Client:
        """Connect to a server, and complete the protocol's own handshake."""
        client = cls(await connect(f"ws://{address}{path or cls.path}", compression=None))
        await client.join()
        return client

    @property
    def address(self) -> str:
        return "{}:{}".format(*self.connection.local_address)

    async def join(self) -> None:
        """Complete the protocol's own handshake, which plain WebSockets do not have."""

    async def send(self, message: str | bytes) -> None:
        self.sent.append(len(message.encode() if isinstance(message, str) else message))
        self.binary += isinstance(message, bytes)
        await self.connection.send(message)

    async def receive(self) -> str | bytes:
        message = await self.connection.recv()
        self.received.append(len(message.encode() if isinstance(message, str) else message))
        return message

    async def echo(self, message: str | bytes) -> None:
        await self.send(message)
        assert await self.receive() == message


class SocketIOClient(Client):
    """A Socket.IO client that counts its messages, with ``echo`` events in both directions."""

    path = "/socket.io/?EIO=4&transport=websocket"
    refused_path = "/socket.io/?EIO=3&transport=websocket"

    async def join(self) -> None:
        assert str(await self.connection.recv()).startswith("0{")
        await self.connection.send("40")
        assert str(await self.connection.recv()).startswith("40{")

    async def send(self, message: str | bytes) -> None:
        event = FAIL if message == FAIL else "echo"
        if isinstance(message, str):
            packet = f'2["{event}",{json.dumps(message)}]'
            self.sent.append(len(packet))
            await self.connection.send("4" + packet)
        else:
            packet = '51-["echo",{"_placeholder":true,"num":0}]'
            self.sent.append(len(packet) + len(message))
            self.binary += 1
            await self.connection.send("4" + packet)
            await self.connection.send(message)

    async def receive(self) -> str | bytes:
        packet = str(await self.connection.recv())[1:]
        if packet.startswith("2"):
            self.received.append(len(packet.encode()))
            content: str = json.loads(packet[1:])[1]
            return content
        attachment = await self.connection.recv()
        assert isinstance(attachment, bytes)
        self.received.append(len(packet) + len(attachment))
        return attachment


@dataclass(frozen=True, kw_only=True)
class Library:
    """A server library with a probe.

    Attributes:
        kind: kind of the probe, one of :data:`rtmon.metrics.columns.EVERY`.
        serve: serves an echo handler, and yields ``host:port``.
        client: class of the test client.
        patience: time limit in seconds for a condition to become true.
    """

    kind: str
    serve: Callable[[Monitor], AbstractAsyncContextManager[str]]
    client: type[Client] = Client
    patience: float = 60.0

    async def closed(self, monitor: Monitor, count: int) -> list[ConnectionInfo]:
        """Wait until this many connections have ended, and return their rows."""
        await until(lambda: monitor.snapshot().closed >= count, timeout=self.patience)
        monitor.tick()
        rows = monitor.collector.connections()
        assert [row.state for row in rows] == ["closed"] * count
        _check_totals(monitor, rows)
        return rows


def _check_totals(monitor: Monitor, rows: list[ConnectionInfo]) -> None:
    """Compare the totals with the sums over the rows, the Samples and the Events."""
    snapshot, samples = monitor.snapshot(), monitor.collector.history.samples()
    assert snapshot.opened == snapshot.closed == len(rows)
    assert snapshot.open == samples[-1].open == 0
    for name in METER_COUNTERS:
        total = getattr(snapshot, name)
        if total is not None:
            assert sum(getattr(sample, name) for sample in samples) == total, name
            if not name.startswith("wire"):  # Rejected handshakes transfer bytes too.
                assert sum(getattr(row, name) for row in rows) == total, name
    assert snapshot.size_in.count == snapshot.messages_in
    assert snapshot.size_out.count == snapshot.messages_out
    for kind in ("opened", "closed"):
        assert sorted(_connections(monitor, kind)) == sorted(row.id for row in rows), kind
    assert monitor.probe_failures == 0


def _connections(monitor: Monitor, kind: str) -> list[str]:
    events = monitor.collector.history.events()
    return [str(event.connection) for event in events if event.kind == kind]


def _check_row(row: ConnectionInfo, client: Client) -> None:
    """Compare a connection's row with the client's own counts."""
    assert (row.messages_in, row.bytes_in) == (len(client.sent), sum(client.sent))
    assert (row.messages_out, row.bytes_out) == (len(client.received), sum(client.received))
    assert row.binary_in == client.binary
    assert row.opened is not None
    assert row.closed is not None
    assert row.last_activity is not None
    assert row.opened <= row.last_activity <= row.closed


@asynccontextmanager
async def _monitoring() -> AsyncIterator[Monitor]:
    monitor = Monitor(interval=1000)
    yield monitor
    monitor.close()


async def probe_counts_every_message_once(library: Library) -> None:
    """Probe counts each message and its payload bytes once, in the connection's row and in the
    totals.
    """
    async with _monitoring() as monitor, library.serve(monitor) as address:
        clients = [await library.client.joined(address) for _ in range(3)]
        await until(lambda: monitor.snapshot().open == 3, timeout=library.patience)
        for client in clients:
            for message in MESSAGES:
                await client.echo(message)
        monitor.tick()
        for client in clients:
            await client.connection.close(1000, "done")
        rows = await library.closed(monitor, 3)
        snapshot = monitor.snapshot()
    by_address = {str(row.remote): row for row in rows}
    for client in clients:
        row = by_address.pop(client.address)
        _check_row(row, client)
        assert (row.initiator, row.cause, row.errors) == ("remote", "closed", 0)
    assert not by_address
    assert snapshot.handler.count == snapshot.messages_in


async def probe_reports_peer_vanished_or_reset_when_the_client_aborts(library: Library) -> None:
    """Probe reports the end of a connection with the cause ``peer vanished`` or ``reset`` when
    the client aborts it.
    """
    async with _monitoring() as monitor, library.serve(monitor) as address:
        client = await library.client.joined(address)
        await client.echo("here I am")
        client.connection.transport.abort()
        await client.connection.wait_closed()
        (row,) = await library.closed(monitor, 1)
    _check_row(row, client)
    assert row.cause in {"peer vanished", "reset"}
    assert row.errors == 0


async def probe_reports_a_failed_handler_once(library: Library) -> None:
    """Probe counts an exception of the handler as one error of its connection, with one Event."""
    async with _monitoring() as monitor, library.serve(monitor) as address:
        client, other = [await library.client.joined(address) for _ in range(2)]
        await client.send(FAIL)
        await until(lambda: monitor.snapshot().errors == 1, timeout=library.patience)
        await other.echo("still here")
        for each in (client, other):
            await each.connection.close()
        rows = await library.closed(monitor, 2)
        failed = _connections(monitor, "error")
    by_address = {str(row.remote): row for row in rows}
    assert by_address[client.address].errors == 1
    assert by_address[other.address].errors == 0
    assert failed == [by_address[client.address].id]


async def probe_reports_the_end_of_connections_when_the_server_stops(library: Library) -> None:
    """Probe reports the end of a connection that is open when the server stops."""
    async with _monitoring() as monitor:
        async with library.serve(monitor) as address:
            client = await library.client.joined(address)
            await client.echo("x")
        await client.connection.wait_closed()
        (row,) = await library.closed(monitor, 1)
        _check_row(row, client)


async def probe_counts_a_rejected_handshake_but_gives_it_no_row(library: Library) -> None:
    """Probe counts a rejected handshake, or reports null when it cannot know, and adds no row
    for it.
    """
    async with _monitoring() as monitor, library.serve(monitor) as address:
        with suppress(InvalidStatus, ConnectionClosed):
            await library.client.joined(address, library.client.refused_path)
        client = await library.client.joined(address)
        await client.echo("x")
        await client.connection.close()
        await library.closed(monitor, 1)
        assert monitor.snapshot().rejected == (1 if library.kind in HTTP else None)


class _Failing(Monitor):
    """A Monitor whose methods raise when a probe calls them."""

    def connection_opened(self, *_: Any) -> None:
        raise ZeroDivisionError

    connection_closed = handler_failed = connection_opened  # type: ignore[assignment]


async def failing_probe_breaks_no_connection(library: Library) -> None:
    """Probe that fails is counted as a failure, and the connection and its handler continue."""
    monitor = _Failing(interval=1000)
    async with library.serve(monitor) as address:
        client = await library.client.joined(address)
        for message in MESSAGES:
            await client.echo(message)
        await client.connection.close()
        assert client.connection.close_code == 1000
    monitor.snapshot()  # This call also collects the counts of threads.
    assert monitor.probe_failures > 0
    monitor.close()


async def probe_counts_nothing_after_the_monitor_is_closed(library: Library) -> None:
    """Probe counts nothing after the Monitor is closed, while old and new connections continue."""
    monitor = Monitor(interval=1000)
    async with library.serve(monitor) as address:
        before = await library.client.joined(address)
        await before.echo("counted")
        await until(lambda: monitor.snapshot().open == 1, timeout=library.patience)
        monitor.close()
        totals = monitor.snapshot()
        after = await library.client.joined(address)
        for client in (before, after):
            await client.echo("not counted")
            await client.connection.close()
        await asyncio.sleep(0)
        assert monitor.snapshot() == totals
    assert (totals.open, totals.messages_in) == (1, 1)
    assert monitor.probe_failures == 0


CONVERSATIONS = (
    probe_counts_every_message_once,
    probe_reports_peer_vanished_or_reset_when_the_client_aborts,
    probe_reports_a_failed_handler_once,
    probe_reports_the_end_of_connections_when_the_server_stops,
    probe_counts_a_rejected_handshake_but_gives_it_no_row,
    failing_probe_breaks_no_connection,
    probe_counts_nothing_after_the_monitor_is_closed,
)
