"""Receiving with the Python client: subscriptions, handlers, iteration, gaps."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from rtmon.client import ClientClosed
from rtmon.errors import OptionError
from rtmon.protocol.catalog import ChatMessage, Position
from rtmon.testing import until

Place = Any


@pytest.mark.parametrize("codec", ["json", "msgpack"])
async def test_subscription_yields_publications_with_their_positions(
    place: Place, codec: Any
) -> None:
    """Subscription yields each publication, also bytes, with its channel, publisher and
    position.
    """
    client = await place.connect(name="ada", codec=codec)
    async with client.subscribe("news") as news:
        position = await client.publish("news", {"text": "hi"}, ack=True)
        await news.publish(b"\x00\xff")
        one, two = await anext(news), await anext(news)
    assert (one.payload, one.channel, one.name) == ({"text": "hi"}, "news", "ada")
    assert one.position == position
    assert one.client_id == client.client_id
    assert two.payload == b"\x00\xff"
    assert not one.gap


async def test_subscription_callback_gets_publications_until_the_subscription_is_closed(
    place: Place,
) -> None:
    """Subscription's callback, sync or async, gets each publication, also after a reconnect,
    until the subscription is closed.
    """
    client = await place.connect()
    got: list[Any] = []

    async def heard(message: Any) -> None:
        got.append((message.channel, message.payload))

    news = client.subscribe("news", heard)
    await news.entered()
    many = client.subscribe("news.*", lambda message: got.append(message.payload))
    await many.entered()
    await client.publish("news", 1)
    await until(lambda: got == [("news", 1)])
    place.proxy.cut()
    await until(lambda: client.stats.reconnects == 1)
    await place.hub.publish("news", 2)
    await client.publish("news.a", 3, ack=True)
    await until(lambda: len(got) == 3)
    assert got[0] == ("news", 1)
    assert ("news", 2) in got
    news.close()
    news.close()
    await until(lambda: not place.hub.channel_stats()["channel:news"].subscribers)
    await client.publish("news", 4)
    await client.publish("news.b", 5, ack=True)
    await until(lambda: got[-1] == 5)
    assert ("news", 4) not in got


async def test_subscription_with_a_callback_raises_option_error_when_iterated(place: Place) -> None:
    """Subscription with a callback raises OptionError when it is iterated, and ``subscribe()``
    raises OptionError for a callback that is no function.
    """
    client = await place.connect()
    async with client.subscribe("news", print) as news:
        with pytest.raises(OptionError, match="callback"):
            aiter(news)
    ended = client.subscribe("a", print)
    ended.close()
    with pytest.raises(ClientClosed, match="subscription is closed"):
        await ended.entered()
    with pytest.raises(OptionError, match="give a function"):
        client.subscribe("news", "print")


async def test_several_subscriptions_of_one_client_are_independent(place: Place) -> None:
    """Subscriptions of one client, also to a pattern, each yield a publication once, and end
    independently.
    """
    client = await place.connect()
    async with client.subscribe("news.a") as one, client.subscribe("news.*") as many:
        async with client.subscribe("news.a") as two:
            await client.publish("news.a", 1)
            assert [(await anext(s)).payload for s in (one, two, many)] == [1, 1, 1]
        await client.publish("news.a", 2)
        assert [(await anext(s)).payload for s in (one, many)] == [2, 2]
        assert [m.payload async for m in two] == []
    await until(lambda: not place.hub.channel_stats()["channel:news.a"].subscribers)
    start = one.position
    assert start is not None
    await place.hub.publish("news.a", 3)
    async with client.subscribe("news.a", since=start) as again:
        assert (await anext(again)).payload == 3


async def test_subscription_reports_a_gap_when_its_position_never_existed(place: Place) -> None:
    """Subscription from a position that never existed sets ``gap`` on the next publication, and
    counts one gap.
    """
    client = await place.connect()
    handled: list[bool] = []
    client.on("publication")(lambda message: handled.append(message.gap))
    known = await client.publish("news", 1, ack=True)
    assert known is not None
    async with client.subscribe("news", since=Position(epoch=known.epoch, offset=99)) as news:
        await client.publish("news", 2)
        await client.publish("news", 3)
        async with asyncio.timeout(60):
            got = [await anext(news) for _ in range(2)]
    assert [(message.payload, message.gap) for message in got] == [(2, True), (3, False)]
    await until(lambda: len(handled) == 2)
    assert handled == [True, False]
    assert client.stats.gaps == 1


async def test_pattern_subscription_counts_dropped_publications_and_reports_a_gap(
    place: Place,
) -> None:
    """Subscription to a pattern counts publications that exceed its buffer as dropped, and sets
    ``gap`` on the next publication.
    """
    client = await place.connect(buffer=3)
    async with client.subscribe("news.*") as news:
        for number in range(5):
            await client.publish("news.a", number, ack=True)
        got = [await anext(news) for _ in range(3)]
        await client.publish("news.a", 5)
        got.append(await anext(news))
    assert [(m.payload, m.gap) for m in got] == [(0, False), (1, False), (2, False), (5, True)]
    assert client.stats.dropped == 2


async def test_handlers_get_typed_payloads_in_order(place: Place) -> None:
    """Python client's handlers get payloads as the requested type, in order, although another
    handler raises.
    """
    client = await place.connect(name="ada")
    heard: list[Any] = []

    @client.on("chat_message", ChatMessage)
    async def typed(message: Any) -> None:
        await asyncio.sleep(0.001)
        heard.append(message.payload)

    @client.on("*")
    def anything(message: Any) -> None:
        if message.type == "chat_message":
            heard.append(message.payload["text"])

    @client.on("chat_message")
    def fails(_: Any) -> None:
        raise ZeroDivisionError

    for text in ("one", "two"):
        await client.send("chat_message", {"text": text})
    await until(lambda: len(heard) == 4)
    assert [h if isinstance(h, str) else h.text for h in heard] == ["one", "one", "two", "two"]
    assert isinstance(heard[0], ChatMessage)


async def test_room_messages_private_messages_and_replies_carry_bytes(place: Any) -> None:
    """Room messages, private messages and replies of custom handlers carry bytes unchanged."""
    content = bytes(range(256))

    @place.hub.on("mirror")
    async def mirror(_: Any, __: dict[str, Any]) -> bytes:
        return content

    ada, bo = await place.connect(name="ada"), await place.connect(name="bo")
    heard: list[Any] = []
    for kind in ("room_message", "private_message"):
        bo.on(kind)(lambda message: heard.append(message.payload["data"]))
    for client in (ada, bo):
        await client.request("join_room", {"room": "raw"})
    await ada.send("room_message", {"room": "raw", "data": content})
    await ada.send("private_message", {"to": bo.client_id, "data": content})
    answer = await ada.request("mirror", {})
    assert answer.payload["data"] == content
    await until(lambda: len(heard) == 2)
    assert heard == [content, content]


async def test_iteration_over_a_client_yields_the_welcome_and_all_messages_except_acks(
    place: Place,
) -> None:
    """Iteration over a Python client yields the welcome and all messages after it, except acks,
    until the client is closed.
    """
    client = await place.connect(name="ada")
    await client.request("chat_message", {"text": "hi"})
    await client.close()
    kinds = [message.type async for message in client]
    assert kinds[0] == "welcome"
    assert "chat_message" in kinds
    assert "ack" not in kinds


async def test_slow_iteration_over_a_client_drops_messages_above_its_buffer_and_reports_a_gap(
    place: Any,
) -> None:
    """Slow iteration over a Python client with ``buffer=1_500`` yields the latest 1,500 messages,
    and ``gap`` is set on the first of them.
    """
    client = await place.connect(buffer=1_500)
    last: list[Any] = []
    client.on("tick")(lambda message: last.append(message.payload["data"]))
    reader = aiter(client)
    assert (await anext(reader)).type == "welcome"
    session = next(iter(place.hub.connections.values()))

    async def hear(first: int, number: int) -> list[Any]:
        """Send this many ticks while nothing is read, and return those read afterwards."""
        for each in range(first, first + number):
            session.send("tick", {"data": each})
            if each % 100 == 99:
                await until(lambda: last[-1:] == [each])  # noqa: B023 - awaited within the iteration
        ticks: list[Any] = []
        while not ticks or ticks[-1].payload["data"] != first + number - 1:
            message = await anext(reader)
            ticks += [message] * (message.type == "tick")
        return ticks

    held = await hear(0, 1_200)
    assert [message.payload["data"] for message in held] == list(range(1_200))
    assert not any(message.gap for message in held)
    cut = await hear(2_000, 1_600)
    assert len(cut) == 1_500
    assert [message.gap for message in cut] == [True] + [False] * 1_499
    assert client.stats.dropped >= 100
