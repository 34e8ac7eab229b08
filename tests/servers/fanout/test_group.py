"""What a group sends: to whom, in which order, in how many writes."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from websockets.asyncio.server import broadcast
from websockets.version import version

import rtmon
from rtmon import Monitor
from rtmon.errors import OptionError
from rtmon.probes.websockets import inlined_calls
from rtmon.servers.fanout import Group, broadcasting
from rtmon.servers.fanout.library_selftest import obstacle
from tests.servers.fanout import mix
from tests.servers.fanout.members import KINDS, open_pair, read, shares
from tests.servers.fanout.receiver import Receiver


@settings(max_examples=120)
@given(kinds=mix.members, script=mix.steps)
def test_nothing_is_lost_or_overtaken(kinds: list[tuple[str, str]], script: list[Any]) -> None:
    """Whatever else a connection sends or suffers, its client reads, byte for byte, each message
    of its groups once and in order, before what the connection sent later; what it could not be
    written was handed back; and all counters equal what the clients have read.
    """
    asyncio.run(mix.Mix().run(kinds, script))


@pytest.fixture
def untested(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As with a release of the library that nobody has tested yet."""
    monkeypatch.setattr(inlined_calls, "TESTED", frozenset({"1.0"}))
    obstacle.cache_clear()
    yield
    obstacle.cache_clear()


@pytest.mark.usefixtures("untested")
def test_with_an_untested_library_the_same_is_sent(caplog: pytest.LogCaptureFixture) -> None:
    """Where the library's inside may be another one, each message goes the library's own way,
    under the same promises, and one line in the log says why.
    """

    @settings(max_examples=40, database=None)
    @given(kinds=mix.members, script=mix.steps)
    def the_same(kinds: list[tuple[str, str]], script: list[Any]) -> None:
        assert not shares("fast")
        asyncio.run(mix.Mix().run(kinds, script))

    the_same()
    said = [record.message for record in caplog.records if record.name == "rtmon"]
    assert len(said) == 1
    assert "was tested with 1.0 only" in said[0]


def test_frames_are_shared_where_that_was_tested() -> None:
    """With a version of the library that was tested, nothing stands in the way."""
    assert (obstacle() is None) == (version in inlined_calls.TESTED)


async def test_a_turns_messages_are_one_write() -> None:
    """What is published in one turn of the loop leaves in one write, of the very same bytes for
    all of rtmon's own connections; other people's are written each message at once.
    """
    monitor = Monitor(interval=3600)
    own = [await open_pair("fast", "none", monitor) for _ in range(3)]
    plain = await open_pair("plain", "none", monitor)
    group = Group()
    for pair in (*own, plain):
        group.add(pair.connection)
    for number in range(16):
        group.publish(f"{number:02}")
    assert len(plain.transport.written) == 16
    if shares("fast"):
        assert not any(pair.transport.written for pair in own)
    await asyncio.sleep(0.001)
    for pair in own:
        assert b"".join(pair.transport.written) == b"".join(plain.transport.written)
    if shares("fast"):
        assert [len(pair.transport.written) for pair in own] == [1, 1, 1]
        assert len({id(pair.transport.written[0]) for pair in own}) == 1
    monitor.close()


async def test_each_gets_what_is_published_while_a_member() -> None:
    """Within one turn of the loop, too: who comes gets only what follows, who goes what came
    before, and who is skipped all but that; and each has counted just so.
    """
    monitor = Monitor(interval=3600)
    pairs = [await open_pair("fast", "none", monitor) for _ in range(4)]
    steady, newcomer, leaver, skipped = pairs
    connections = [pair.connection for pair in pairs]
    group = Group()
    for pair in (steady, leaver, skipped):
        group.add(pair.connection)
    group.publish("1")
    group.add(newcomer.connection)
    group.publish("2", skip=[skipped.connection])
    group.discard(leaver.connection)
    group.publish("3")
    await asyncio.sleep(0.001)
    received = []
    for pair in pairs:
        receiver = Receiver()
        read(pair, receiver)
        received.append(receiver.messages)
    assert received == [["1", "2", "3"], ["2", "3"], ["1", "2"], ["1", "3"]]
    assert [one.meter.messages_out for one in connections] == [3, 2, 2, 2]
    assert (group.published, group.delivered, group.skipped) == (3, 9, 0)
    monitor.close()


async def test_a_buffer_that_changes_after_it_was_published() -> None:
    """Everybody gets what was in it when it was published, also who could not be written to."""
    monitor = Monitor(interval=3600)
    handed: list[Any] = []
    group = Group(on_blocked=lambda _, message: handed.append(message))
    free, paused = [await open_pair("fast", "none", monitor) for _ in range(2)]
    paused.connection.pause_writing()
    for pair in (free, paused):
        group.add(pair.connection)
        pair.transport.written.clear()
    buffer = bytearray(b"then")
    group.publish(buffer)
    buffer[:] = b"now!"
    group.flush()
    assert b"".join(free.transport.written) == b"\x82\x04then"
    assert handed == [b"then"]
    monitor.close()


@pytest.mark.parametrize("delay", [-1, float("nan"), float("inf"), None, "0.1"])
def test_a_delay_that_is_none(delay: Any) -> None:
    """A group that would never write what it collects is refused when it is made."""
    with pytest.raises(OptionError, match="delay="):
        Group(delay=delay)


async def test_messages_are_collected_for_as_long_as_asked() -> None:
    """With a delay they wait for it, but never more of them than a bound in bytes."""
    monitor = Monitor(interval=3600)
    pair = await open_pair("fast", "none", monitor)
    group = Group(delay=3600.0)
    group.add(pair.connection)
    group.publish("x" * 40_000)
    await asyncio.sleep(0.001)
    assert len(pair.transport.written) == (0 if shares("fast") else 1)
    group.publish("x" * 40_000)
    assert len(b"".join(pair.transport.written)) == 80_008
    group.publish("at last")
    group.flush()
    assert b"".join(pair.transport.written).endswith(b"at last")
    monitor.close()


def _without_text(connections: Any, message: Any, *, raise_exceptions: bool = False) -> None:
    """The library's broadcast, as it was up to version 15."""
    broadcast(connections, message, raise_exceptions=raise_exceptions)


@pytest.mark.parametrize("library", [broadcast, _without_text])
async def test_the_kind_of_a_message_is_as_asked(
    library: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Text for bytes and binary for ``str``, also where the library has no such option."""
    takes_text = "text" in inspect.signature(library).parameters
    monkeypatch.setattr(broadcasting, "library_broadcast", library)
    monkeypatch.setattr(broadcasting, "TAKES_TEXT", takes_text)
    monitor = Monitor(interval=3600)
    for kind in KINDS:
        pair = await open_pair(kind, "none", monitor)
        pair.transport.written.clear()
        group = Group()
        group.add(pair.connection)
        group.publish(b"text", text=True)
        group.publish("binary", text=False)
        group.flush()
        rtmon.broadcast([pair.connection], memoryview(b"text"), text=True)
        receiver = Receiver()
        read(pair, receiver)
        assert receiver.messages == ["text", b"binary", "text"], kind
    monitor.close()


async def test_the_black_box_has_what_a_group_sent() -> None:
    """The last frames of a connection that dies are there, those it shared with others too."""
    monitor = Monitor(interval=3600)
    pair = await open_pair("own", "none", monitor)
    group = Group()
    group.add(pair.connection)
    group.publish("first")
    await asyncio.sleep(0.001)
    await pair.connection.send("alone")
    group.publish(b"last!!")
    await asyncio.sleep(0.001)
    pair.transport.closing = True
    pair.connection.connection_lost(ConnectionResetError())
    frames = pair.connection.meter.last_frames
    assert frames is not None
    assert [one.split(" ", 1)[1] for one in frames.split("; ")] == [
        "out text 5",
        "out text 5",
        "out binary 6",
    ]
    monitor.close()
