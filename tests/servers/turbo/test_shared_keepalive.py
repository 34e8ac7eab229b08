"""Keepalive with timers shared by connections, compared with that of ``websockets``."""

from __future__ import annotations

import asyncio
import gc
import weakref
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection
from websockets.extensions.permessage_deflate import (
    ClientPerMessageDeflateFactory,
    ServerPerMessageDeflateFactory,
)
from websockets.frames import Opcode
from websockets.version import version

import rtmon
from rtmon import Monitor
from rtmon.probes.websockets import inlined_calls, probed
from rtmon.probes.websockets.in_memory_connection import (
    MemoryConnection,
    MemoryTransport,
    frame_bytes,
)
from rtmon.servers.turbo.shared_keepalive import GRAINS
from rtmon.testing import until
from tests.servers.turbo import virtual_time

only_tested = pytest.mark.skipif(
    version not in inlined_calls.TESTED, reason="the fast path is off here"
)

INTERVAL = 10.0
LASTS = 55.0


class _Transport(MemoryTransport):
    """A transport that records the times of writes, and answers pings after the given delays."""

    def __init__(self, answers: list[float | None]) -> None:
        super().__init__()
        self.answers = iter(answers)
        self.log: list[tuple[str, float]] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        ping = data[0] == 0x89
        self.log.append(("ping" if ping else bytes(data).hex(), self._now()))
        super().write(data)
        if ping and (delay := next(self.answers, 0.25)) is not None:
            pong = frame_bytes(Opcode.PONG, bytes(data[2:]))
            asyncio.get_running_loop().call_later(delay, self.receive, pong)

    def receive(self, data: bytes) -> None:
        if not self.closing:
            connection: Any = self.connection
            connection.data_received(data)

    def abort(self) -> None:
        self.log.append(("abort", self._now()))
        super().abort()

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


class _Side:
    """An in-memory connection with keepalive."""

    def __init__(self, connection_class: Any, answers: list[float | None], **options: Any) -> None:
        self.pair = MemoryConnection(connection_class, **options)
        self.connection = self.pair.connection
        self.transport = _Transport(answers)
        self.tasks: list[asyncio.Task[Any]] = []

    async def open(self) -> None:
        await self.pair.open()
        self.transport.connection = self.connection
        self.connection.transport = self.transport
        self.connection.start_keepalive()

    def pause(self) -> None:
        if not self.connection.paused:
            self.connection.pause_writing()

    def resume(self) -> None:
        if self.connection.paused:
            self.connection.resume_writing()

    def close(self) -> None:
        self._start(self.connection.close(4000, "enough"))

    def ping(self) -> None:
        self._start(self.connection.ping(b"mine"))

    def stray(self) -> None:
        self.transport.receive(frame_bytes(Opcode.PONG, b"what"))

    def talk(self) -> None:
        self.transport.receive(frame_bytes(Opcode.TEXT, b"hello"))

    def pieces(self) -> None:
        frame = frame_bytes(Opcode.TEXT, b"hello")
        for piece in (frame[:2], frame[2:]):
            self.transport.receive(piece)

    def closed(self) -> None:
        self.transport.receive(frame_bytes(Opcode.CLOSE, b"\x03\xe8"))

    def lost(self) -> None:
        if not self.transport.closing:
            self.transport.closing = True
            self.connection.connection_lost(ConnectionResetError("gone"))

    def writes_fail(self) -> None:
        self.transport.failure = OSError("no route")

    def _start(self, coroutine: Any) -> None:
        self.tasks.append(asyncio.ensure_future(coroutine))

    def seen(self) -> dict[str, Any]:
        connection, protocol = self.connection, self.connection.protocol
        return {
            "log": [what for what, _ in self.transport.log],
            "latency": round(connection.latency, 3),
            "state": protocol.state,
            "closes": (protocol.close_rcvd, protocol.close_sent, protocol.close_rcvd_then_sent),
            "cause": repr(connection.connection_exc),
            "pending": len(connection.pending_pings),
            "paused": (connection.paused, len(connection.drain_waiters)),
            "kept": connection.keepalive_task is not None,
        }


ACTIONS = (
    *("pause", "resume", "close", "ping", "stray", "talk", "pieces", "closed", "lost"),
    "writes_fail",
)


async def _all_the_same(
    actions: list[tuple[float, str]],
    answers: list[float | None],
    ping_timeout: float | None,
    *,
    compressed: bool,
    **options: Any,
) -> int:
    """Check that all three connections act the same, apart from small differences of timers.

    Returns:
        The number of pings sent.
    """
    monitors = [Monitor(interval=3600), Monitor(interval=3600)]
    if compressed:
        options["extensions"] = [ServerPerMessageDeflateFactory()]
        options["client_extensions"] = [ClientPerMessageDeflateFactory()]
    options |= {"ping_interval": INTERVAL, "ping_timeout": ping_timeout, "close_timeout": 3.0}
    stock, plain, quick = sides = [
        _Side(connection_class, answers, **options)
        for connection_class in (
            ServerConnection,
            probed(monitors[0], ServerConnection),
            probed(monitors[1], ServerConnection, way="fast"),
        )
    ]
    for side in sides:
        await side.open()
    now = asyncio.get_running_loop().time()
    for when, action in sorted(actions):
        await asyncio.sleep(when - (asyncio.get_running_loop().time() - now))
        for side in sides:
            getattr(side, action)()
        await asyncio.sleep(0)
    await asyncio.sleep(LASTS - (asyncio.get_running_loop().time() - now))
    expected = stock.seen()
    assert plain.seen() == expected, "the probe differs"
    assert quick.seen() == expected, "the fast path differs"
    late = INTERVAL / GRAINS * 10
    for (_, at), (_, expected_at) in zip(quick.transport.log, stock.transport.log, strict=True):
        assert expected_at - 1e-6 <= at <= expected_at + late
    meters = plain.connection.meter, quick.connection.meter
    for name in ("pings_in", "pings_out", "pongs_in", "pongs_out", "wire_in", "wire_out", "last"):
        one, other = (getattr(meter, name) for meter in meters)
        assert name == "last" or one == other, name
    assert (meters[0].rtt is None) == (meters[1].rtt is None)
    for side in sides:
        side.lost()
    await asyncio.gather(*(task for side in sides for task in side.tasks), return_exceptions=True)
    for monitor in monitors:
        assert monitor.probe_failures == 0
        monitor.close()
    return expected["log"].count("ping")


# No ping or timeout is due at these times, so that a slightly late timer finds the same state.
_actions = st.lists(
    st.tuples(st.integers(0, 50).map(lambda n: n + 0.9), st.sampled_from(ACTIONS)), max_size=4
)
_answers = st.lists(st.sampled_from([0.25, 0.0, 4.75, 9.75, 12.25, 25.5, None]), max_size=4)


@only_tested
@settings(max_examples=40, deadline=None, print_blob=True)
@given(
    actions=_actions,
    answers=_answers,
    ping_timeout=st.sampled_from([INTERVAL, 3.5, 20.5, None]),
    compressed=st.sampled_from([False, False, True]),
    max_size=st.sampled_from([2**20, None, 3, (None, 3)]),
)
def test_shared_keepalive_acts_the_same_as_websockets_in_random_conversations(
    *,
    actions: list[tuple[float, str]],
    answers: list[float | None],
    ping_timeout: float | None,
    compressed: bool,
    max_size: Any,
) -> None:
    """Shared keepalive sends pings and closes at the same times as ``websockets`` itself, with
    pongs in time, late or missing and with failures.
    """

    async def main() -> None:
        pings = await _all_the_same(
            actions, answers, ping_timeout, compressed=compressed, max_size=max_size
        )
        event(f"pings: {pings}")

    virtual_time.run(main())


_CORNERS: dict[str, list[tuple[float, str]]] = {
    "writing is paused when a ping is due": [(5.9, "pause"), (27.9, "resume")],
    "writing is paused and never goes on": [(5.9, "pause")],
    "writing is paused until a pong is due": [(5.9, "pause"), (18.9, "resume")],
    "paused between a ping and its pong": [(10.9, "pause"), (40.9, "resume")],
    "closing when a ping is due": [(9.9, "close")],
    "the peer closes and stays": [(9.9, "closed")],
    "a write fails": [(5.9, "writes_fail")],
    "lost between a ping and its pong": [(10.9, "lost")],
    "a frame in pieces": [(9.9, "pieces")],
    "the answer to another ping": [(10.9, "ping"), (11.9, "stray")],
}


@only_tested
@pytest.mark.parametrize("corner", _CORNERS)
def test_shared_keepalive_acts_the_same_as_websockets_in_corner_cases(corner: str) -> None:
    """Shared keepalive acts the same as ``websockets`` itself in rare cases, in which a task of
    the connection takes over.
    """

    async def main() -> None:
        for answer in (0.25, 12.25, None):
            for ping_timeout in (INTERVAL, 3.5, 20.5, None):
                for compressed in (False, True):
                    await _all_the_same(
                        _CORNERS[corner], [answer] * 9, ping_timeout, compressed=compressed
                    )

    virtual_time.run(main())


@only_tested
def test_pong_above_max_size_ends_the_connection_as_in_websockets() -> None:
    """Pong longer than ``max_size`` ends a connection with shared keepalive as it does in
    ``websockets`` itself.
    """

    async def main() -> None:
        for max_size in (3, 4, (None, 3), (3, None), None):
            await _all_the_same([], [0.25] * 9, INTERVAL, compressed=False, max_size=max_size)

    virtual_time.run(main())


@only_tested
async def test_shared_keepalive_pings_idle_connections_without_a_task_for_each() -> None:
    """Shared keepalive pings idle connections and measures their round-trip times without a
    keepalive task for each.
    """
    connections: list[Any] = []

    async def handler(connection: ServerConnection) -> None:
        connections.append(connection)
        await connection.wait_closed()

    async with (
        rtmon.serve(handler, "127.0.0.1", 0, ping_interval=0.05) as server,
        connect(server.url, ping_interval=None),
        connect(server.url, ping_interval=None),
    ):
        await until(lambda: len(connections) == 2)
        await until(lambda: all(each.meter.pongs_in > 2 for each in connections))
        for each in connections:
            assert each.latency > 0
            assert each.meter.rtt is not None
            assert not isinstance(each.keepalive_task, asyncio.Task)
    assert all(each.keepalive_task is None for each in connections)


@only_tested
@pytest.mark.parametrize("ping_interval", [None, 0, float("inf"), -1.0])
async def test_keepalive_is_the_librarys_own_with_an_unusual_ping_interval(
    ping_interval: float | None,
) -> None:
    """Keepalive is the library's own task when ``ping_interval`` is 0, negative or infinite,
    and is off when ``ping_interval`` is None.
    """
    monitor = Monitor(interval=3600)
    pair = MemoryConnection(
        probed(monitor, ServerConnection, way="fast"), ping_interval=ping_interval
    )
    pair.connection.start_keepalive()
    task = pair.connection.keepalive_task
    assert (task is None) == (ping_interval is None)
    if task is not None:
        assert isinstance(task, asyncio.Task)
        task.cancel()
    monitor.close()


@only_tested
@pytest.mark.parametrize("end", ["reset", "closed by the peer", "closed here"])
def test_ended_connection_with_shared_keepalive_is_freed_without_the_garbage_collector(
    end: str,
) -> None:
    """Connection with shared keepalive is freed without the garbage collector after a reset or a
    close by either side.
    """

    async def ended(monitor: Monitor) -> list[weakref.ref[Any]]:
        pair = MemoryConnection(
            probed(monitor, ServerConnection, way="fast"), ping_interval=INTERVAL
        )
        await pair.open()
        connection = pair.connection
        connection.start_keepalive()
        connection.pause_writing()
        connection.resume_writing()
        await asyncio.sleep(2.5 * INTERVAL)
        if end == "closed here":
            connection.protocol.send_close()
        elif end == "closed by the peer":
            connection.data_received(frame_bytes(Opcode.CLOSE, b"\x03\xe8"))
        connection.connection_lost(ConnectionResetError("gone") if end == "reset" else None)
        pair.transport.connection = asyncio.Protocol()  # asyncio's transports do the same.
        return [weakref.ref(connection), weakref.ref(connection.protocol)]

    async def main() -> None:
        monitor = Monitor(interval=3600)
        gc.disable()
        try:
            known = await ended(monitor)
            await asyncio.sleep(0.1)  # Lets a task that waits for a pong end.
            assert [each() for each in known] == [None, None]
        finally:
            gc.enable()
            monitor.close()

    virtual_time.run(main())
