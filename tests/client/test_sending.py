"""Sending with the Python client: requests, order, full queues, batches."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection

from rtmon.client import Batch, QueueFull
from rtmon.errors import OptionError, ProtocolError
from rtmon.testing import until

Place = Any


async def test_request_returns_the_reply_or_raises_the_servers_error_or_timeout(
    place: Place,
) -> None:
    """Python client's ``request()`` returns the reply, or raises ProtocolError with the server's
    error, or TimeoutError.
    """
    client = await place.connect()
    with pytest.raises(OptionError, match="dict"):
        await client.request("publish", 5)
    with pytest.raises(OptionError, match="file_offer"):
        await client.receive_file(None, "nowhere")

    @place.hub.on("double")
    async def double(_: Any, payload: dict[str, int]) -> Any:
        return payload["n"] * 2

    @place.hub.on("ignore")
    async def ignore(_: Any, payload: dict[str, Any]) -> None:
        return None

    ready = asyncio.Event()

    @place.hub.on("wait")
    async def wait(_: Any, payload: dict[str, Any]) -> None:
        await ready.wait()

    assert (await client.request("double", {"n": 4})).payload["data"] == 8
    with pytest.raises(ProtocolError) as refused:
        await client.request("room_message", {"room": "nowhere", "text": "x"})
    assert refused.value.code == "unknown_room"
    assert (await client.request("ignore")).payload == {}
    with pytest.raises(TimeoutError):
        await client.request("wait", timeout=0.05)
    ready.set()
    with pytest.raises(ProtocolError, match="pattern"):
        async with client.subscribe("a**b"):
            pass
    errors: list[Any] = []
    client.on_error(errors.append)
    await client.send("no_such_type")
    await until(lambda: errors)
    assert errors[0].error.code == "unknown_type"


async def test_messages_sent_while_offline_arrive_in_order_after_the_reconnect(
    place: Place,
) -> None:
    """Python client's 300 messages sent while offline arrive in order after the reconnect, and
    its callbacks report the outage.
    """
    seen: list[Any] = []
    client = place.client()
    for register in (client.on_open, client.on_close, client.on_reconnect, client.on_error):
        register(lambda change: seen.append((change.what, change.state)))
    assert client.state == "connecting"
    heard: list[int] = []
    place.hub.subscribe("log", lambda publication: heard.append(publication.data))
    async with client:
        assert client.state == "open"
        place.proxy.refusing = True
        place.proxy.cut()
        await until(lambda: client.state == "reconnecting" and client.stats.attempts > 2)
        for number in range(300):
            await client.publish("log", number)
        assert client.stats.queued == 300
        place.proxy.refusing = False
        await client.flush()
        stats = client.stats
    assert heard == list(range(300))
    assert client.state == "closed"
    whats = [what for what, _ in seen]
    assert whats[:2] == ["open", "close"]
    assert whats[-2:] == ["reconnect", "close"]
    assert set(whats[2:-2]) == {"error"}
    assert dict(seen)["reconnect"] == "open"
    assert (stats.reconnects, stats.queued, stats.unconfirmed) == (1, 0, 0)
    assert stats.downtime > 0


async def test_full_queue_makes_publish_wait_or_raise_queue_full(place: Place) -> None:
    """Python client's ``publish()`` waits when its queue is full, or raises QueueFull with the
    policy ``refuse``.
    """
    heard: list[int] = []
    place.hub.subscribe("log", lambda publication: heard.append(publication.data))
    client = await place.connect(queue_size=5)
    for number in range(60):
        await client.publish("log", number)
    await client.flush()
    assert heard == list(range(60))
    other = await place.connect(queue_size=5, queue_policy="refuse")
    place.proxy.refusing = True
    place.proxy.cut()
    await until(lambda: other.state == "reconnecting")
    for number in range(5):
        await other.publish("log", number)
    with pytest.raises(QueueFull):
        await other.publish("log", 5)


async def test_later_publish_does_not_overtake_one_that_waits_for_the_queue(place: Place) -> None:
    """Python client sends a ``publish()`` that waits for its full queue before a ``publish()``
    called after it.
    """
    heard: list[str] = []
    place.hub.subscribe("log", lambda publication: heard.append(publication.data))
    client = await place.connect(queue_size=1)
    place.proxy.refusing = True
    place.proxy.cut()
    await until(lambda: client.state == "reconnecting")
    first = asyncio.create_task(client.publish("log", "first", ack=True))
    await until(lambda: client.stats.queued == 1)
    waiting = asyncio.create_task(client.publish("log", "waiting"))
    await asyncio.sleep(0)
    first.cancel()
    late = asyncio.create_task(client.publish("log", "late"))
    await asyncio.wait([first])
    place.proxy.refusing = False
    await asyncio.gather(waiting, late)
    await client.flush()
    assert heard == ["waiting", "late"]


@pytest.mark.parametrize("policy", ["wait", "refuse", "drop_oldest"])
async def test_leave_works_and_drops_no_message_when_the_queue_is_full(
    place: Place, policy: Any
) -> None:
    """Python client's ``leave()`` leaves the room without dropping a message when its queue is
    full.
    """
    client = await place.connect(queue_size=1, queue_policy=policy)
    await client.join("r")
    assert place.hub.channel_stats()["room:r"].subscribers == 1
    await client.send("room_message", {"room": "r", "text": "bye"})
    assert client.stats.queued == 1
    await client.leave("r")
    await client.flush()
    await until(lambda: not place.hub.channel_stats()["room:r"].subscribers)
    assert client.stats.dropped == 0


async def test_client_and_hub_exchange_batches_that_are_read_as_single_messages(
    place: Place,
) -> None:
    """Python client and hub exchange several messages per batch, and the subscription yields
    them one by one in order.
    """
    sent: list[Any] = []
    received: list[Any] = []

    class Wire(ClientConnection):
        async def send(self, message: Any, *args: Any) -> None:
            sent.append(json.loads(message))
            await super().send(message, *args)

        async def recv(self, *args: Any) -> Any:
            message = await super().recv(*args)
            received.append(json.loads(message))
            return message

    client = await place.connect(
        batch=Batch(size=10, delay=0.05), server_batch=Batch(size=10), create_connection=Wire
    )
    async with client.subscribe("news") as news:
        for number in range(25):
            await news.publish(number)
        got = [(await anext(news)).payload for _ in range(25)]
    assert got == list(range(25))
    for frames in (sent, received):
        batches = [m["payload"]["messages"] for m in frames if m["type"] == "batch"]
        assert max(map(len, batches)) > 1
