from __future__ import annotations

import asyncio
import functools
import gc
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import Server, ServerConnection, broadcast, serve
from websockets.client import ClientProtocol
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode
from websockets.uri import parse_uri

from rtmon import Monitor, probe
from rtmon.errors import OptionError
from rtmon.metrics.records import ConnectionInfo, Event
from rtmon.testing import FakeClock, until

Handler = Callable[[ServerConnection], Awaitable[None]]


@pytest.fixture(autouse=True, params=[False, True], ids=["probe", "fast path"])
def _both_ways(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything here holds for the probe, and with the fast path before it."""
    monkeypatch.setattr(request.module, "probe", functools.partial(probe, fast=request.param))


async def _echo(connection: ServerConnection) -> None:
    async for message in connection:
        await connection.send(message)


@asynccontextmanager
async def _serving(handler: Handler = _echo, **options: Any) -> AsyncIterator[tuple[Monitor, str]]:
    monitor = Monitor(interval=1000)
    options.setdefault("create_connection", probe(monitor))
    async with serve(handler, "127.0.0.1", 0, **options) as server:
        yield monitor, _url(server)
    monitor.close()


def _url(server: Server) -> str:
    return f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"


async def _ended(monitor: Monitor, *, closed: int = 1) -> None:
    await until(lambda: monitor.snapshot().closed == closed)
    monitor.tick()


def _row(monitor: Monitor) -> ConnectionInfo:
    monitor.tick()
    (row,) = monitor.collector.connections()
    return row


def _events(monitor: Monitor, kind: str) -> list[Event]:
    monitor.tick()
    return [event for event in monitor.collector.history.events() if event.kind == kind]


class RawClient:
    """A client that counts every byte and frame of its socket by itself."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.bytes_sent = self.bytes_received = 0
        self.frames: list[Frame] = []
        self.protocol: ClientProtocol

    @classmethod
    async def connect(cls, url: str) -> RawClient:
        uri = parse_uri(url)
        client = cls(*await asyncio.open_connection(uri.host, uri.port))
        client.protocol = ClientProtocol(uri)
        client.protocol.send_request(client.protocol.connect())
        await client.flush()
        await client.read(lambda: client.protocol.state.name == "OPEN")
        return client

    async def flush(self) -> None:
        for data in self.protocol.data_to_send():
            if data:
                self.bytes_sent += len(data)
                self.writer.write(data)
        await self.writer.drain()

    async def read(self, enough: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not enough():
                data = await self.reader.read(65536)
                self.bytes_received += len(data)
                if data:
                    self.protocol.receive_data(data)
                else:
                    self.protocol.receive_eof()
                self.frames += [e for e in self.protocol.events_received() if isinstance(e, Frame)]
                await self.flush()
                if not data:
                    break

    async def close(self) -> None:
        self.protocol.send_close(1000, "done")
        await self.flush()
        await self.read(lambda: False)
        self.writer.close()


async def test_every_counter_equals_what_a_raw_client_counted() -> None:
    """After a clean close, messages, payload and wire bytes agree with an independent count at
    the other end of the socket, to the byte: fragments, pings and both kinds of message.
    """
    async with _serving(compression=None) as (monitor, url):
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
        await _ended(monitor)
        row = _row(monitor)

    data = [f for f in client.frames if f.opcode in {Opcode.TEXT, Opcode.BINARY, Opcode.CONT}]
    assert (row.messages_in, row.bytes_in) == (3, 5 + 70_000 + 7 + 6)
    assert (row.messages_out, row.bytes_out) == (3, sum(len(frame.data) for frame in data))
    assert row.wire_in == client.bytes_sent
    assert row.wire_out == client.bytes_received
    assert row.path == "/chat", "a query may hold secrets"
    assert (row.close_code, row.code_received, row.reason_received) == (1000, 1000, "done")
    assert (row.initiator, row.state) == ("remote", "closed")
    assert row.remote == "{}:{}".format(*client.writer.get_extra_info("sockname"))


async def test_payload_is_counted_before_compression_and_wire_after() -> None:
    """With permessage-deflate, bytes are what the application sees and wire is what travels."""
    async with _serving() as (monitor, url):
        async with connect(url) as client:
            await client.send("a" * 100_000)
            await client.recv()
        await _ended(monitor)
        row = _row(monitor)
    assert (row.bytes_in, row.bytes_out) == (100_000, 100_000)
    assert row.wire_in is not None
    assert row.wire_out is not None
    assert row.wire_in < 2_000
    assert row.wire_out < 2_000


async def test_broadcast_and_fragmented_sends_are_counted() -> None:
    """What websockets.broadcast() sends counts like what send() sends; fragments make one."""

    async def handler(connection: ServerConnection) -> None:
        broadcast([connection], "to all")
        await connection.send(["in ", "three ", "parts"])
        await connection.wait_closed()

    async with _serving(handler) as (monitor, url), connect(url) as client:
        assert [await client.recv(), await client.recv()] == ["to all", "in three parts"]
        row = _row(monitor)
        assert (row.messages_out, row.bytes_out) == (2, 6 + 14)


async def test_a_message_that_is_streamed_leaves_the_times_of_others_as_they_are() -> None:
    """After recv_streaming() the next message's wait is its own, and no handler time is made up."""
    clock = FakeClock()
    monitor = Monitor(interval=1000, clock=clock)

    async def handler(connection: ServerConnection) -> None:
        await connection.send("".join([part async for part in connection.recv_streaming()]))
        async for message in connection:
            clock.advance(0.25)
            await connection.send(message)

    async with _serving(handler, create_connection=probe(monitor)) as (_, url):
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
async def test_without_times_none_are_made_up(compression: str | None) -> None:
    """With times=False no wait and no handler time is told, whichever way a message takes."""
    monitor = Monitor(interval=1000)
    made = probe(monitor, times=False)
    async with _serving(create_connection=made, compression=compression) as (_, url):
        async with connect(url, compression=compression) as client:
            for message in ("whole", ["in ", "pieces"], "whole"):
                await client.send(message)
                await client.recv()
        await until(lambda: monitor.snapshot().closed == 1)
    snapshot = monitor.snapshot()
    monitor.close()
    assert (snapshot.messages_in, snapshot.handler.count, snapshot.receive.count) == (3, 0, 0)


async def test_round_trip_time_comes_from_the_librarys_keepalive() -> None:
    """Each answered keepalive ping gives a round-trip time."""
    async with _serving(ping_interval=0.01) as (monitor, url), connect(url):
        await until(lambda: monitor.snapshot().rtt.count >= 2)
        row = _row(monitor)
        assert row.rtt is not None
        assert 0 < row.rtt < 60
        published = monitor.collector.published()
        assert published is not None
        assert published.rtt.count >= 2


async def test_the_server_closing_first_is_told_from_the_client_doing_so() -> None:
    """The initiator is who sent the first close frame."""

    async def handler(connection: ServerConnection) -> None:
        await connection.close(4321, "enough")

    async with _serving(handler) as (monitor, url):
        async with connect(url) as client:
            with pytest.raises(ConnectionClosed):
                await client.recv()
        await _ended(monitor)
        row = _row(monitor)
    assert (row.close_code, row.code_sent, row.reason_sent) == (4321, 4321, "enough")
    assert row.initiator == "local"
    assert monitor.snapshot().close_codes == {4321: 1}


async def test_a_peer_that_vanishes_is_1006() -> None:
    """A connection that ends without a close frame has the code 1006 and no initiator."""
    async with _serving() as (monitor, url):
        client = await connect(url)
        client.transport.abort()
        await _ended(monitor)
        row = _row(monitor)
        await client.wait_closed()
    assert (row.close_code, row.code_sent, row.code_received) == (1006, None, None)
    assert row.initiator is None


async def test_a_protocol_violation_is_an_error_with_its_code() -> None:
    """A message that is too big ends the connection with 1009 and counts as an error."""
    async with _serving(max_size=100) as (monitor, url):
        async with connect(url) as client:
            await client.send("x" * 101)
            with pytest.raises(ConnectionClosed):
                await client.recv()
        await _ended(monitor)
        row = _row(monitor)
    assert (row.close_code, row.errors, row.initiator) == (1009, 1, "local")


async def test_an_exception_in_a_handler_is_an_error_and_an_event() -> None:
    """What a handler raises is counted once, and the Event says what it was."""

    async def handler(connection: ServerConnection) -> None:
        raise LookupError("no such room")

    async with _serving(handler) as (monitor, url):
        async with connect(url) as client:
            with pytest.raises(ConnectionClosed):
                await client.recv()
        await _ended(monitor)
        row = _row(monitor)
    assert (row.close_code, row.errors) == (1011, 1)
    (event,) = _events(monitor, "error")
    assert event.detail == "the handler raised LookupError: no such room"
    assert event.connection == row.id


async def test_a_handler_that_fails_after_its_peer_left_closes_nothing() -> None:
    """Its exception is an error with a traceback; the code is the one the peer closed with."""

    async def handler(connection: ServerConnection) -> None:
        try:
            await connection.recv()
        except ConnectionClosed as exc:
            raise LookupError("who was that?") from exc

    async with _serving(handler) as (monitor, url):
        async with connect(url):
            pass
        await until(lambda: _events(monitor, "error"))
        row = _row(monitor)
        (event,) = _events(monitor, "error")
    assert (row.close_code, row.cause, row.errors) == (1000, "closed", 1)
    assert (event.code, event.detail) == (None, "the handler raised LookupError: who was that?")
    assert row.traceback is not None


async def test_connections_outlive_a_monitor_that_is_closed() -> None:
    """They go on as they were; the totals stay as they were at the end, and nothing of what
    comes after is kept.
    """
    async with _serving() as (monitor, url), connect(url) as before:
        await before.send("hello")
        await before.recv()
        monitor.close()
        totals = monitor.snapshot()
        assert (totals.open, totals.messages_in) == (1, 1)
        async with connect(url) as after:
            for size in range(50):
                for client in (before, after):
                    await client.send("x" * size)
                    assert await client.recv() == "x" * size
        await before.close()
        assert monitor.snapshot() == totals
        ledger = monitor.collector._ledgers["server"]
        for recorder in (ledger.size_in, ledger.size_out, ledger.handler, ledger.receive):
            assert not recorder.steps
        assert monitor.probe_failures == 0


def test_a_connection_is_counted_once() -> None:
    """A class that a Monitor counts is counted no second time, and by no other Monitor."""
    monitor = Monitor()
    once = probe(monitor)
    assert probe(monitor, base=once) is once
    with pytest.raises(OptionError, match="counted by another Monitor already"):
        probe(Monitor(), base=once)


async def test_a_peer_leaving_is_no_error_of_the_handler() -> None:
    """A handler that is ended by its peer's going away has not failed."""

    async def handler(connection: ServerConnection) -> None:
        await connection.recv()

    async with _serving(handler) as (monitor, url):
        client = await connect(url)
        client.transport.abort()
        await client.wait_closed()
        await _ended(monitor)
        assert _row(monitor).errors == 0


async def test_rejected_handshakes_and_plain_http_are_told_apart() -> None:
    """A refused handshake is rejected, a plain HTTP request is one, a port check is neither;
    none of them was ever open, and their bytes are on the wire all the same.
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

    async with _serving(process_request=refuse) as (monitor, url):
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
    first, second = _events(monitor, "rejected")
    assert (first.code, first.detail) == (403, "refused with HTTP 403 at /no")
    assert second.code is None
    assert monitor.collector.connections() == []


async def test_a_connection_class_of_ones_own_stays_what_it_is() -> None:
    """``base=`` keeps the user's class: its methods run, and its traffic is counted."""

    class Mine(ServerConnection):
        def shout(self) -> str:
            return "hey"

    seen: list[Any] = []
    monitor = Monitor(interval=1000)

    async def handler(connection: ServerConnection) -> None:
        seen.append(connection)
        assert isinstance(connection, Mine)
        connection.meter.name = "ada"  # type: ignore[attr-defined]
        await connection.send(connection.shout())

    async with serve(
        handler, "127.0.0.1", 0, create_connection=probe(monitor, base=Mine)
    ) as server:
        async with connect(_url(server)) as client:
            assert await client.recv() == "hey"
        await _ended(monitor)
    row = _row(monitor)
    assert (row.name, row.messages_out) == ("ada", 1)
    assert row.subprotocol is None
    assert str(row.user_agent).startswith("Python/")


async def test_a_connection_on_a_second_live_loop_works_and_is_not_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A probe on another loop than the one that ticks says so once, and breaks nothing."""
    monitor = Monitor(interval=1000)
    monitor.arm("serve")

    async def elsewhere() -> None:
        async with serve(_echo, "127.0.0.1", 0, create_connection=probe(monitor)) as server:
            for _ in range(2):
                async with connect(_url(server)) as client:
                    await client.send("x")
                    assert await client.recv() == "x"

    await asyncio.to_thread(asyncio.run, elsewhere())
    snapshot = monitor.snapshot()
    assert (snapshot.opened, snapshot.wire_in) == (0, 0)
    assert sum("second event loop" in record.message for record in caplog.records) == 1


@pytest.mark.parametrize("hook", ["mark", "opened", "closed", "rtt", "_says", "_ending"])
async def test_a_failing_probe_breaks_no_connection(
    hook: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever goes wrong inside a probe, messages flow; it is counted and logged once."""
    from rtmon.metrics import collector, meter
    from rtmon.probes.websockets import counting

    def broken(*args: Any, **kwargs: Any) -> Any:
        raise ZeroDivisionError

    owner: Any = {
        "mark": meter.Meter,
        "_says": counting.Counting,
        "_ending": counting.Counting,
    }.get(hook, collector.Collector)
    monkeypatch.setattr(owner, hook, broken)
    async with _serving() as (monitor, url):
        for _ in range(2):
            async with connect(url) as client:
                await client.send("x")
                assert await client.recv() == "x"
                await (await client.ping())
        if hook == "rtt":
            async with (
                serve(
                    _echo, "127.0.0.1", 0, ping_interval=0.01, create_connection=probe(monitor)
                ) as server,
                connect(_url(server)) as client,
            ):
                await until(lambda: monitor.probe_failures)
                await client.send("x")
                assert await client.recv() == "x"
        await until(lambda: monitor.probe_failures)
    assert sum("a probe failed" in record.message for record in caplog.records) == 1


async def test_a_closed_connection_is_not_kept_alive() -> None:
    """A connection that has ended can be collected, whatever the Monitor remembers of it."""
    kept: list[weakref.ref[Any]] = []

    async def handler(connection: ServerConnection) -> None:
        kept.append(weakref.ref(connection))

    async with _serving(handler) as (monitor, url):
        async with connect(url) as client:
            await client.wait_closed()
        await _ended(monitor)
    gc.collect()
    assert kept[0]() is None


async def test_the_last_message_of_a_handler_was_handled_too() -> None:
    """A handler that returns rather than ask for more has taken time for its message."""
    clock = FakeClock()
    monitor = Monitor(interval=1000, clock=clock)

    async def handler(connection: ServerConnection) -> None:
        await connection.recv()
        clock.advance(0.25)

    async with _serving(handler, create_connection=probe(monitor)) as (_, url):
        async with connect(url) as client:
            await client.send("x")
            await client.wait_closed()
        await _ended(monitor)
    handled = monitor.snapshot().handler
    monitor.close()
    assert handled is not None
    assert (handled.count, handled.sum) == (1, 0.25)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"monitor": None}, "None: give it a Monitor"),
        ({"base": 5}, "base is 5"),
        ({"base": str}, "or a class derived from one"),
    ],
)
def test_what_cannot_be_probed_is_refused_by_name(wrong: dict[str, Any], said: str) -> None:
    """A slip in the line that sets up a probe is told there, not by connections that fail."""
    with pytest.raises(OptionError, match=said):
        probe(**{"monitor": Monitor(interval=1000), **wrong})


def test_round_trips_are_finer_than_the_loops_clock() -> None:
    """Under uvloop, whose time moves in whole milliseconds, round trips are still told to the
    microsecond.
    """
    uvloop = pytest.importorskip("uvloop")

    async def pinged() -> list[float]:
        seconds: list[float] = []

        async def handler(connection: ServerConnection) -> None:
            for _ in range(5):
                await (await connection.ping())
                seconds.append(connection.meter.rtt)  # type: ignore[attr-defined]

        async with _serving(handler) as (_, url), connect(url) as client:
            await client.wait_closed()
        return seconds

    seconds = uvloop.run(pinged())
    assert all(0 < each < 60 for each in seconds)
    assert any(abs(each * 1e3 - round(each * 1e3)) > 1e-6 for each in seconds)


async def test_a_client_has_its_own_rows_and_no_part_in_the_servers_totals() -> None:
    """``base=ClientConnection`` counts the client's end: what it sends is out, its role client."""
    mine = Monitor(interval=1000)
    async with _serving() as (monitor, url):
        async with connect(
            f"{url}/room", create_connection=probe(mine, base=ClientConnection)
        ) as client:
            await client.send("hello")
            assert await client.recv() == "hello"
            await (await client.ping())
            client.meter.name = "me"
        await _ended(monitor)
        theirs = _row(monitor)
        own = _row(mine)
    assert (own.role, own.path, own.name, own.state) == ("client", "/room", "me", "closed")
    assert (own.messages_out, own.bytes_in, own.initiator) == (1, 5, "local")
    assert (own.wire_out, own.wire_in) == (theirs.wire_in, theirs.wire_out)
    assert own.rtt is not None
    snapshot = mine.snapshot()
    assert (snapshot.opened, snapshot.messages_out, snapshot.wire_out) == (0, 0, 0)
