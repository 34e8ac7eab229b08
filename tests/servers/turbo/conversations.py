"""Random conversations on four in-memory connections of ``websockets`` and rtmon, compared.

The four are the library's own connection, the probe in two variants, and the fast path.

All four take the same steps; after each step, their whole observable state is compared.
"""

from __future__ import annotations

import asyncio
import itertools
import re
import struct
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from hypothesis import strategies as st
from websockets.asyncio.server import ServerConnection, broadcast
from websockets.extensions.permessage_deflate import (
    ClientPerMessageDeflateFactory,
    ServerPerMessageDeflateFactory,
)
from websockets.frames import Opcode
from websockets.utils import apply_mask

from rtmon import Monitor
from rtmon.probes.websockets import probed
from rtmon.probes.websockets.in_memory_connection import MemoryConnection, frame_bytes
from tests.servers.turbo.handshakes import Stock

__all__ = ["all_the_same", "steps"]

_DATE = re.compile(rb"Date: [^\r]*")


def _raw_frame(head: int, data: bytes, mask: bytes, form: str) -> bytes:
    """Return a frame built bit by bit, which may be invalid."""
    masked = 0 if form == "unmasked" else 128
    length = len(data)
    if form == "long" or length >= 65536:
        header = struct.pack("!BBQ", head, masked | 127, length)
    elif form == "medium" or length >= 126:
        header = struct.pack("!BBH", head, masked | 126, length)
    elif form == "lying":
        header = struct.pack("!BBQ", head, masked | 127, 2**40)
    else:
        header = bytes((head, masked | length))
    return header + (mask + apply_mask(data, mask) if masked else data)


_payloads = st.one_of(
    st.binary(max_size=12),
    st.text(max_size=12).map(str.encode),
    st.sampled_from([b"a" * 125, b"b" * 126, b"c" * 300, b"\xff", b"\x03\xe8", b"\x03\xe8ok"]),
)
# Frames that the fast path handles are frequent; invalid bytes, which end it, are rare.
_heads = st.sampled_from(
    [0x81, 0x82] * 8 + [0x01, 0x02, 0x00, 0x80, 0x89, 0x8A] * 2 + [0x88, 0xC1, 0x83, 0x91, 0x09]
)
_frames = st.builds(
    _raw_frame,
    _heads,
    _payloads,
    st.binary(min_size=4, max_size=4),
    st.sampled_from(["short"] * 20 + ["medium"] * 4 + ["long", "unmasked", "lying"]),
)


@st.composite
def _chunks(draw: st.DrawFn) -> list[bytes]:
    """Draw frames and random bytes, split at random points."""
    stream = b"".join(draw(st.lists(_frames, min_size=1, max_size=6)))
    stream += draw(st.sampled_from([b""] * 9 + [b"\x81", b"\x81\xfe\x00", b"GET /"]))
    cuts = draw(st.lists(st.integers(0, len(stream)), max_size=4)) if draw(st.booleans()) else []
    points = sorted({0, *cuts, len(stream)})
    return [stream[a:b] for a, b in itertools.pairwise(points)]


class _Own(str):
    """A subclass of str, as an application may have."""

    __slots__ = ()


def _failing() -> Iterator[str]:
    yield "begun"
    raise LookupError("in the middle")


async def _later(*parts: Any) -> AsyncIterator[Any]:
    for part in parts:
        await asyncio.sleep(0)
        yield part


_texts = st.text(max_size=8) | st.sampled_from(["\ud800", "x" * 125, "x" * 126, "x" * 66_000])
_bytes = st.binary(max_size=8) | st.sampled_from([b"y" * 125, b"y" * 126, b"y" * 66_000])
# Each connection gets a new message, because iterators can be used only once.
_messages: st.SearchStrategy[Callable[[], Any]] = st.one_of(
    st.one_of(_texts, _bytes).map(lambda m: lambda: m),
    st.one_of(_texts, _bytes).map(lambda m: lambda: m),
    _bytes.map(lambda m: lambda: bytearray(m)),
    _bytes.map(lambda m: lambda: memoryview(m)),
    _texts.map(lambda m: lambda: _Own(m)),
    st.lists(_texts | _bytes | st.none(), max_size=3).map(lambda m: lambda: iter(m)),
    st.lists(_texts | _bytes, max_size=3).map(lambda m: lambda: _later(*m)),
    st.sampled_from([_failing, lambda: 3, lambda: None, lambda: {"a": 1}, lambda: object]),
)
steps = st.one_of(
    st.tuples(st.just("receive"), _chunks()),
    st.tuples(st.just("receive"), _chunks()),
    st.tuples(st.just("send"), _messages, st.sampled_from([None, None, None, True, False])),
    st.tuples(st.just("send"), _messages, st.sampled_from([None, None, None, True, False])),
    st.tuples(st.just("recv"), st.sampled_from([None, None, True, False])),
    st.tuples(st.just("recv"), st.sampled_from([None, None, True, False])),
    st.tuples(st.just("stream")),
    st.tuples(st.just("cancel"), st.integers(0, 3)),
    st.tuples(st.just("ping"), st.binary(max_size=3)),
    st.tuples(st.just("broadcast"), _texts.filter(str.isprintable)),
    st.tuples(st.just("write_later"), st.binary(max_size=3), st.booleans()),
    st.tuples(st.just("pause_on_write"), st.integers(0, 9)),
    st.tuples(st.just("close"), st.sampled_from([1000, 1011, 4000, 77])),
    st.sampled_from([("pause",), ("resume",), ("transport_closing",)]),
    st.sampled_from([("eof",), ("lost", None), ("lost", "reset"), ("writes_fail",)]),
)


class _Side:
    """An in-memory connection with its observable state."""

    def __init__(self, connection_class: Any, **options: Any) -> None:
        self.pair = MemoryConnection(connection_class, close_timeout=None, **options)
        self.connection = self.pair.connection
        self.transport = self.pair.transport
        self.tasks: list[asyncio.Task[Any]] = []
        self.raised: list[str] = []

    def take(self, step: Any) -> None:
        what, *details = step
        try:
            getattr(self, what)(*details)
        except Exception as exc:  # noqa: BLE001 - all connections must raise the same
            self.raised.append(repr(exc))

    def open(self, request: bytes) -> None:
        self.connection.data_received(request)
        self._start(self.connection.handshake())

    def receive(self, chunks: list[bytes]) -> None:
        for chunk in chunks:
            if not self.transport.closing:
                self.connection.data_received(chunk)

    def send(self, message: Callable[[], Any], text: bool | None) -> None:  # noqa: FBT001
        self._start(self.connection.send(message(), text=text))

    def recv(self, decode: bool | None) -> None:  # noqa: FBT001
        self._start(self.connection.recv(decode))

    def stream(self) -> None:
        self._start(self._stream())

    def cancel(self, index: int) -> None:
        for task in self.tasks[index : index + 1]:
            task.cancel()

    def ping(self, data: bytes) -> None:
        self._start(self.connection.ping(data))

    def broadcast(self, message: str) -> None:
        broadcast([self.connection], message)

    def write_later(self, data: bytes, fin: bool) -> None:  # noqa: FBT001
        self.connection.protocol.send_text(data, fin=fin)

    def close(self, code: int) -> None:
        self._start(self.connection.close(code, "enough"))

    def pause(self) -> None:
        if not self.connection.paused:
            self.connection.pause_writing()

    def resume(self) -> None:
        if self.connection.paused:
            self.connection.resume_writing()

    def pause_on_write(self, more: int) -> None:
        self.transport.limit = sum(map(len, self.transport.written)) + more

    def transport_closing(self) -> None:
        self.transport.close()

    def eof(self) -> None:
        if not self.transport.closing:
            self.connection.eof_received()
            self.transport.close()

    def lost(self, how: str | None) -> None:
        if not self.transport.closing:
            self.transport.closing = True
            self.connection.connection_lost(None if how is None else ConnectionResetError(how))

    def writes_fail(self) -> None:
        self.transport.failure = OSError("no route")

    async def _stream(self) -> list[Any]:
        return [part async for part in self.connection.recv_streaming()]

    def _start(self, coroutine: Any) -> None:
        self.tasks.append(asyncio.ensure_future(coroutine))

    def seen(self) -> dict[str, Any]:
        """Return the connection's observable state, public and private."""
        connection = self.connection
        protocol = connection.protocol
        messages = connection.recv_messages
        return {
            "written": [_DATE.sub(b"", data) for data in self.transport.written],
            "calls": list(self.transport.calls),
            "raised": list(self.raised),
            "tasks": [_outcome(task) for task in self.tasks],
            "state": protocol.state,
            "closes": (protocol.close_rcvd, protocol.close_sent, protocol.close_rcvd_then_sent),
            "close": (connection.close_code, connection.close_reason),
            "deadline": connection.close_deadline,
            "parser": repr(protocol.parser_exc),
            "cause": repr(connection.connection_exc),
            "reader": (bytes(protocol.reader.buffer), protocol.reader.eof, protocol.eof_sent),
            "partial": (protocol.current_size, protocol.expect_continuation_frame),
            "pending": (list(protocol.events), list(protocol.writes)),
            "frames": [(f.opcode, bytes(f.data), f.fin) for f in messages.frames.queue],
            "reading": (messages.get_in_progress, messages.paused, messages.closed),
            "waiting": messages.frames.get_waiter is None,
            "sending": (connection.send_in_progress is None, connection.paused),
            "drains": len(connection.drain_waiters),
            "pings": list(connection.pending_pings),
        }

    async def end(self) -> None:
        if not self.transport.closing:
            self.transport.closing = True
            self.connection.connection_lost(None)
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


def _outcome(task: asyncio.Task[Any]) -> Any:
    if not task.done():
        return "waits"
    if task.cancelled():
        return "cancelled"
    if (exc := task.exception()) is not None:
        return (repr(exc), repr(exc.__cause__))
    result = task.result()
    return "a future" if isinstance(result, asyncio.Future) else (type(result), result)


def _counted(monitor: Monitor, connection: Any) -> dict[str, Any]:
    """Return the connection's counters, without times."""
    monitor.tick()
    sample = monitor.collector.history.latest()
    assert sample is not None
    meter = connection.meter
    names = [name for name in type(meter).__slots__ if isinstance(getattr(meter, name), int)]
    return {
        **{name: getattr(meter, name) for name in names},
        "box": None if meter.box is None else [int(n) for n in meter.box.ring[1::2]],
        "sizes": (str(sample.size_in), str(sample.size_out)),
        "totals": (sample.messages_in, sample.bytes_out, sample.wire_in, sample.wire_out),
        "handler": sample.handler.count,
        "receive": sample.receive.count,
    }


async def all_the_same(
    conversation: list[Any], *, compressed: bool, opened: bool, **options: Any
) -> bool:
    """Check that all four connections act the same at every step.

    Returns:
        True if the fast path was used.
    """
    monitors = [Monitor(interval=3600) for _ in range(3)]
    if compressed:
        options["extensions"] = [ServerPerMessageDeflateFactory()]
        options["client_extensions"] = [ClientPerMessageDeflateFactory()]
    stock, plain, flat, quick = sides = [
        _Side(connection_class, **options)
        for connection_class in (
            Stock,
            probed(monitors[0], ServerConnection),
            probed(monitors[1], ServerConnection, way="flat"),
            probed(monitors[2], ServerConnection, way="fast"),
        )
    ]
    client = stock.pair.client
    client.send_request(client.connect())
    begin = [
        ("open", b"".join(client.data_to_send())),
        ("receive", [frame_bytes(Opcode.TEXT, b"hello")]),
        ("recv", None),
    ]
    if opened:
        conversation = [*begin, *conversation]
    elif len(conversation) > 4:  # Open it after two steps; with fewer steps, never.
        conversation = [*conversation[:2], *begin, *conversation[2:]]
    took = False
    for step in conversation:
        for side in sides:
            side.take(step)
        took = took or quick.connection._tally.between
        # The library needs one event-loop iteration more for a handshake than the fast path.
        for _ in range(8):
            await asyncio.sleep(0)
        expected = stock.seen()
        assert plain.seen() == expected, f"the probe differs after {step}"
        assert flat.seen() == expected, f"the flat probe differs after {step}"
        assert quick.seen() == expected, f"the fast path differs after {step}"
    counted = _counted(monitors[0], plain.connection)
    assert counted == _counted(monitors[1], flat.connection)
    assert counted == _counted(monitors[2], quick.connection)
    # End all connections at once, so that none is an event-loop iteration ahead.
    await asyncio.gather(*(side.end() for side in sides))
    assert plain.seen() == flat.seen() == quick.seen() == stock.seen()
    for monitor in monitors:
        assert monitor.probe_failures == 0
        monitor.close()
    return took
