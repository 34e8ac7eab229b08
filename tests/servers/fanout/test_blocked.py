"""Members of a broadcast group that cannot be written to, and callbacks that raise."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from websockets.asyncio.server import broadcast

from rtmon import Monitor
from rtmon.servers.fanout import Group
from tests.servers.fanout.members import KINDS, open_pair, read, shares
from tests.servers.fanout.receiver import Receiver


async def test_group_calls_on_blocked_for_members_that_cannot_be_written_to() -> None:
    """Group calls ``on_blocked`` for each message to a member that is paused or is sending a
    fragmented message, and writes only to the other members.
    """
    monitor = Monitor(interval=3600)
    handed: list[tuple[Any, Any]] = []
    group = Group(on_blocked=lambda connection, message: handed.append((connection, message)))
    for kind in KINDS:
        free, paused, busy = [await open_pair(kind, "none", monitor) for _ in range(3)]
        paused.connection.pause_writing()
        sending = asyncio.ensure_future(busy.connection.send(_never_ending()))
        for _ in range(3):
            await asyncio.sleep(0)
        for pair in (free, paused, busy):
            group.add(pair.connection)
            pair.transport.written.clear()
        group.publish("one")
        group.publish("two")
        await asyncio.sleep(0.001)
        assert b"".join(free.transport.written) == b"\x81\x03one\x81\x03two"
        assert paused.transport.written == busy.transport.written == []
        assert sorted(handed, key=str) == sorted(
            [(pair.connection, text) for pair in (paused, busy) for text in ("one", "two")], key=str
        )
        handed.clear()
        # A canceled fragmented message stays incomplete, so the connection remains blocked.
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        group.publish("three")
        await asyncio.sleep(0.001)
        assert busy.transport.written == []
        assert (busy.connection, "three") in handed
        handed.clear()
        for pair in (free, paused, busy):
            group.discard(pair.connection)
    monitor.close()


@pytest.mark.parametrize("kind", ["own", "own without times", "fast"])
async def test_new_group_messages_do_not_overtake_messages_queued_for_a_blocked_member(
    kind: str,
) -> None:
    """Group messages published while a blocked member resumes are written after the messages
    queued for it.
    """
    monitor = Monitor(interval=3600)
    pair = await open_pair(kind, "none", monitor)
    pair.transport.written.clear()
    connection: Any = pair.connection
    waiting: list[Any] = []

    class Keeper:
        def blocked(self) -> None:
            pass

        def pump(self) -> None:
            while waiting:
                broadcast([connection], waiting.pop(0))

    connection.listen(Keeper())
    group = Group(on_blocked=lambda _, message: waiting.append(message))
    group.add(connection)
    connection.pause_writing()
    group.publish("1")
    await asyncio.sleep(0.001)
    group.publish("2")
    connection.resume_writing()
    await asyncio.sleep(0.001)
    receiver = Receiver()
    read(pair, receiver)
    assert receiver.messages == ["1", "2"]
    monitor.close()


async def test_other_members_get_a_group_message_when_a_transport_or_on_blocked_raises() -> None:
    """Group message reaches the other members, and ``publish()`` raises nothing, when a
    transport or ``on_blocked`` raises.
    """
    monitor = Monitor(interval=3600)

    def broken(*_: Any) -> None:
        raise ZeroDivisionError

    group = Group(on_blocked=broken)
    pairs = [await open_pair("fast", "none", monitor) for _ in range(3)]
    for pair in pairs:
        group.add(pair.connection)
    pairs[0].transport.failure = OSError("no route")
    pairs[1].connection.pause_writing()
    group.publish("hello")
    await asyncio.sleep(0.001)
    assert b"".join(pairs[2].transport.written) == b"\x81\x05hello"
    assert pairs[2].connection.meter.messages_out == 1
    if shares("fast"):
        assert (group.delivered, group.skipped) == (1, 2)
    monitor.close()


@pytest.mark.parametrize("kind", KINDS)
async def test_group_message_counts_as_skipped_when_the_members_transport_raises(kind: str) -> None:
    """Group counts a message as skipped for a member whose transport raises, and as delivered
    for another.
    """
    monitor = Monitor(interval=3600)
    pairs = [await open_pair(kind, "none", monitor) for _ in range(2)]
    group = Group()
    for pair in pairs:
        group.add(pair.connection)
    pairs[0].transport.failure = OSError("no route")
    group.publish("hello")
    group.flush()
    assert (group.delivered, group.skipped, group.bytes) == (1, 1, 5)
    assert b"".join(pairs[1].transport.written).endswith(b"\x81\x05hello")
    monitor.close()


async def test_exception_of_on_flushed_is_logged_and_not_raised(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Group logs an exception of ``on_flushed``, which neither ``publish()`` nor ``flush()``
    raises.
    """
    monitor = Monitor(interval=3600)

    def broken(_: Any) -> None:
        raise ZeroDivisionError

    group = Group(on_flushed=broken)
    group.publish("to nobody, at once")
    pair = await open_pair("fast", "none", monitor)
    group.add(pair.connection)
    group.publish("hello")
    group.flush()
    assert b"".join(pair.transport.written).endswith(b"\x81\x05hello")
    assert caplog.text.count("on_flushed failed") == 2
    monitor.close()


async def _never_ending() -> Any:
    yield "begun"
    await asyncio.get_running_loop().create_future()
