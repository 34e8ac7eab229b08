"""Upper limit of the memory that one slow consumer can occupy in the server."""

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
"""Bytes that a group of connections collects in one event-loop iteration (slow-consumers.md)."""


def only(hub: Hub) -> Any:
    """Return the peer of the hub's only connection."""
    (session,) = hub.connections.values()
    return session.peer


async def test_queue_of_a_slow_consumer_stays_near_max_waiting_with_a_large_write_limit() -> None:
    """Bytes queued for a slow consumer stay within ``max_waiting`` plus 64 KiB and one message
    even with a write limit of 50 MB.
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


async def test_large_publications_to_a_slow_consumer_stay_within_the_memory_limit() -> None:
    """Bytes queued for a slow consumer stay within the documented limit when six publications of
    900 KB follow each other, and four are dropped.
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
def test_serve_raises_option_error_for_write_limit_above_max_waiting(write_limit: Any) -> None:
    """``rtmon.serve()`` raises OptionError when ``write_limit`` is above the hub's
    ``max_waiting``.
    """
    with pytest.raises(OptionError, match="max_waiting"):
        rtmon.serve(Hub(), "127.0.0.1", 0, write_limit=write_limit)
    rtmon.serve(Hub(max_waiting=2_000_000), "127.0.0.1", 0, write_limit=write_limit)


async def test_hub_queues_nothing_for_a_slow_consumer_that_it_is_closing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Hub that is closing a slow consumer drops the client's queue, queues nothing more for the
    client, and still counts the client's connection.
    """
    monkeypatch.setattr(
        "rtmon.hub.transports.queued_peer.CLOSE_TIMEOUT", 600.0
    )  # Longer than the test runs.
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
