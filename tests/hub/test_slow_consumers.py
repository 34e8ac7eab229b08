"""Slow consumers: which messages each ``slow`` policy keeps, and which it drops."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from rtmon.core.flood_protection import PONGS_ABOVE
from rtmon.errors import OptionError
from rtmon.hub import ChannelOptions, Hub
from rtmon.testing import until
from tests.hub.readers import (
    COUNT,
    LONG,
    PAD,
    come,
    fill,
    publications,
    row,
    serving,
    small,
    subscribe,
    wait,
)

KEYS = 3


@pytest.mark.parametrize("policy", ["drop_oldest", "drop_newest", "keep_latest"])
async def test_slow_consumer_receives_the_messages_that_its_policy_keeps(policy: Any) -> None:
    """Slow consumer receives in order the messages that its policy keeps (the newest, the
    oldest, or the latest of each key); all other messages are counted as dropped.
    """
    hub = Hub(max_waiting_messages=10, slow=policy, announce=60.0)
    async with serving(hub) as server, await come(server.url) as client:
        await subscribe(client)
        client.transport.pause_reading()
        for n in range(COUNT):
            await hub.publish("c", {"n": n, "pad": PAD}, key=str(n % KEYS))
        await until(lambda: row(server).dropped > 0, timeout=LONG)
        assert 0 < row(server).send_queue <= hub.options.max_waiting
        client.transport.resume_reading()
        await hub.publish("c", {"n": "last"}, slow="block")
        got = await publications(client, last="last")
        offsets = [each["offset"] for each in got]
        numbers = [each["data"]["n"] for each in got[:-1]]
        assert offsets == sorted(offsets)
        assert row(server).dropped == COUNT - len(numbers) > 0
        stats = hub.channel_stats()["channel:c"]
        assert (stats.delivered, stats.dropped) == (len(got), COUNT - len(numbers))
        kept = {"drop_newest": 0, "drop_oldest": 10, "keep_latest": KEYS}[policy]
        # Before them come the messages already sent, or kept from the beginning.
        assert numbers == [*range(len(numbers) - kept), *range(COUNT - kept, COUNT)]


async def test_channel_stats_count_a_queued_message_once_as_delivered_or_dropped() -> None:
    """Channel statistics count a queued message once, as delivered or dropped, when the message
    leaves the queue.
    """
    hub = Hub(max_waiting_messages=10, slow="drop_oldest", announce=60.0)
    async with serving(hub) as server, await come(server.url) as client:
        await subscribe(client)
        stats = hub.channel_stats()["channel:c"]
        client.transport.pause_reading()
        await fill(hub)

        def unsettled() -> int:
            return stats.published - stats.delivered - stats.dropped

        assert 0 < unsettled() <= 10
        await client.send(json.dumps({"type": "connect", "payload": {"batch": {"size": 5}}}))
        (session,) = hub.connections.values()
        await until(lambda: session.batching, timeout=LONG)
        before = unsettled()
        for n in range(3):
            await hub.publish("c", {"n": n})
        assert unsettled() == before + 3
        client.transport.abort()
        await until(lambda: not hub.connections, timeout=LONG)
        assert unsettled() == 0


async def test_hub_never_drops_replies_to_a_slow_consumer() -> None:
    """Hub drops publications to a slow consumer, but never its replies to pings."""
    hub = Hub(max_waiting_messages=10, slow="drop_newest")
    async with serving(hub) as server, await come(server.url) as client:
        await subscribe(client)
        client.transport.pause_reading()
        for n in range(COUNT):
            await hub.publish("c", {"n": n, "pad": PAD})
        for n in range(5):
            await client.send(json.dumps({"type": "ping", "id": f"p{n}"}))
        await until(lambda: row(server).messages_in == 6, timeout=LONG)
        client.transport.resume_reading()
        for n in range(5):
            await wait(client, lambda message, to=f"p{n}": message.get("reply_to") == to)


async def test_slow_policy_is_read_from_call_channel_and_hub_for_each_publication() -> None:
    """Hub applies to each publication the ``slow`` policy of the ``publish()`` call, else of the
    channel, else of the hub, even after ``change()`` has replaced a policy.
    """
    hub = Hub(max_waiting_messages=5, slow="drop_newest", announce=60.0)
    async with serving(hub) as server, await come(server.url) as client:
        await subscribe(client)
        client.transport.pause_reading()
        await fill(hub)
        await hub.publish("c", {"n": "refused"})
        await asyncio.sleep(0)  # Publications are sent at the end of the event-loop iteration.
        hub.change(slow="drop_oldest")
        await hub.publish("c", {"n": "refused"}, slow="drop_newest")
        await asyncio.sleep(0)
        hub.change(max_waiting_messages=6)
        await hub.publish("c", {"n": "kept"}, slow="drop_newest")
        await asyncio.sleep(0)
        hub.change(channels={"c": ChannelOptions(slow="block")})
        last = asyncio.create_task(hub.publish("c", {"n": "last"}))
        client.transport.resume_reading()
        numbers = [each["data"]["n"] for each in await publications(client, last="last")]
        await last
        assert "refused" not in numbers
        assert numbers[-2:] == ["kept", "last"]
        with pytest.raises(OptionError, match="'files' cannot be changed"):
            hub.change(files="here")
        with pytest.raises(OptionError, match="drop_oldest"):
            hub.change(slow="forget")


async def test_hub_behind_websockets_serve_keeps_messages_for_a_slow_consumer(start: Any) -> None:
    """Hub behind ``websockets.serve()`` keeps the latest ten messages for a slow consumer with
    ``slow="drop_oldest"``.
    """
    place = await start(slow="drop_oldest", max_waiting_messages=10, announce=60.0)
    async with await come(small(place.server)) as client:
        await subscribe(client)
        client.transport.pause_reading()
        for n in range(COUNT):
            await place.hub.publish("c", {"n": n, "pad": PAD})
        client.transport.resume_reading()
        got = await publications(client, last=COUNT - 1)
        assert [each["data"]["n"] for each in got[-10:]] == list(range(COUNT - 10, COUNT))
        assert len(got) < COUNT


async def test_slow_consumer_is_closed_with_1013_and_others_miss_nothing() -> None:
    """Slow consumer is closed with 1013 above ``max_waiting``, with its cause in the Monitor,
    and other clients receive every message.
    """
    hub = Hub(max_waiting=262_144, history=0)
    async with (
        serving(hub) as server,
        await come(server.url) as slow,
        await come(server.url, "ada") as ada,
        await come(server.url, "bo") as bo,
    ):
        for client in (slow, ada, bo):
            await subscribe(client)
        peers = [session.peer for session in hub.connections.values()]
        slow.transport.pause_reading()
        for n in range(60):
            await hub.publish("c", {"n": n, "pad": PAD * 5})
            for client in (ada, bo):
                found = await wait(client, lambda message: message["type"] == "publication")
                assert found["payload"]["data"]["n"] == n
            assert max(peer.waiting for peer in peers) <= 262_144 + 2 * PONGS_ABOVE
        assert row(server).dropped > 0
        slow.transport.resume_reading()
        with pytest.raises(ConnectionClosed):
            await wait(slow, lambda _: False)
        assert slow.close_code == 1013
        await until(lambda: row(server).state == "closed", timeout=LONG)
        assert (row(server).code_sent, row(server).cause) == (1013, "slow consumer")
        assert {row(server, name).dropped for name in ("ada", "bo")} == {0}


async def test_slow_consumer_is_closed_with_1013_when_a_message_is_too_old() -> None:
    """Slow consumer is closed with 1013 when a message to it has been queued longer than
    ``max_waiting_age``.
    """
    hub = Hub(max_waiting_age=0.2)
    async with serving(hub) as server, await come(server.url) as client:
        await subscribe(client)
        client.transport.pause_reading()
        for _ in range(40):
            await hub.publish("c", {"pad": PAD})
        await until(lambda: row(server).dropped > 0, timeout=LONG)
        client.transport.resume_reading()
        with pytest.raises(ConnectionClosed):
            await wait(client, lambda _: False)
        assert client.close_code == 1013


@pytest.mark.parametrize("policy", ["disconnect", "drop_oldest"])
async def test_stalled_client_is_disconnected_without_another_message(policy: Any) -> None:
    """Hub with ``slow`` policy ``disconnect`` or ``drop_oldest`` disconnects a client that reads
    nothing for ``stalled`` seconds, even when no further message is sent.
    """
    hub = Hub(stalled=0.2, max_waiting_age=3_600.0, slow=policy)
    async with serving(hub, ping_interval=None) as server, await come(server.url) as client:
        await subscribe(client)
        client.transport.pause_reading()
        for _ in range(50):
            await hub.publish("c", {"pad": PAD})
        await until(lambda: row(server).state == "closed", timeout=LONG)
        assert row(server).cause == "slow consumer"
        await until(lambda: not hub.connections, timeout=LONG)
        client.transport.abort()


async def test_send_in_a_handler_ends_when_a_stalled_client_is_disconnected() -> None:
    """Handler that waits in ``send()`` for a stalled client continues when ``stall_timeout``
    disconnects this client.
    """
    ended = asyncio.Event()

    async def handler(connection: ServerConnection) -> None:
        connection.meter.name = "slow"  # type: ignore[attr-defined]
        try:
            await connection.send(b"x" * 1_000_000)
        finally:
            ended.set()

    async with (
        serving(handler, stall_timeout=0.2, ping_interval=None) as server,
        await come(server.url) as client,
    ):
        client.transport.pause_reading()
        async with asyncio.timeout(LONG):
            await ended.wait()
        await until(lambda: row(server).state == "closed", timeout=LONG)
        assert row(server).cause == "slow consumer"
        client.transport.abort()


async def test_broadcast_applies_the_slow_policy() -> None:
    """Hub's ``broadcast()`` drops messages to a slow consumer by its policy, while another
    client receives all.
    """
    hub = Hub(max_waiting_messages=10, slow="drop_oldest", announce=60.0)
    async with (
        serving(hub) as server,
        await come(server.url) as client,
        await come(server.url, name="quick") as quick,
    ):
        await until(lambda: len(hub.connections) == 2)
        client.transport.pause_reading()
        for n in range(COUNT):
            receipt = await hub.broadcast("tick", {"n": n, "pad": PAD})
            assert (receipt.local, receipt.total) == (2, 2)
            got = await wait(quick, lambda message: message["type"] == "tick")
            assert got["payload"]["n"] == n
        client.transport.resume_reading()
        numbers = []
        while not numbers or numbers[-1] < COUNT - 1:
            got = await wait(client, lambda message: message["type"] == "tick")
            numbers.append(got["payload"]["n"])
        assert numbers == sorted(numbers)
        assert len(numbers) < COUNT
