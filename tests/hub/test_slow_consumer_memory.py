"""Memory that one slow consumer can take with any options of the server."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

import rtmon
from rtmon.errors import OptionError
from rtmon.hub import Hub
from rtmon.hub.transports.websocket import handler, serve_arguments
from tests.hub.readers import COUNT, PAD, come, fill, serving, small, subscribe

TURN = 65_536
"""Bytes that groups of connections collect until the end of a turn: docs/slow-consumers.md."""


def only(hub: Hub) -> Any:
    """Return the peer of the only connection."""
    (session,) = hub.connections.values()
    return session.peer


async def test_large_transport_buffer_stays_within_max_waiting() -> None:
    """However large the library's write buffer may grow, what waits for a slow consumer stays
    within max_waiting, one turn's publications and a message.
    """
    hub = Hub(announce=60.0, slow="drop_oldest", max_waiting=200_000, max_size=100_000)
    options = {**serve_arguments(hub), "write_limit": 50_000_000}
    async with (
        serve(handler(hub), "127.0.0.1", 0, compression=None, **options) as server,
        await come(small(server)) as client,
    ):
        await subscribe(client)
        client.transport.pause_reading()
        peer, most = only(hub), 0
        for n in range(1000):
            await hub.publish("c", {"n": n, "pad": PAD})
            if n % 10 == 0:
                await asyncio.sleep(0)
            most = max(most, peer.waiting)
        assert hub.options.max_waiting / 2 < most
        assert most < hub.options.max_waiting + TURN + 2 * len(PAD)
        client.transport.abort()


async def test_large_publications_of_one_turn_stay_within_the_documented_bound() -> None:
    """However many are published before anything is sent, one message passes the transport's room
    and one the queue's, and the others are dropped.
    """
    hub, size = Hub(announce=60.0, slow="drop_oldest"), 900_000
    async with serving(hub) as server, await come(server.url) as client:
        await subscribe(client)
        client.transport.pause_reading()
        peer, most = only(hub), 0
        for _ in range(6):
            await hub.publish("c", "x" * size)
            most = max(most, peer.waiting)
        assert size < most < hub.options.max_waiting + TURN + 2 * (size + 1_000)
        assert peer.meter.dropped == 4
        client.transport.abort()


@pytest.mark.parametrize("write_limit", [2_000_000, (2_000_000, 5)])
def test_serve_refuses_a_write_limit_above_max_waiting(write_limit: Any) -> None:
    """A write_limit above max_waiting is an OptionError of rtmon.serve()."""
    with pytest.raises(OptionError, match="max_waiting"):
        rtmon.serve(Hub(), "127.0.0.1", 0, write_limit=write_limit)
    rtmon.serve(Hub(max_waiting=2_000_000), "127.0.0.1", 0, write_limit=write_limit)


async def test_client_that_is_being_closed_takes_no_more_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """While a slow consumer has time for its close frame, its queue is dropped, nothing more is
    kept for it, and it still counts as a connection.
    """
    monkeypatch.setattr(
        "rtmon.hub.transports.queued_peer.CLOSE_TIMEOUT", 600.0
    )  # longer than the test
    hub = Hub(announce=60.0, max_connections=1)
    async with serving(hub) as server, await come(server.url) as client:
        await subscribe(client)
        client.transport.pause_reading()
        peer: Any = await fill(hub)
        peer.too_slow()
        left = peer.waiting
        assert left == peer.buffered
        for n in range(COUNT):
            await hub.publish("c", {"n": n, "pad": PAD})
        await asyncio.sleep(0)
        assert peer.waiting <= left + 200, "a close frame at most"
        async with await come(server.url, "next") as another:
            with pytest.raises(ConnectionClosed):
                await another.recv()
            assert another.close_code == 1013
        client.transport.abort()
