"""The in-memory WebSocket connection that other tests use, with its client and its transport."""

from __future__ import annotations

import asyncio

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode

from rtmon.probes.websockets.in_memory_connection import MemoryConnection, frame_bytes


async def test_memory_connection_carries_messages_between_both_ends() -> None:
    """In-memory connection receives what its client sends, and its client reads what the
    connection sends.
    """
    pair = MemoryConnection()
    await pair.open()
    pair.connection.data_received(frame_bytes(Opcode.TEXT, b"hello"))
    assert await pair.connection.recv() == "hello"
    await pair.connection.send(b"\x00" * 300)
    pair.client.receive_data(b"".join(pair.transport.written))
    (frame,) = pair.client.events_received()
    assert isinstance(frame, Frame)
    assert (frame.opcode, bytes(frame.data)) == (Opcode.BINARY, b"\x00" * 300)


async def test_memory_connection_ends_with_1006_when_its_transport_is_aborted() -> None:
    """In-memory connection ends with 1006 when its transport is aborted, and a waiting
    ``recv()`` raises ConnectionClosed.
    """
    pair = MemoryConnection()
    await pair.open()
    waiting = asyncio.ensure_future(pair.connection.recv())
    await asyncio.sleep(0)
    pair.transport.abort()
    with pytest.raises(ConnectionClosed):
        await waiting
    assert pair.connection.close_code == 1006
    assert pair.transport.calls == ["abort"]


async def test_memory_connection_transport_pauses_and_fails_on_request() -> None:
    """In-memory transport pauses ``send()`` above its limit, and raises the exception that the
    test sets.
    """
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
