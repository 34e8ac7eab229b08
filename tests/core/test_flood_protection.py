"""Floods of pings at servers of ``websockets``, with and without a probe."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, broadcast, serve
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode

from rtmon import Monitor, probe
from rtmon.core import flood_protection as guarding
from rtmon.core.flood_protection import PINGS_AT_ONCE, PONGS_ABOVE
from rtmon.testing import until
from tests.hub.readers import (
    LONG,
    come,
    row,
    serving,
    small,
)
from tests.servers.fanout.members import open_pair


def pings(count: int) -> bytes:
    """Return this many numbered ping frames of a client."""
    return b"".join(
        Frame(Opcode.PING, str(number).encode()).serialize(mask=True) for number in range(count)
    )


@pytest.mark.parametrize("how", ["serve", "probe"])
async def test_server_buffers_no_pongs_and_answers_only_the_last_ping_of_a_client_that_did_not_read(
    how: str,
) -> None:
    """Server buffers no pongs for a client that does not read, and answers only its last ping
    when it reads again.
    """
    connections = []

    async def handler(connection: ServerConnection) -> None:
        connections.append(connection)
        broadcast((connection,), b"x" * 1_000_000)
        await connection.wait_closed()

    context: Any = serving(handler)
    if how == "probe":
        context = serve(handler, "127.0.0.1", 0, create_connection=probe(Monitor()))
    async with contextlib.AsyncExitStack() as stack:
        server = await stack.enter_async_context(context)
        url = small(getattr(server, "websockets", server))
        async with await come(url) as client:
            client.transport.pause_reading()
            await until(lambda: connections, timeout=LONG)
            connection = connections[0]
            waiting = connection.transport.get_write_buffer_size()
            assert waiting > PONGS_ABOVE
            for turn in range(20):
                client.transport.write(pings(100))
                await until(lambda turn=turn: connection.meter.pings_in == 100 * (turn + 1))
            assert connection.transport.get_write_buffer_size() <= waiting
            assert connection.meter.pongs_out == 0
            client.transport.resume_reading()
            assert len(await client.recv()) == 1_000_000
            await until(lambda: connection.meter.pongs_out, timeout=LONG)
            assert connection.meter.pongs_out == 1
            async with asyncio.timeout(LONG):
                await (await client.ping(b"and now"))
            assert connection.meter.pongs_out == 2


@pytest.mark.parametrize("kind", ["fast", "guarded"])
async def test_paused_connection_restores_its_protocol_when_it_resumes_or_ends(kind: str) -> None:
    """Connection whose writing was paused restores its protocol's ``send_frame`` when it resumes
    or ends.
    """
    monitor = Monitor(interval=3600)
    for resumes in (True, False):
        pair = await open_pair(kind, "none", monitor)
        protocol = pair.connection.protocol
        before = protocol.send_frame
        pair.connection.pause_writing()
        if resumes:
            pair.connection.resume_writing()
            assert protocol.send_frame == before
        pair.transport.closing = True
        pair.connection.connection_lost(None)
        assert not isinstance(getattr(protocol.send_frame, "__self__", None), guarding._Guard)
    monitor.close()


async def test_server_closes_a_client_that_floods_pings_with_1002_and_keeps_others() -> None:
    """Server closes a client that sends thousands of pings at once with 1002, and keeps another
    client.
    """

    async def handler(connection: ServerConnection) -> None:
        connection.meter.name = connection.request.path  # type: ignore[attr-defined,union-attr]
        with contextlib.suppress(ConnectionClosed):
            async for message in connection:
                await connection.send(message)

    async with serving(handler) as server:
        client = await come(server.url, "flood")
        other = await come(server.url, "other")
        client.transport.write(pings(3 * PINGS_AT_ONCE))
        async with asyncio.timeout(LONG):
            await client.wait_closed()
        assert (client.close_code, client.close_reason) == (1002, "too many pings at once")
        await other.send("still here")
        assert await other.recv() == "still here"
        await other.close()


async def test_server_drops_a_client_that_floods_pings_without_reading() -> None:
    """Server drops a client that floods pings and does not read."""
    came = asyncio.Event()

    async def handler(connection: ServerConnection) -> None:
        connection.meter.name = "slow"  # type: ignore[attr-defined]
        came.set()
        broadcast((connection,), b"x" * 1_000_000)
        await connection.wait_closed()

    async with serving(handler) as server, await come(server.url) as client:
        client.transport.pause_reading()
        async with asyncio.timeout(LONG):
            await came.wait()
        await until(lambda: row(server).send_queue > PONGS_ABOVE, timeout=LONG)
        client.transport.write(pings(3 * PINGS_AT_ONCE))
        await until(lambda: row(server).state == "closed", timeout=LONG)
        assert row(server).pongs_out == 0
        client.transport.abort()
