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


async def test_forty_cuts(start: Any) -> None:
    """However often the link is cut at 100 messages a second, offsets come as 1…N: all, once."""
    place = await start(history=2_000)
    report = await soak(place.hub, place.proxy, cuts=40, rate=100.0, apart=0.08, seed=7)
    assert report.reconnects >= 40
    assert report.got == list(range(1, report.published + 1))
    assert report.gaps == 0


async def test_a_sender_is_cut_at_any_moment(place: Place) -> None:
    """What a client publishes while its link is cut at random arrives once and in order."""
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


async def test_a_frozen_link_is_noticed(place: Place) -> None:
    """A link that TCP says nothing about is given up after heartbeat_interval and _timeout."""
    client = await place.connect(heartbeat_interval=0.2, heartbeat_timeout=0.2)
    await until(lambda: client.stats.rtt is not None)
    place.proxy.freeze()
    ended: list[Any] = []
    client.on_close(ended.append)
    began = time.monotonic()
    await until(lambda: ended)
    # By default it would take up to 30 s.
    assert time.monotonic() - began < 20
    assert "no sign of life" in ended[0].reason
    place.proxy.thaw()
    await until(lambda: client.stats.reconnects >= 1)


async def test_a_frozen_link_is_noticed_by_who_only_sends(place: Place) -> None:
    """That the writer is held up by a link that takes nothing does not hold up the heartbeat."""
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


async def test_the_server_notices_too(place: Place) -> None:
    """The hub is asked for heartbeats of its own, which the client answers."""
    client = await place.connect(heartbeat_interval=1.0)
    session = next(iter(place.hub.connections.values()))
    rtts: list[float] = []
    session.peer.measured = rtts.append
    await until(lambda: rtts)
    assert client.state == "open"


async def test_the_server_is_away(place: Place) -> None:
    """A server that is stopped and started again is found; the lost history is said, once."""
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
    # Of the channel, and of the chat.
    assert client.stats.gaps == 2


async def test_history_that_was_too_short(start: Any) -> None:
    """More was published during an outage than the server keeps: the rest comes, and says so."""
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


async def test_a_pattern_says_that_it_may_have_lost_something(place: Place) -> None:
    """A pattern has no history to return to: after a reconnect its next message says so."""
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


async def test_rooms_and_the_chat_go_on(place: Place) -> None:
    """What was said in the rooms and the chat during an outage is heard after it, once."""
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


async def test_a_slow_reader_loses_nothing(start: Any) -> None:
    """What a subscription could not hold comes from the server's history, once and in order."""
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


async def test_close_never_reconnects(place: Place) -> None:
    """After close() no connection is made, also when it was closed during an outage."""
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
    # Not after the 30 s until the next attempt.
    assert time.monotonic() - began < 25
    accepted = place.proxy.accepted
    await asyncio.sleep(0.1)
    assert place.proxy.accepted == accepted == 2


async def test_a_crowd_comes_back(place: Place) -> None:
    """Clients whose server was away for a moment are all back, each after one outage."""
    report = await crowd(place.proxy, clients=50, away=0.5, backoff=Backoff(base=0.05, max=1.0))
    assert report.reconnects == [1] * 50
    assert report.slowest < 60


async def test_a_program_that_stood_still_is_no_dead_link(place: Place) -> None:
    """A client whose own program did nothing for a minute does not take its link for dead."""
    clock = FakeClock()
    client = await place.connect(heartbeat_interval=0.05, heartbeat_timeout=10.0, clock=clock)
    for _ in range(20):
        sent = client.stats.sent
        clock.advance(60.0)
        await until(lambda sent=sent: client.stats.sent > sent)  # type: ignore[misc]
    assert client.stats.reconnects == 0
    assert client.state == "open"


async def test_a_slow_network_only_takes_longer(place: Place) -> None:
    """Over a link that delays, and not always alike, all arrives once and in order, the round trip
    says so, and nothing is taken for dead.
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
