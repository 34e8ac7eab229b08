"""Closing of the Python client: nothing hangs, and every dropped message is reported."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from rtmon.client import Batch, ClientClosed
from rtmon.testing import until

Place = Any


async def test_client_is_closed_although_the_task_that_called_close_is_canceled(
    place: Place,
) -> None:
    """Python client is closed although the task that waits in ``close()`` is canceled, and a
    second ``close()`` returns at once.
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


async def test_canceled_error_in_a_handler_does_not_stop_later_calls(place: Place) -> None:
    """Python client calls a handler for the next message although its last call raised
    CancelledError.
    """
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


async def test_client_reports_dropped_messages_when_it_is_closed_offline(place: Place) -> None:
    """Python client that is closed while offline reports its three queued messages as dropped to
    ``on_error``.
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


async def test_client_closed_before_its_start_raises_client_closed(place: Place) -> None:
    """Python client that was closed before its start raises ClientClosed when it is used,
    without a connection attempt.
    """
    client = place.client()
    await client.close()
    with pytest.raises(ClientClosed, match="connect a new one"):
        await client
    with pytest.raises(ClientClosed, match="connect a new one"):
        async with client:
            pass
    assert (client.state, client.stats.attempts) == ("closed", 0)


async def test_client_close_returns_after_queued_messages_are_sent(place: Place) -> None:
    """Python client sends its queued messages before ``close()`` returns."""
    heard: list[int] = []
    place.hub.subscribe("log", lambda publication: heard.append(publication.data))
    async with place.client(batch=Batch(size=100, delay=0.2)) as client:
        for number in range(50):
            await client.publish("log", number)
    assert heard == list(range(50))


async def test_client_close_ends_iteration_over_a_subscription_without_error(place: Place) -> None:
    """Python client's ``close()`` ends the iteration over a subscription without an exception."""
    client = await place.connect()
    async with client.subscribe("news") as news:
        await client.publish("news", 1, ack=True)
        await client.close()
        assert [message.payload async for message in news] == [1]


async def test_client_handler_may_send_a_request_and_close_the_client(place: Place) -> None:
    """Python client's message handler may await a request and close the client."""
    client = await place.connect()

    @client.on("chat_message")
    async def close(_: Any) -> None:
        await client.request("presence")
        await client.close()

    await client.send("chat_message", {"text": "bye"})
    await until(lambda: client.state == "closed")


async def test_client_raises_client_closed_everywhere_after_a_fatal_close_code(
    place: Place,
) -> None:
    """Python client raises ClientClosed in iterations, requests and subscriptions after a fatal
    close code, and does not reconnect.
    """
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
