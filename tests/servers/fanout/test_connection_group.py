"""Broadcast groups: receivers, order, delay, and number of writes."""

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
def test_group_members_read_each_message_once_and_in_order_in_any_sequence_of_events(
    kinds: list[tuple[str, str]], script: list[Any]
) -> None:
    """Group members read each message once and in order in any random sequence of writes,
    pauses and closes, and the group's and Monitor's counters are exact.
    """
    asyncio.run(mix.Mix().run(kinds, script))


@pytest.fixture
def untested(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let rtmon take the installed ``websockets`` for a version that it was not tested with."""
    monkeypatch.setattr(inlined_calls, "TESTED", frozenset({"1.0"}))
    obstacle.cache_clear()
    yield
    obstacle.cache_clear()


@pytest.mark.usefixtures("untested")
def test_group_shares_no_frames_with_an_untested_version_of_websockets(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Group with an untested version of ``websockets`` shares no frames, still delivers each
    message, and logs the reason once.
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


def test_frames_are_shared_only_with_tested_versions_of_websockets() -> None:
    """Frame sharing is on exactly when rtmon was tested with the installed version of
    ``websockets``.
    """
    assert (obstacle() is None) == (version in inlined_calls.TESTED)


async def test_group_messages_of_one_loop_iteration_are_one_write_per_connection() -> None:
    """Group writes all messages that were published in one event-loop iteration to each of
    rtmon's connections in one write.
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


async def test_group_member_gets_only_messages_published_during_its_membership() -> None:
    """Group member gets exactly the messages published between its ``add()`` and ``discard()``,
    also within one event-loop iteration.
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


async def test_group_sends_a_buffer_as_it_was_when_published() -> None:
    """Group sends the content that a bytearray had at ``publish()``, although the bytearray
    changes before the group writes.
    """
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
def test_group_raises_option_error_for_an_invalid_delay(delay: Any) -> None:
    """Group raises OptionError when its ``delay`` is negative, not finite or not a number."""
    with pytest.raises(OptionError, match="delay="):
        Group(delay=delay)


async def test_group_collects_messages_until_its_delay_or_its_byte_limit() -> None:
    """Group collects messages for its ``delay``, but writes them earlier when they exceed 64 KiB
    or at ``flush()``.
    """
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
    """The ``broadcast()`` of ``websockets`` up to version 15, which has no ``text`` option."""
    broadcast(connections, message, raise_exceptions=raise_exceptions)


@pytest.mark.parametrize("library", [broadcast, _without_text])
async def test_group_and_broadcast_send_bytes_as_text_and_text_as_binary_when_requested(
    library: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Group and ``rtmon.broadcast()`` send bytes as text with ``text=True``, and ``str`` as
    binary with ``text=False``, in every ``websockets`` version.
    """
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


async def test_last_frames_of_a_connection_include_shared_frames() -> None:
    """Connection's last frames include frames shared with its group, in order with its own."""
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
