"""The fast path for messages, compared with the library's own path in ``websockets``."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.connection import Connection
from websockets.asyncio.server import ServerConnection, serve
from websockets.frames import Opcode
from websockets.version import version

import rtmon
from rtmon import Monitor, probe
from rtmon.probes.websockets import inlined_calls, library_selftest
from rtmon.probes.websockets.in_memory_connection import frame_bytes
from rtmon.servers.turbo import fast_handshake, fast_path, shared_keepalive
from rtmon.testing import until
from tests.servers.turbo import conversations
from tests.servers.turbo.conversations import all_the_same

only_tested = pytest.mark.skipif(
    version not in inlined_calls.TESTED, reason="the fast path is off here"
)


@only_tested
@settings(max_examples=300, print_blob=True)
@given(
    steps=st.lists(conversations.steps, max_size=14),
    compressed=st.sampled_from([False, False, True]),
    opened=st.sampled_from([True] * 5 + [False]),
    max_size=st.sampled_from([2**20, None, 200, (400, 130), (None, 11)]),
    max_queue=st.sampled_from([16, None, 0, 1, (4, 2)]),
)
def test_fast_path_acts_and_counts_the_same_as_websockets_in_random_conversations(
    *, steps: list[Any], compressed: bool, opened: bool, max_size: Any, max_queue: Any
) -> None:
    """Fast path and probe act the same as ``websockets`` itself, and count the same, in random
    conversations with failures and pauses.
    """
    took = asyncio.run(
        all_the_same(
            steps, compressed=compressed, opened=opened, max_size=max_size, max_queue=max_queue
        )
    )
    event(f"the fast path stood ready: {took}")


_ONE, _TWO = frame_bytes(Opcode.TEXT, b"one"), frame_bytes(Opcode.BINARY, b"two")
_CORNERS: dict[str, list[Any]] = {
    # The parser has read two bytes, so its buffer is empty in the middle of a frame.
    "a header in pieces": [("receive", [_ONE[:2]]), ("receive", [_TWO]), ("recv", None)],
    "a message in pieces": [
        ("receive", [frame_bytes(Opcode.TEXT, b"half", fin=False)]),
        ("receive", [_ONE]),
    ],
    "a message while another one waits to be written": [
        ("pause_on_write", 3),  # The first frame is written; the last one waits.
        ("send", lambda: iter(["a"]), None),
        ("send", lambda: "c", None),
        ("resume",),
        ("send", lambda: "d", None),
    ],
    "something written already": [("write_later", b"a", True), ("send", lambda: "b", None)],
    "something written already, and a message comes": [
        ("write_later", b"a", True),
        ("receive", [_ONE]),
    ],
    "part of a message written already": [
        ("write_later", b"a", False),
        ("ping", b"and now it is written"),
        ("send", lambda: "b", None),
    ],
    "writing is paused by the message itself": [
        ("pause_on_write", 0),
        ("send", lambda: "a", None),
        ("send", lambda: "b", None),
        ("resume",),
    ],
    "the transport is closing": [("transport_closing",), ("send", lambda: "a", None)],
    "the transport fails": [("writes_fail",), ("send", lambda: "a", None), ("recv", None)],
    "closing has begun": [("close", 1000), ("send", lambda: "a", None), ("receive", [_ONE + _TWO])],
    "no such characters": [("send", lambda: "\ud800", None), ("send", lambda: "b", None)],
    "not UTF-8": [
        ("receive", [frame_bytes(Opcode.TEXT, b"\xff") + _ONE]),
        ("recv", None),
        ("receive", [_TWO]),
    ],
    "decoding to order": [
        ("receive", [_ONE + _TWO]),
        ("recv", False),
        ("recv", True),
    ],
    "two readers": [("recv", None), ("recv", None), ("receive", [_ONE + _TWO])],
    "a reader who gives up": [("recv", None), ("cancel", 2), ("receive", [_ONE]), ("recv", None)],
    "a reader at the end": [("recv", None), ("eof",), ("recv", None)],
    "more than the queue holds": [("receive", [_ONE * 9]), *[("recv", None)] * 9],
    "exactly the queue": [("receive", [_ONE * 4]), ("receive", [_ONE])],
    "data and a ping in one read": [
        ("receive", [_ONE + frame_bytes(Opcode.PING, b"?") + _TWO]),
        ("recv", None),
    ],
    "data and a wrong frame in one read": [("receive", [_ONE + b"\x83\x80abcd"]), ("recv", None)],
    "too long in all": [("receive", [frame_bytes(Opcode.TEXT, b"x" * 500)])],
    "too long a fragment": [("receive", [frame_bytes(Opcode.TEXT, b"x" * 350)])],
    **{
        f"{size} bytes": [
            ("receive", [frame_bytes(Opcode.BINARY, b"x" * size)]),
            ("send", lambda size=size: b"x" * size, True),
            ("send", lambda size=size: "x" * size, False),
        ]
        for size in (0, 1, 125, 126, 127, 300)
    },
    **{
        f"{size} bytes out": [("send", lambda size=size: b"x" * size, None)]
        for size in (65_535, 65_536)
    },
}


@only_tested
@pytest.mark.parametrize("corner", _CORNERS)
async def test_fast_path_acts_the_same_as_websockets_in_corner_cases(corner: str) -> None:
    """Fast path for messages acts the same as ``websockets`` in corner cases, such as frames in
    pieces, paused writing and invalid UTF-8.
    """
    for compressed in (False, True):
        for max_size in ((400, 320), (320, 400)):
            await all_the_same(
                _CORNERS[corner], compressed=compressed, opened=True, max_size=max_size, max_queue=4
            )


@pytest.fixture
def off(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let rtmon take the installed ``websockets`` for a version that it was not tested with."""
    monkeypatch.setattr(inlined_calls, "TESTED", frozenset({"1.0"}))
    yield
    library_selftest.difference.cache_clear()


async def _echoed(monitor: Monitor, connection_class: Any) -> int | None:
    async def echo(connection: ServerConnection) -> None:
        async for message in connection:
            await connection.send(message)

    options = {"create_connection": connection_class, "compression": None}
    async with serve(echo, "127.0.0.1", 0, **options) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        async with connect(f"ws://127.0.0.1:{port}") as client:
            await client.send("x")
            assert await client.recv() == "x"
    return monitor.snapshot().messages_out


def _said(monitor: Monitor) -> list[str | None]:
    monitor.tick()
    events = monitor.collector.history.events()
    return [event.detail for event in events if event.kind == "fast path off"]


@only_tested
async def test_serve_uses_the_fast_path_by_default() -> None:
    """``rtmon.serve()`` uses the fast path by default, and records no Event about it."""
    seen: list[Any] = []

    async def handler(connection: ServerConnection) -> None:
        seen.append(connection)
        await connection.wait_closed()

    async with rtmon.serve(handler, "127.0.0.1", 0) as server, connect(server.url):
        await until(lambda: seen)
        assert isinstance(seen[0], fast_path.FastPath)
        assert _said(server.monitor) == []


async def test_probe_uses_no_fast_path_with_an_untested_version_of_websockets(
    off: None, caplog: pytest.LogCaptureFixture
) -> None:
    """Probe with ``fast=True`` uses no fast path with an untested version of ``websockets``, and
    reports that by one Event and one log line.
    """
    monitor = Monitor(interval=1000)
    connection_class = probe(monitor, fast=True)
    assert not issubclass(connection_class, fast_path.FastPath)
    expected = f"websockets {version} is installed, and it was tested with 1.0 only"
    assert _said(monitor) == [expected]
    assert caplog.messages == [f"the fast path is off: {expected}"]
    assert await _echoed(monitor, connection_class) == 1


@only_tested
async def test_probe_uses_no_fast_path_for_a_class_that_overrides_send() -> None:
    """Probe with ``fast=True`` uses no fast path for a connection class that overrides ``send``,
    and reports that by an Event.
    """

    class Loud(ServerConnection):
        async def send(self, message: Any, *, text: bool | None = None) -> None:
            await super().send(message.upper(), text=text)

    monitor = Monitor(interval=1000)
    connection_class = probe(monitor, base=Loud, fast=True)
    assert not issubclass(connection_class, fast_path.FastPath)
    assert _said(monitor) == ["Loud has methods of its own: send"]

    class Plain(ServerConnection):
        def shout(self) -> str:
            return "hey"

    assert issubclass(probe(monitor, base=Plain, fast=True), fast_path.FastPath)


@only_tested
@pytest.mark.parametrize("quick", [False, True])
async def test_probe_keeps_a_websockets_method_that_a_tracer_has_replaced(
    *, quick: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Probe uses neither its fast path nor inlined calls when a tracer has replaced
    ``Connection.recv``, and the tracer sees each message.
    """
    traced: list[Any] = []
    own = Connection.recv

    @functools.wraps(own)
    async def recv(self: Any, decode: bool | None = None) -> Any:  # noqa: FBT001 - the library's signature
        message = await own(self, decode)
        traced.append(message)
        return message

    monkeypatch.setattr(Connection, "recv", recv)
    monitor = Monitor(interval=1000)
    connection_class = probe(monitor, fast=quick)
    assert not issubclass(connection_class, inlined_calls.InlinedCalls)
    foreign = "methods of ServerConnection were replaced: recv"
    assert _said(monitor) == ([foreign] if quick else [])
    assert await _echoed(monitor, connection_class) == 1
    assert "x" in traced


@only_tested
@pytest.mark.parametrize("base", [ServerConnection, ClientConnection])
def test_probe_uses_inlined_calls_with_tested_versions_of_websockets(
    base: type[Connection],
) -> None:
    """Probe uses inlined calls by default for server and client connections with a tested
    version of ``websockets``.
    """
    assert issubclass(probe(Monitor(interval=1000), base=base), inlined_calls.InlinedCalls)


@only_tested
@pytest.mark.parametrize(
    "breakage", ["different", "raises", "elsewhere", "uncounted", "refused", "pinged"]
)
async def test_fast_path_is_off_when_its_self_test_fails(
    breakage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fast path is off, which an Event reports, when the self-test finds a difference from
    ``websockets``.
    """
    from rtmon.probes.websockets import frame_counter

    if breakage == "different":
        monkeypatch.setattr(fast_path, "_medium", lambda *fields: b"?" * len(fields))
    elif breakage == "raises":
        monkeypatch.setattr(inlined_calls, "_message", None)
    elif breakage == "elsewhere":
        monkeypatch.setattr(fast_path, "_AT_EOF", None)
    elif breakage == "refused":
        monkeypatch.setattr(fast_handshake, "accept_key", lambda key: key)
    elif breakage == "pinged":
        monkeypatch.setattr(shared_keepalive, "_payload", lambda number: b"%d" % (10**6 + number))
    else:
        monkeypatch.delattr(frame_counter.FrameCounter, "frame_received")
    library_selftest.difference.cache_clear()
    try:
        monitor = Monitor(interval=1000)
        # Inlined calls are off only when a part that they depend on differs.
        either = breakage in {"raises", "uncounted"}
        assert issubclass(probe(monitor), inlined_calls.InlinedCalls) != either
        fast = probe(monitor, fast=True)
        assert not issubclass(fast, fast_path.FastPath)
        assert issubclass(fast, inlined_calls.InlinedCalls) != either
        (said,) = _said(monitor)
        assert "self-test" in str(said) or "the parser is not where" in str(said)
    finally:
        library_selftest.difference.cache_clear()


@only_tested
@pytest.mark.parametrize("quick", [False, True])
@pytest.mark.parametrize("hook", ["frame_received", "frame_sent", "asked", "handed"])
async def test_messages_are_delivered_when_counting_raises(
    *, hook: str, quick: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Messages are delivered although the probe's counting raises, with the fast path and
    without.
    """
    from rtmon.probes.websockets import frame_counter

    monitor = Monitor(interval=1000)
    connection_class = probe(monitor, fast=quick)

    def broken(*args: Any, **kwargs: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(frame_counter.FrameCounter, hook, broken)
    await _echoed(monitor, connection_class)
    assert monitor.probe_failures > 0
