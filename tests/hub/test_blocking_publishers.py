"""Publishers that wait for room in a slow consumer's send queue: ``slow="block"``."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from rtmon.hub import ChannelOptions, Hub
from rtmon.hub.brokers.memory import MemoryBroker
from rtmon.hub.transports.base import PUBLISHERS_SHARE
from rtmon.testing import until
from tests.hub.readers import (
    COUNT,
    LONG,
    PAD,
    come,
    publications,
    row,
    serving,
    subscribe,
)


async def test_publish_waits_for_a_slow_subscriber_when_slow_is_block() -> None:
    """Hub's ``publish()`` waits while a subscriber's queue is full with ``slow="block"``, and no
    message is dropped.
    """
    hub = Hub(max_waiting_messages=10, channels={"c": ChannelOptions(slow="block")})
    async with serving(hub) as server, await come(server.url) as client:
        await subscribe(client)
        client.transport.pause_reading()
        published = []

        async def publish() -> None:
            for n in range(COUNT):
                await hub.publish("c", {"n": n, "pad": PAD})
                published.append(n)

        task = asyncio.create_task(publish())
        peer = next(iter(hub.connections.values())).peer
        await until(lambda: not peer.has_room(PUBLISHERS_SHARE), timeout=LONG)
        assert not task.done()
        before = len(published)
        # The queue is full of publications, but still accepts replies to pings.
        for n in range(3):
            await client.send(json.dumps({"type": "ping", "id": f"p{n}"}))
        client.transport.resume_reading()
        got = await publications(client, last=COUNT - 1)
        await task
        assert before < COUNT
        assert [each["data"]["n"] for each in got] == list(range(COUNT))
        assert row(server).dropped == 0


class FarBroker(MemoryBroker):
    """A broker that delivers a publication three event-loop iterations later, like a remote
    broker.
    """

    async def publish(self, *args: Any, **kwargs: Any) -> Any:
        for _ in range(3):
            await asyncio.sleep(0)
        return await super().publish(*args, **kwargs)


@pytest.mark.parametrize("broker", [MemoryBroker, FarBroker])
async def test_concurrent_blocking_publishers_deliver_everything_in_order(
    broker: type[MemoryBroker],
) -> None:
    """Concurrent publishers with ``slow="block"`` wait for a subscriber that pauses, which then
    receives all messages in order.
    """
    hub = Hub(max_waiting_messages=10, slow="block", announce=60.0, broker=broker())
    async with serving(hub) as server, await come(server.url) as client:
        await subscribe(client)
        client.transport.pause_reading()
        peer = next(iter(hub.connections.values())).peer
        publishing = asyncio.gather(
            *[hub.publish("c", {"n": n, "pad": PAD}) for n in range(3 * COUNT)]
        )
        await until(lambda: not peer.has_room(PUBLISHERS_SHARE), timeout=LONG)
        queue = peer._queue  # type: ignore[attr-defined]
        assert len(queue) <= PUBLISHERS_SHARE * hub.options.max_waiting_messages
        client.transport.resume_reading()
        got = await publications(client, last=3 * COUNT - 1)
        await publishing
        assert [each["data"]["n"] for each in got] == list(range(3 * COUNT))
        assert row(server).dropped == 0


async def test_blocking_publisher_continues_when_the_hub_disconnects_the_subscriber() -> None:
    """Publisher that waits with ``slow="block"`` continues when the hub disconnects the
    subscriber that stopped reading.
    """
    hub = Hub(max_waiting_messages=5, slow="block", stalled=0.2, max_waiting_age=3_600.0)
    async with serving(hub) as server, await come(server.url) as client:
        await subscribe(client)
        client.transport.pause_reading()
        async with asyncio.timeout(LONG):
            for _ in range(COUNT):
                await hub.publish("c", {"pad": PAD})
        await until(lambda: not hub.connections, timeout=LONG)
        client.transport.abort()
