"""Members of a group that cannot be written to, and hooks that raise."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from websockets.asyncio.server import broadcast

from rtmon import Monitor
from rtmon.servers.fanout import Group
from tests.servers.fanout.members import KINDS, open_pair, read, shares
from tests.servers.fanout.receiver import Receiver


async def test_message_is_handed_back_when_its_member_cannot_be_written_to() -> None:
    """A connection over its write limit, or amid a fragmented message, gets nothing of a group;
    each message is handed back once, and other members get it.
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
        # Given up in the middle, the message is still under way for the client.
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
async def test_new_messages_do_not_overtake_those_waiting_for_a_blocked_member(kind: str) -> None:
    """Messages published in the turn in which writing continues go behind those kept for the
    connection.
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


async def test_other_members_get_the_message_when_a_transport_or_hook_fails() -> None:
    """All other members get each message, and publish() raises nothing."""
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
async def test_message_counts_as_skipped_when_the_transport_raises(kind: str) -> None:
    """A connection whose transport raises has not received the message, by whichever way it was
    sent.
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


async def test_exception_of_on_flushed_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Neither publish() nor flush() raises what on_flushed raises."""
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
