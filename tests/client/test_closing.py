"""The end of a client: nothing hangs, and nothing is lost without a word."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from rtmon.client import Batch, ClientClosed
from rtmon.testing import until

Place = Any


async def test_a_cancelled_close_is_a_close(place: Place) -> None:
    """Who gives up waiting for close() has a closed client all the same; closing again is quick."""
    client = await place.connect(close_timeout=60.0)

    async def iterate() -> None:
        async for _ in client:
            pass

    reading = asyncio.create_task(iterate())
    place.proxy.freeze()
    await client.publish("news", 1)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await client.close()
    async with asyncio.timeout(60):
        await reading
        assert client.state == "closed"
        await client.close()


async def test_a_handler_may_be_cancelled(place: Place) -> None:
    """A cancellation that surfaces in a handler is that handler's failure: others are called."""
    client = await place.connect()
    heard: list[str] = []

    @client.on("chat_message")
    async def await_what_is_cancelled(message: Any) -> None:
        heard.append(message.payload["text"])
        never = asyncio.get_running_loop().create_future()
        never.cancel()
        await never

    await client.send("chat_message", {"text": "one"})
    await client.send("chat_message", {"text": "two"})
    await until(lambda: heard == ["one", "two"])


async def test_closing_offline_says_what_is_dropped(place: Place) -> None:
    """What waits when a client is closed without a connection goes to on_error, in one sentence."""
    client = await place.connect()
    told: list[str] = []
    client.on_error(lambda change: told.append(change.reason))
    place.proxy.refusing = True
    place.proxy.cut()
    await until(lambda: client.state == "reconnecting")
    for number in range(3):
        await client.publish("news", number)
    await client.close()
    assert told[-1] == "3 messages may not have arrived: the client is closed."
    assert client.stats.dropped == 3


async def test_a_closed_client_stays_closed(place: Place) -> None:
    """A client that was closed before it began never connects, and says so at once."""
    client = place.client()
    await client.close()
    with pytest.raises(ClientClosed, match="connect a new one"):
        await client
    with pytest.raises(ClientClosed, match="connect a new one"):
        async with client:
            pass
    assert (client.state, client.stats.attempts) == ("closed", 0)


async def test_closing_sends_what_waits(place: Place) -> None:
    """close() gives what was sent before it the time to arrive."""
    heard: list[int] = []
    place.hub.subscribe("log", lambda publication: heard.append(publication.data))
    async with place.client(batch=Batch(size=100, delay=0.2)) as client:
        for number in range(50):
            await client.publish("log", number)
    assert heard == list(range(50))


async def test_closing_ends_iterating(place: Place) -> None:
    """For who iterates over a subscription, an explicit close is an end, no error."""
    client = await place.connect()
    async with client.subscribe("news") as news:
        await client.publish("news", 1, ack=True)
        await client.close()
        assert [message.payload async for message in news] == [1]


async def test_close_in_a_callback(place: Place) -> None:
    """A handler may close the client, or ask the server something and wait for the answer."""
    client = await place.connect()

    @client.on("chat_message")
    async def close(_: Any) -> None:
        await client.request("presence")
        await client.close()

    await client.send("chat_message", {"text": "bye"})
    await until(lambda: client.state == "closed")


async def test_when_it_gives_up_everybody_is_told(place: Place) -> None:
    """A close code that says to stay away ends iterating, requests and subscriptions with it."""
    client = await place.connect()
    session = next(iter(place.hub.connections.values()))
    async with client.subscribe("news") as news:
        session.peer.close(4500, "banned")
        with pytest.raises(ClientClosed, match="banned") as ended:
            await anext(news)
    assert ended.value.code == 4500
    with pytest.raises(ClientClosed, match="banned"):
        async for _ in client:
            pass
    with pytest.raises(ClientClosed):
        await client.request("presence")
    assert place.proxy.accepted == 1
