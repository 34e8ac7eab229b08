"""Self-test: check that the internals of the installed ``websockets`` allow shared frames."""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import AsyncIterator
from typing import Any

from websockets.asyncio.server import ServerConnection
from websockets.extensions.permessage_deflate import (
    ClientPerMessageDeflateFactory,
    ServerPerMessageDeflateFactory,
)
from websockets.frames import Opcode
from websockets.protocol import CLOSING, OPEN

from ...probes.websockets import library_selftest
from ...probes.websockets.in_memory_connection import MemoryConnection
from ..turbo import fast_path
from .shared_frames import frame, setting

__all__ = ["obstacle"]

logger = logging.getLogger("rtmon")


@functools.cache
def obstacle() -> str | None:
    """Return the reason why connections cannot share frames; None if they can.

    The reason is also logged, once.

    The test compares shared frames with the frames of `websockets`. It also compares the attributes
    that are read before a shared frame is written, in each state of a connection.
    """
    found = (
        fast_path.obstacle(ServerConnection)
        or library_selftest.difference(fast_path.FRONT)
        or library_selftest.run_in_own_loop(_compare)
    )
    if found is not None:
        logger.warning("frames are not shared between connections: %s", found)
    return found


async def _compare() -> str | None:
    return await _compare_frames() or await _compare_states()


async def _compare_frames() -> str | None:
    for takeover in (None, False, True):
        pair = MemoryConnection(ServerConnection, **_compressing(takeover))
        await pair.open()
        connection, extensions = pair.connection, pair.connection.protocol.extensions
        if takeover:
            if setting(extensions) is not None:
                return "context takeover was not recognised"
            continue
        for data in (b"", b"s" * 125, b"m" * 126, b"l" * 70_000):
            connection.protocol.send_binary(data)
            connection.send_data()
            shared = frame(Opcode.BINARY, data, setting(extensions))
            if pair.transport.written.pop() != shared:
                return f"the library makes another frame of {len(data)} bytes"
    return None


def _compressing(takeover: bool | None) -> dict[str, Any]:  # noqa: FBT001 - None is a third case
    if takeover is None:
        return {}
    offered = ServerPerMessageDeflateFactory(server_no_context_takeover=not takeover)
    return {"extensions": [offered], "client_extensions": [ClientPerMessageDeflateFactory()]}


async def _compare_states() -> str | None:
    """Check the attributes that are read before a shared frame is written, in each state."""
    pair = MemoryConnection(ServerConnection)
    await pair.open()
    connection, protocol = pair.connection, pair.connection.protocol

    def seen() -> tuple[Any, ...]:
        return (
            protocol._state,  # noqa: SLF001 - the attribute to test
            connection.paused,
            connection.send_in_progress is None,
            protocol.expect_continuation_frame,
            list(protocol.writes),
        )

    found = [seen()]
    connection.pause_writing()
    found.append(seen())
    connection.resume_writing()
    sending = asyncio.ensure_future(connection.send(_never_ending()))
    for _ in range(3):
        await asyncio.sleep(0)
    found.append(seen())
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    found.append(seen())
    protocol.send_close(1000)
    connection.send_data()
    found.append(seen())
    expected: list[tuple[Any, ...]] = [
        (OPEN, False, True, False, []),
        (OPEN, True, True, False, []),
        (OPEN, False, False, True, []),
        (OPEN, False, True, True, []),
        (CLOSING, False, True, True, []),
    ]
    return None if found == expected else "the state of a connection looks different"


async def _never_ending() -> AsyncIterator[str]:
    yield "begun"
    await asyncio.get_running_loop().create_future()
