"""The contract of a probe: conversations over real sockets, compared with the client's own
count.
"""

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
"""A message on which a handler raises LookupError; it echoes all others."""

REFUSED = "/refused"
"""A path at which a server refuses handshakes."""

MESSAGES: tuple[str | bytes, ...] = ("a", "", "grüße", b"\x00" * 300, b"", "x" * 70_000, b"\xff")


class Client:
    """A client of the plain library that counts what it sends and receives.

    Attributes:
        sent: bytes of payload of each message sent.
        received: the same of each message received.
        binary: binary messages sent.
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
        """Connect, and wait until the handler answers."""
        client = cls(await connect(f"ws://{address}{path or cls.path}", compression=None))
        await client.join()
        return client

    @property
    def address(self) -> str:
        return "{}:{}".format(*self.connection.local_address)

    async def join(self) -> None:
        """Send what the protocol needs before the first message."""

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
    """The same for a Socket.IO server: event ``echo`` in both directions."""

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
    """A library with a probe on it.

    Attributes:
        kind: of the probe, one of :data:`rtmon.metrics.columns.EVERY`.
        serve: serves a handler, which echoes or fails, and gives ``host:port``.
        client: what connects to it.
        patience: seconds after which something will not happen any more.
    """

    kind: str
    serve: Callable[[Monitor], AbstractAsyncContextManager[str]]
    client: type[Client] = Client
    patience: float = 60.0

    async def closed(self, monitor: Monitor, count: int) -> list[ConnectionInfo]:
        """Wait until that many connections have ended; return their rows."""
        await until(lambda: monitor.snapshot().closed >= count, timeout=self.patience)
        monitor.tick()
        rows = monitor.collector.connections()
        assert [row.state for row in rows] == ["closed"] * count
        _check_totals(monitor, rows)
        return rows


def _check_totals(monitor: Monitor, rows: list[ConnectionInfo]) -> None:
    """Compare totals with the sum of the rows, of the Samples and of the Events."""
    snapshot, samples = monitor.snapshot(), monitor.collector.history.samples()
    assert snapshot.opened == snapshot.closed == len(rows)
    assert snapshot.open == samples[-1].open == 0
    for name in METER_COUNTERS:
        total = getattr(snapshot, name)
        if total is not None:
            assert sum(getattr(sample, name) for sample in samples) == total, name
            if not name.startswith("wire"):  # refused handshakes have moved bytes, too
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
    """Compare a connection's row with the client's own count."""
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


async def counts_every_message_once(library: Library) -> None:
    """Messages and payload agree with the clients' counts, for each connection and in the
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


async def ends_connection_when_client_vanishes(library: Library) -> None:
    """A lost transport ends the connection, with a cause that is no close."""
    async with _monitoring() as monitor, library.serve(monitor) as address:
        client = await library.client.joined(address)
        await client.echo("here I am")
        client.connection.transport.abort()
        await client.connection.wait_closed()
        (row,) = await library.closed(monitor, 1)
    _check_row(row, client)
    assert row.cause in {"peer vanished", "reset"}
    assert row.errors == 0


async def reports_failed_handler_once(library: Library) -> None:
    """An exception that leaves a handler is one error of its connection, with one Event."""
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


async def ends_connection_when_server_stops(library: Library) -> None:
    """Connections that are open when the server stops have ended once it has stopped."""
    async with _monitoring() as monitor:
        async with library.serve(monitor) as address:
            client = await library.client.joined(address)
            await client.echo("x")
        await client.connection.wait_closed()
        (row,) = await library.closed(monitor, 1)
        _check_row(row, client)


async def keeps_refused_handshake_out_of_table(library: Library) -> None:
    """A rejected handshake opened no connection: it is counted as rejected, or null where the probe
    cannot know.
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
    """A Monitor whose reports raise."""

    def connection_opened(self, *_: Any) -> None:
        raise ZeroDivisionError

    connection_closed = handler_failed = connection_opened  # type: ignore[assignment]


async def breaks_no_connection_when_it_fails(library: Library) -> None:
    """An exception in a probe is counted, and reaches neither the client nor the handler."""
    monitor = _Failing(interval=1000)
    async with library.serve(monitor) as address:
        client = await library.client.joined(address)
        for message in MESSAGES:
            await client.echo(message)
        await client.connection.close()
        assert client.connection.close_code == 1000
    monitor.snapshot()  # which fetches what threads have counted
    assert monitor.probe_failures > 0
    monitor.close()


async def counts_nothing_after_monitor_closed(library: Library) -> None:
    """Connections outlive the Monitor, and new ones are served without it."""
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
    counts_every_message_once,
    ends_connection_when_client_vanishes,
    reports_failed_handler_once,
    ends_connection_when_server_stops,
    keeps_refused_handshake_out_of_table,
    breaks_no_connection_when_it_fails,
    counts_nothing_after_monitor_closed,
)
