"""Random sequences of writes to connections, with a model of the messages that each client
reads.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed
from websockets.frames import Opcode
from websockets.protocol import State

import rtmon
from rtmon import Monitor
from rtmon.metrics.histogram import BYTE, HistogramRecorder
from rtmon.probes.websockets.in_memory_connection import frame_bytes
from rtmon.servers.fanout import Group
from rtmon.servers.fanout.shared_frames import is_fragmenting
from tests.servers.fanout.members import COMPRESSIONS, KINDS, open_pair, read
from tests.servers.fanout.receiver import Receiver

__all__ = ["Mix", "members", "steps"]

members = st.lists(
    st.tuples(st.sampled_from(KINDS), st.sampled_from(COMPRESSIONS)), min_size=2, max_size=4
)
_member = st.integers(0, 3)
_group = st.integers(0, 1)
_size = st.sampled_from([0, 1, 10, 119, 120, 400, 30_000, 70_000])
_publish = st.tuples(st.just("publish"), _group, st.booleans(), _size, st.none())
_step = st.one_of(
    *[_publish] * 5,
    st.tuples(st.just("publish"), _group, st.booleans(), _size, _member),
    *[st.tuples(st.just("send"), _member, st.booleans(), _size)] * 4,
    st.tuples(st.just("broadcast"), st.booleans(), _size),
    *[st.tuples(st.sampled_from(["begin", "go_on"]), _member)] * 2,
    *[st.tuples(st.sampled_from(["ping", "pinged", "receive"]), _member)] * 2,
    *[st.tuples(st.sampled_from(["pause", "resume", "resume", "pause_on_write"]), _member)] * 2,
    st.tuples(
        st.sampled_from(["go_on", "go_on", "close", "peer_close", "lost", "give_up"]), _member
    ),
    *[st.tuples(st.sampled_from(["add", "add", "discard"]), _group, _member)] * 2,
    *[st.sampled_from([("turn",), ("turn",), ("tick",)])] * 4,
    st.tuples(st.just("flush"), _group),
)
# Hypothesis prefers short lists, but faults need many steps to appear.
steps = st.lists(_step, min_size=25, max_size=60)


class _Member:
    """A connection, and the messages that its client must read."""

    def __init__(self, pair: Any) -> None:
        self.pair = pair
        self.connection = pair.connection
        self.receiver = Receiver(pair.connection.protocol.extensions)
        self.meter = getattr(pair.connection, "meter", None)
        self.handshake = 0 if self.meter is None else self.meter.wire_out
        # Pairs of source and message; the source is a group's number, or None for send().
        self.expected: list[tuple[int | None, str | bytes]] = []
        self.cut = False
        self.gate: asyncio.Future[None] | None = None
        self.tasks: list[asyncio.Task[Any]] = []

    @property
    def open(self) -> bool:
        return self.connection.protocol.state is State.OPEN


class Mix:
    """Connections of all kinds in two groups."""

    def __init__(self) -> None:
        self.monitor = Monitor(interval=3600)
        self.members: list[_Member] = []
        self.groups = [Group(on_blocked=self._blocked), Group(on_blocked=self._blocked)]
        self.given = [0, 0]
        self.number = 0

    async def run(self, kinds: list[tuple[str, str]], script: list[Any]) -> None:
        """Run all steps, then check what each client has read and what was counted."""
        for kind, compression in kinds:
            pair = await open_pair(kind, compression, self.monitor, ping_interval=None)
            self.members.append(_Member(pair))
            self.groups[0].add(pair.connection)
        for step in script:
            await getattr(self, step[0])(*step[1:])
            self._read()
        await self.turn()
        self._check()
        for member in self.members:
            for task in member.tasks:
                task.cancel()
            await asyncio.gather(*member.tasks, return_exceptions=True)
            await self._lost(member)
        await self.flush(0)
        await self.flush(1)
        # A connection that has ended is removed from its group at the next publish().
        await self.publish(0, False, 0, None)
        await self.publish(1, False, 0, None)
        await self.turn()
        assert [len(group) for group in self.groups] == [0, 0]
        self._check()
        assert self.monitor.probe_failures == 0
        self.monitor.close()

    async def publish(self, group: int, binary: Any, size: int, skip: int | None) -> None:
        message = self._message(binary, size)
        skipped = [] if skip is None else [self._member(skip).connection]
        for member in self.members:
            if member.connection in self.groups[group] and member.connection not in skipped:
                self.given[group] += 1
                if member.open:
                    member.expected.append((group, message))
        self.groups[group].publish(message, skip=skipped)

    async def send(self, index: int, binary: Any, size: int) -> None:
        member = self._member(index)
        if member.open and not is_fragmenting(member.connection):
            message = self._message(binary, size)
            sending = member.connection.send(message)
            with contextlib.suppress(StopIteration, ConnectionClosed):
                sending.send(None)
                sending.close()  # The message is written already; do not wait for the buffer.
            member.expected.append((None, message))

    async def broadcast(self, binary: Any, size: int) -> None:
        message = self._message(binary, size)
        for member in self.members:
            if member.open and not is_fragmenting(member.connection):
                member.expected.append((None, message))
        rtmon.broadcast([member.connection for member in self.members], message)

    async def begin(self, index: int) -> None:
        member = self._member(index)
        if member.open and not is_fragmenting(member.connection):
            gate = asyncio.get_running_loop().create_future()
            member.gate = gate
            member.tasks.append(asyncio.ensure_future(member.connection.send(_parts(gate))))
            await asyncio.sleep(0)

    async def go_on(self, index: int) -> None:
        member = self._member(index)
        if member.gate is not None and not member.gate.done():
            member.gate.set_result(None)
            await self.turn()

    async def give_up(self, index: int) -> None:
        member = self._member(index)
        if member.tasks:
            member.tasks[-1].cancel()
            await self.turn()

    async def ping(self, index: int) -> None:
        member = self._member(index)
        if member.open:
            pinging = member.connection.ping(b"%d" % self.number)
            self.number += 1
            with contextlib.suppress(StopIteration):
                pinging.send(None)
                pinging.close()

    async def pinged(self, index: int) -> None:
        self._receive(index, frame_bytes(Opcode.PING, b"are you there?"))

    async def receive(self, index: int) -> None:
        self._receive(index, frame_bytes(Opcode.TEXT, b"hello"))

    async def pause(self, index: int) -> None:
        member = self._member(index)
        if member.open and not member.connection.paused:
            member.pair.transport.limit = None
            member.connection.pause_writing()

    async def resume(self, index: int) -> None:
        member = self._member(index)
        if member.connection.paused:
            member.connection.resume_writing()
            await self.turn()

    async def pause_on_write(self, index: int) -> None:
        member = self._member(index)
        if member.open and not member.connection.paused:
            member.pair.transport.limit = 0

    async def close(self, index: int) -> None:
        member = self._member(index)
        # A fragmented message cannot end early, so close() aborts the connection and its queue.
        member.cut = member.cut or is_fragmenting(member.connection)
        member.tasks.append(asyncio.ensure_future(member.connection.close()))

    async def peer_close(self, index: int) -> None:
        member = self._member(index)
        member.cut = member.cut or is_fragmenting(member.connection)
        self._receive(index, frame_bytes(Opcode.CLOSE, b"\x03\xe8"))

    async def lost(self, index: int) -> None:
        await self._lost(self._member(index))

    async def add(self, group: int, index: int) -> None:
        self.groups[group].add(self._member(index).connection)

    async def discard(self, group: int, index: int) -> None:
        self.groups[group].discard(self._member(index).connection)

    async def flush(self, group: int) -> None:
        self.groups[group].flush()

    async def turn(self) -> None:
        for _ in range(4):
            await asyncio.sleep(0)

    async def tick(self) -> None:
        self.monitor.tick()

    def _blocked(self, connection: Any, message: Any) -> None:
        member = next(m for m in self.members if m.connection is connection)
        assert connection.paused or is_fragmenting(connection)
        entry = next(entry for entry in member.expected if entry[1] == message)
        member.expected.remove(entry)

    def _read(self) -> None:
        for member in self.members:
            read(member.pair, member.receiver)

    def _check(self) -> None:
        self._read()
        delivered = [0, 0]
        for member in self.members:
            messages = [m for m in member.receiver.messages if m[:6] not in ("begun ", b"begun ")]
            sources = {message: source for source, message in member.expected}
            for message in messages:
                assert message in sources, "the message was never sent, or never written"
                if sources[message] is not None:
                    delivered[sources[message]] += 1
            for group in (0, 1):
                got = [m for m in messages if sources[m] in (None, group)]
                wanted = [m for source, m in member.expected if source in (None, group)]
                assert got == (wanted[: len(got)] if member.cut else wanted)
            if member.meter is not None:
                _check_meter(member)
        assert [group.delivered for group in self.groups] == delivered
        skipped = [given - count for given, count in zip(self.given, delivered, strict=True)]
        assert [group.skipped for group in self.groups] == skipped
        self._check_totals()

    def _check_totals(self) -> None:
        """Check that the server's totals equal what the clients have read, sizes included."""
        counted = [member for member in self.members if member.meter is not None]
        snapshot = self.monitor.collector.snapshot(0.0, 0.0)
        sizes = HistogramRecorder(BYTE)
        for member in counted:
            for message in member.receiver.messages:
                sizes.record(len(message.encode() if isinstance(message, str) else message))
        if counted:
            total = sum(member.receiver.payload + member.receiver.partial for member in counted)
            assert str(snapshot.size_out) == str(sizes.peek())
            assert snapshot.messages_out == sizes.peek().count
            assert snapshot.bytes_out == total
            assert snapshot.binary_out == sum(member.receiver.binary for member in counted)
            assert snapshot.wire_out == sum(m.receiver.wire + m.handshake for m in counted)

    def _message(self, binary: Any, size: int) -> str | bytes:
        self.number += 1
        text = f"{self.number} ".ljust(size, ".")
        return text.encode() if binary else text

    def _member(self, index: int) -> _Member:
        return self.members[index % len(self.members)]

    def _receive(self, index: int, data: bytes) -> None:
        member = self._member(index)
        if not member.pair.transport.closing:
            member.connection.data_received(data)

    async def _lost(self, member: _Member) -> None:
        if not member.pair.transport.closing:
            member.cut = True
            member.pair.transport.closing = True
            member.connection.connection_lost(None)
        await self.turn()


def _check_meter(member: _Member) -> None:
    """Check that the connection's meter counts exactly what its client has read."""
    meter, receiver = member.meter, member.receiver
    controls = [opcode for opcode, _ in receiver.controls]
    assert meter.messages_out == len(receiver.messages)
    assert meter.bytes_out == receiver.payload + receiver.partial
    assert meter.binary_out == receiver.binary
    assert meter.wire_out == receiver.wire + member.handshake
    assert (meter.pings_out, meter.pongs_out) == (controls.count(9), controls.count(10))


async def _parts(gate: asyncio.Future[None]) -> Any:
    yield "begun "
    await gate
    yield "and ended"
