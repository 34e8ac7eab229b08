"""Property-based test: random conversations over real sockets, counted independently at the
client.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.frames import Frame, Opcode

from rtmon import Monitor, probe
from rtmon.metrics.columns import METER_COUNTERS
from rtmon.metrics.records import ConnectionInfo
from rtmon.testing import until

payload = st.one_of(st.binary(max_size=300), st.integers(0, 70_000).map(bytes))
step = st.one_of(
    st.tuples(st.just("text"), st.text(max_size=100)),
    st.tuples(st.just("binary"), payload),
    st.tuples(st.just("fragments"), st.lists(st.binary(max_size=50), min_size=2, max_size=4)),
    st.tuples(st.just("ping"), st.binary(max_size=20)),
    st.tuples(st.just("pong"), st.binary(max_size=20)),
)
ending = st.sampled_from(["close", "server close", "reset", "eof", "too big"])


class Tally:
    """Counters of a client's frames and bytes, recorded at its socket."""

    def __init__(self) -> None:
        self.counts = dict.fromkeys(METER_COUNTERS, 0)

    def frame(self, frame: Frame, *, way: str) -> None:
        counts, opcode = self.counts, frame.opcode
        if opcode in {Opcode.TEXT, Opcode.BINARY, Opcode.CONT}:
            counts[f"bytes_{way}"] += len(frame.data)
            counts[f"messages_{way}"] += frame.fin
            counts[f"binary_{way}"] += opcode is Opcode.BINARY
            counts[f"fragmented_{way}"] += frame.fin and opcode is Opcode.CONT
        elif opcode in {Opcode.PING, Opcode.PONG}:
            counts[f"{opcode.name.lower()}s_{way}"] += 1


class CountingClient(ClientConnection):
    """A client that counts its own frames and bytes; "in" means received by the server."""

    def __init__(self, protocol: Any, **kwargs: Any) -> None:
        super().__init__(protocol, **kwargs)
        self.tally = tally = Tally()
        send_frame, recv_frame = protocol.send_frame, protocol.recv_frame

        def sent(frame: Frame) -> None:
            send_frame(frame)
            tally.frame(frame, way="in")

        def received(frame: Frame) -> None:
            tally.frame(frame, way="out")
            recv_frame(frame)

        protocol.send_frame, protocol.recv_frame = sent, received

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        write = transport.write

        def counted(data: bytes) -> None:
            self.tally.counts["wire_in"] += len(data)
            write(data)

        transport.write = counted

    def data_received(self, data: bytes) -> None:
        self.tally.counts["wire_out"] += len(data)
        super().data_received(data)


async def _talk(client: ClientConnection, steps: list[tuple[str, Any]]) -> None:
    for kind, content in steps:
        if kind == "ping":
            await (await client.ping(content))
        elif kind == "pong":
            await client.pong(content)
        else:
            await client.send(content)
            await client.recv(decode=False)


async def _end(client: ClientConnection, server: ServerConnection, how: str) -> None:
    if how == "close":
        await client.close(1000, "bye")
    elif how == "server close":
        await server.close(4000, "enough")
    elif how == "too big":
        await client.send(b"x" * 200_001)
    elif how == "eof":
        client.transport.write_eof()
    else:
        raw: socket.socket = client.transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.transport.abort()
    await client.wait_closed()


async def _run(
    conversations: list[tuple[list[tuple[str, Any]], str, bool]],
) -> tuple[Monitor, dict[str, tuple[str, Tally]]]:
    monitor = Monitor(interval=0.01)
    servers: dict[str, ServerConnection] = {}
    tallies: dict[str, tuple[str, Tally]] = {}

    async def echo(connection: ServerConnection) -> None:
        remote = "{}:{}".format(*connection.remote_address)
        servers[remote] = connection
        try:
            async for message in connection:
                await connection.send(message)
        except ConnectionClosed:
            pass

    async def user(url: str, steps: list[tuple[str, Any]], how: str, *, compressed: bool) -> None:
        extensions = [ClientPerMessageDeflateFactory()] if compressed else None
        client = await connect(
            url,
            compression=None,
            extensions=extensions,
            create_connection=CountingClient,
            ping_interval=None,
        )
        assert isinstance(client, CountingClient)
        local = "{}:{}".format(*client.local_address)
        tallies[local] = (how, client.tally)
        await _talk(client, steps)
        await until(lambda: local in servers)
        await _end(client, servers[local], how)

    async with serve(
        echo, "127.0.0.1", 0, max_size=200_000, ping_interval=None, create_connection=probe(monitor)
    ) as server:
        url = f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"
        async with asyncio.TaskGroup() as users:
            for steps, how, compressed in conversations:
                users.create_task(user(url, steps, how, compressed=compressed))
        await until(lambda: monitor.snapshot().closed == len(conversations))
    monitor.close()
    return monitor, tallies


@settings(max_examples=25)
@given(
    st.lists(st.tuples(st.lists(step, max_size=6), ending, st.booleans()), min_size=1, max_size=4)
)
def test_monitor_counters_match_the_clients_own_counts_after_any_conversation(
    conversations: list[tuple[list[tuple[str, Any]], str, bool]],
) -> None:
    """Monitor's counters equal the client's own counts after a clean close, and do not
    contradict them after a connection loss.
    """
    monitor, tallies = asyncio.run(_run(conversations))
    rows = {str(row.remote): row for row in monitor.collector.connections()}
    assert rows.keys() == tallies.keys()
    for remote, (how, tally) in tallies.items():
        _compare(rows[remote], tally, clean=how in {"close", "server close"})
    snapshot, samples = monitor.snapshot(), monitor.collector.history.samples()
    assert snapshot.opened == snapshot.closed == len(conversations)
    assert snapshot.open == samples[-1].open == 0
    for name in METER_COUNTERS:
        total = getattr(snapshot, name)
        assert sum(getattr(sample, name) for sample in samples) == total, name
        assert sum(getattr(row, name) for row in rows.values()) == total, name
        assert all(getattr(sample, name) >= 0 for sample in samples), name
    assert all(sample.open >= 0 and (sample.send_queue or 0) >= 0 for sample in samples)


def _compare(row: ConnectionInfo, tally: Tally, *, clean: bool) -> None:
    for name, counted in tally.counts.items():
        if name in {"errors", "dropped"}:
            continue
        value = getattr(row, name)
        if clean:
            assert value == counted, name
        elif name.endswith("_out"):
            assert value >= counted, f"{name}: the client received more than the server sent"
        else:
            assert value <= counted, f"{name}: the server received more than the client sent"
