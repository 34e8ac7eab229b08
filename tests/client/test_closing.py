"""The end of a client: nothing hangs, and every lost message is reported."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from rtmon.client import Batch, ClientClosed
from rtmon.testing import until

Place = Any


async def test_client_is_closed_when_its_close_is_cancelled(place: Place) -> None:
    """A caller that is cancelled in close() has a closed client all the same, and a second
    close() is quick.
    """
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


async def test_cancelled_handler_does_not_stop_other_handlers(place: Place) -> None:
    """A CancelledError in a handler is that handler's failure; the other handlers are called."""
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


async def test_client_reports_dropped_messages_when_closed_offline(place: Place) -> None:
    """Messages that wait when a client is closed without a connection go to on_error, in one
    sentence.
    """
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


async def test_client_never_connects_when_closed_before_it_began(place: Place) -> None:
    """A client closed before its start raises at once when used."""
    client = place.client()
    await client.close()
    with pytest.raises(ClientClosed, match="connect a new one"):
        await client
    with pytest.raises(ClientClosed, match="connect a new one"):
        async with client:
            pass
    assert (client.state, client.stats.attempts) == ("closed", 0)


async def test_close_sends_waiting_messages(place: Place) -> None:
    """close() waits until messages sent before it have arrived."""
    heard: list[int] = []
    place.hub.subscribe("log", lambda publication: heard.append(publication.data))
    async with place.client(batch=Batch(size=100, delay=0.2)) as client:
        for number in range(50):
            await client.publish("log", number)
    assert heard == list(range(50))


async def test_close_ends_iteration_over_a_subscription(place: Place) -> None:
    """An explicit close ends the iteration without an error."""
    client = await place.connect()
    async with client.subscribe("news") as news:
        await client.publish("news", 1, ack=True)
        await client.close()
        assert [message.payload async for message in news] == [1]


async def test_handler_may_close_the_client(place: Place) -> None:
    """A handler may close the client, or send a request and wait for the answer."""
    client = await place.connect()

    @client.on("chat_message")
    async def close(_: Any) -> None:
        await client.request("presence")
        await client.close()

    await client.send("chat_message", {"text": "bye"})
    await until(lambda: client.state == "closed")


async def test_iterators_requests_and_subscriptions_end_when_client_gives_up(place: Place) -> None:
    """A fatal close code ends iteration, requests and subscriptions with that code."""
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
