from __future__ import annotations

import asyncio

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode

from rtmon.probes.websockets.memory_connection import MemoryConnection, frame_bytes


async def test_both_ends_of_a_pair_talk_as_over_a_socket() -> None:
    """What the client's half sends is received, and what the connection sends is readable by it."""
    pair = MemoryConnection()
    await pair.open()
    pair.connection.data_received(frame_bytes(Opcode.TEXT, b"hello"))
    assert await pair.connection.recv() == "hello"
    await pair.connection.send(b"\x00" * 300)
    pair.client.receive_data(b"".join(pair.transport.written))
    (frame,) = pair.client.events_received()
    assert isinstance(frame, Frame)
    assert (frame.opcode, bytes(frame.data)) == (Opcode.BINARY, b"\x00" * 300)


async def test_a_pair_ends_like_a_connection() -> None:
    """Closing the transport ends the connection: whoever waits for a message is told."""
    pair = MemoryConnection()
    await pair.open()
    waiting = asyncio.ensure_future(pair.connection.recv())
    await asyncio.sleep(0)
    pair.transport.abort()
    with pytest.raises(ConnectionClosed):
        await waiting
    assert pair.connection.close_code == 1006
    assert pair.transport.calls == ["abort"]


async def test_writing_can_be_paused_and_made_to_fail() -> None:
    """The transport holds up who writes too much, and raises what it is told to."""
    pair = MemoryConnection()
    await pair.open()
    pair.transport.limit = 10
    held_up = asyncio.ensure_future(pair.connection.send("x" * 20))
    await asyncio.sleep(0)
    assert not held_up.done()
    pair.connection.resume_writing()
    await held_up
    pair.transport.failure = OSError("no route")
    with pytest.raises(ConnectionClosed) as raised:
        await pair.connection.send("y")
    assert isinstance(raised.value.__cause__, OSError)
