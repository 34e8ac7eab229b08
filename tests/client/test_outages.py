"""Outages of the Python client on real sockets: cuts, frozen connections, restarts, slow
networks.
"""

from __future__ import annotations

import asyncio
import random
import time
from typing import Any

import pytest

import rtmon
from rtmon.core.backoff import Backoff
from rtmon.testing import FakeClock, until
from tests.client.soak import crowd, soak

Place = Any


async def test_subscriber_receives_every_publication_once_over_forty_connection_losses(
    start: Any,
) -> None:
    """Subscriber receives every publication once and in order over 40 connection losses at 100
    publications per second.
    """
    place = await start(history=2_000)
    report = await soak(place.hub, place.proxy, cuts=40, rate=100.0, apart=0.08, seed=7)
    assert report.reconnects >= 40
    assert report.got == list(range(1, report.published + 1))
    assert report.gaps == 0


async def test_messages_published_during_connection_losses_arrive_once_and_in_order(
    place: Place,
) -> None:
    """Messages that a Python client publishes while its connection is cut at random arrive once
    and in order.
    """
    rng = random.Random(3)
    sender = await place.connect()
    heard: list[int] = []
    place.hub.subscribe("log", lambda publication: heard.append(publication.data))

    async def cut() -> None:
        while True:
            await asyncio.sleep(rng.expovariate(25))
            place.proxy.cut()

    cutting, number = asyncio.create_task(cut()), 0
    while number < 150 or sender.stats.reconnects <= 3:
        await sender.publish("log", number)
        await asyncio.sleep(0.005)
        number += 1
    cutting.cancel()
    await sender.flush()
    assert heard == list(range(number))


async def test_client_reconnects_when_its_connection_is_frozen(place: Place) -> None:
    """Python client closes a frozen connection after its heartbeat times out, and reconnects."""
    client = await place.connect(heartbeat_interval=0.2, heartbeat_timeout=0.2)
    await until(lambda: client.stats.rtt is not None)
    place.proxy.freeze()
    ended: list[Any] = []
    client.on_close(ended.append)
    began = time.monotonic()
    await until(lambda: ended)
    # With the default heartbeat it would take up to 30 s.
    assert time.monotonic() - began < 20
    assert "no sign of life" in ended[0].reason
    place.proxy.thaw()
    await until(lambda: client.stats.reconnects >= 1)


async def test_client_that_sends_notices_a_frozen_connection_by_its_heartbeat(place: Place) -> None:
    """Python client whose sends are blocked by a frozen connection notices it by its heartbeat."""
    client = await place.connect(
        heartbeat_interval=0.2, heartbeat_timeout=0.2, compression=None, queue_size=500
    )
    place.proxy.freeze()
    sending = asyncio.create_task(_flood(client))
    began = time.monotonic()
    await until(lambda: client.stats.reconnects or client.state == "reconnecting")
    assert time.monotonic() - began < 20
    sending.cancel()


async def _flood(client: rtmon.Client) -> None:
    while True:
        await client.publish("big", "x" * 100_000)


async def test_client_answers_the_hubs_pings(place: Place) -> None:
    """Python client answers the hub's ping messages, so that the hub measures the round-trip
    time.
    """
    client = await place.connect(heartbeat_interval=1.0)
    session = next(iter(place.hub.connections.values()))
    rtts: list[float] = []
    session.peer.measured = rtts.append
    await until(lambda: rtts)
    assert client.state == "open"


async def test_client_reconnects_to_a_restarted_server_and_reports_one_gap(place: Place) -> None:
    """Python client reconnects to a restarted server, sends its queued message, and reports the
    lost history by one gap.
    """
    client = await place.connect()
    changes: list[Any] = []
    client.on_close(changes.append)
    client.on_reconnect(changes.append)
    async with client.subscribe("news") as news:
        await place.hub.publish("news", 1)
        first = await anext(news)
        port = place.server.port
        await place.stop()
        await until(lambda: client.state == "reconnecting")
        await client.publish("news", 2)
        await place.serve(port=port)
        second, _ = await anext(news), await client.publish("news", 3, ack=True)
        third = await anext(news)
    assert [m.payload for m in (first, second, third)] == [1, 2, 3]
    assert [m.gap for m in (first, second, third)] == [False, True, False]
    assert [change.what for change in changes] == ["close", "reconnect"]
    assert changes[0].code == 1001
    # One gap is in the channel, the other in the chat.
    assert client.stats.gaps == 2


async def test_subscriber_gets_a_gap_and_the_remaining_history_after_a_long_outage(
    start: Any,
) -> None:
    """Subscriber with a history of five receives the last five of ten publications made during an
    outage, the first with ``gap`` set.
    """
    place = await start(history=5)
    client = await place.connect()
    async with client.subscribe("news") as news:
        place.proxy.refusing = True
        place.proxy.cut()
        await until(lambda: client.state == "reconnecting")
        for number in range(1, 11):
            await place.hub.publish("news", number)
        place.proxy.refusing = False
        got = [await anext(news) for _ in range(5)]
    assert [m.position.offset for m in got if m.position] == [6, 7, 8, 9, 10]
    assert [m.gap for m in got] == [True, False, False, False, False]


async def test_pattern_subscription_reports_a_gap_after_a_reconnect(place: Place) -> None:
    """Subscription to a channel pattern sets ``gap`` on its first message after a reconnect,
    because a pattern has no history.
    """
    client = await place.connect()
    async with client.subscribe("news.*") as news:
        await place.hub.publish("news.a", 1)
        first = await anext(news)
        place.proxy.cut()
        await until(lambda: client.stats.reconnects == 1 and client.stats.gaps == 1)
        await place.hub.publish("news.b", 2)
        await place.hub.publish("news.b", 3)
        rest = [await anext(news), await anext(news)]
    assert [m.gap for m in (first, *rest)] == [False, True, False]
    assert [m.channel for m in rest] == ["news.b", "news.b"]


async def test_client_recovers_room_and_chat_messages_after_an_outage(place: Place) -> None:
    """Python client receives each room and chat message that was sent during an outage once after
    reconnecting, without a gap.
    """
    ada = await place.connect(name="ada")
    bo = rtmon.connect(place.server.url, name="bo", proxy=None)
    heard: list[Any] = []
    ada.on("room_message")(heard.append)
    ada.on("chat_message")(heard.append)
    async with bo:
        await ada.join("r")
        await bo.join("r")
        place.proxy.refusing = True
        place.proxy.cut()
        await until(lambda: ada.state == "reconnecting")
        await bo.request("room_message", {"room": "r", "text": "one"})
        await bo.request("chat_message", {"text": "two"})
        place.proxy.refusing = False
        await until(lambda: len(heard) == 2)
        await bo.request("room_message", {"room": "r", "text": "three"})
        await until(lambda: len(heard) == 3)
    assert sorted(m.payload["text"] for m in heard[:2]) == ["one", "two"]
    assert heard[2].payload["text"] == "three"
    assert not any(m.gap for m in heard)


async def test_slow_subscriber_recovers_overflowing_publications_from_history(start: Any) -> None:
    """Subscription whose buffer overflows receives the overflowing publications from the hub's
    history, once and in order.
    """
    place = await start(history=500)
    client = await place.connect(buffer=10)
    handled: list[int] = []
    client.on("publication")(lambda message: handled.append(message.position.offset))
    got = []
    async with client.subscribe("news") as news:
        for number in range(1, 101):
            await place.hub.publish("news", number)
        await client.request("presence")
        for number in range(101, 201):
            await place.hub.publish("news", number)
            got.append(await anext(news))
            if number == 150:
                place.proxy.cut()
        got += [await anext(news) for _ in range(100)]
    assert [m.payload for m in got] == list(range(1, 201))
    assert not any(m.gap for m in got)
    await until(lambda: len(handled) == 200)
    assert handled == list(range(1, 201))
    assert client.stats.dropped == 0


async def test_closed_client_never_reconnects(place: Place) -> None:
    """Python client that is closed, even during an outage, makes no further connection."""
    client = await place.connect()
    await client.close()
    assert client.state == "closed"
    with pytest.raises(rtmon.RtmonError, match="closed"):
        await client.send("chat_message", {"text": "late"})
    other = await place.connect(backoff=Backoff(base=30, max=30, jitter="none"))
    place.proxy.cut()
    await until(lambda: other.state == "reconnecting")
    began = time.monotonic()
    await other.close()
    # close() does not wait for the next attempt, which is due after 30 s.
    assert time.monotonic() - began < 25
    accepted = place.proxy.accepted
    await asyncio.sleep(0.1)
    assert place.proxy.accepted == accepted == 2


async def test_fifty_clients_each_reconnect_once_after_an_outage(place: Place) -> None:
    """Each of 50 Python clients reconnects exactly once after an outage of the server."""
    report = await crowd(place.proxy, clients=50, away=0.5, backoff=Backoff(base=0.05, max=1.0))
    assert report.reconnects == [1] * 50
    assert report.slowest < 60


async def test_client_keeps_its_connection_when_its_own_event_loop_was_blocked(
    place: Place,
) -> None:
    """Python client keeps its connection after its own event loop was blocked for a minute."""
    clock = FakeClock()
    client = await place.connect(heartbeat_interval=0.05, heartbeat_timeout=10.0, clock=clock)
    for _ in range(20):
        sent = client.stats.sent
        clock.advance(60.0)
        await until(lambda sent=sent: client.stats.sent > sent)  # type: ignore[misc]
    assert client.stats.reconnects == 0
    assert client.state == "open"


async def test_client_loses_no_message_and_keeps_its_connection_on_a_slow_network(
    place: Place,
) -> None:
    """Python client receives every message once and in order over a slow network, measures its
    delay, and keeps the connection.
    """
    place.proxy.latency, place.proxy.jitter = 0.05, 0.02
    client = await place.connect(heartbeat_interval=0.2, heartbeat_timeout=10)
    async with client.subscribe("news") as news:
        for number in range(30):
            await client.publish("news", number)
        assert [(await anext(aiter(news))).payload for _ in range(30)] == list(range(30))
    await until(lambda: client.stats.rtt is not None)
    assert (client.stats.rtt or 0) >= 2 * (0.05 - 0.02)
    assert client.stats.reconnects == 0
