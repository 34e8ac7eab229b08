"""Fan-out of a hub's publications: shared frames, order, batches, changing subscribers."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from typing import Any

import msgspec
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import serve
from websockets.typing import Subprotocol
from websockets.version import version

import rtmon
from rtmon.core.batch_buffer import Batch
from rtmon.hub import ChannelOptions, Hub
from rtmon.hub.transports.websocket import handler, serve_arguments
from rtmon.probes.websockets.inlined_calls import TESTED
from rtmon.servers.fanout import connection_group
from rtmon.servers.fanout.shared_frames import frame
from rtmon.testing import until

PUBLICATIONS = 200


async def _ask(client: ClientConnection, kind: str, **payload: Any) -> None:
    """Send a request, and wait for its reply."""
    request = {"type": kind, "payload": payload, "id": "ask"}
    binary = client.subprotocol == "rtmon.v1.msgpack"
    await client.send(msgspec.msgpack.encode(request) if binary else json.dumps(request))
    async with asyncio.timeout(60):
        while "ask" not in [message.get("reply_to") for message in await _next(client)]:
            pass


async def _next(client: ClientConnection) -> list[dict[str, Any]]:
    """Return the next message, or the messages of the next batch."""
    data = await client.recv()
    found: dict[str, Any]
    found = msgspec.msgpack.decode(data) if isinstance(data, bytes) else json.loads(data)
    inner: list[dict[str, Any]] = found["payload"].get("messages", [found])
    return inner


async def _publications(client: ClientConnection, count: int) -> list[tuple[str, Any]]:
    """Return channel and data of the next publications."""
    found: list[tuple[str, Any]] = []
    async with asyncio.timeout(60):
        while len(found) < count:
            found += [
                (message["payload"]["channel"], message["payload"]["data"])
                for message in await _next(client)
                if message["type"] == "publication"
            ]
    return found


async def test_subscribers_with_any_codec_or_batches_get_each_publication_in_order() -> None:
    """Subscribers with any codec, compression, batches or patterns get each of 200 publications
    once and in order.
    """
    hub = Hub()
    async with rtmon.serve(hub, "127.0.0.1", 0) as server, AsyncExitStack() as stack:
        clients = []
        for number in range(8):
            options: dict[str, Any] = {"compression": None if number % 2 else "deflate"}
            if number in {2, 3}:
                options["subprotocols"] = [Subprotocol("rtmon.v1.msgpack")]
            client = await stack.enter_async_context(connect(server.url, **options))
            clients.append(client)
            if number in {4, 5}:
                await _ask(client, "connect", batch={"size": 7, "delay": 0.05})
            channel = "news.**" if number in {6, 7} else "news.sport"
            await _ask(client, "subscribe", channel=channel)
        for number in range(PUBLICATIONS):
            await hub.publish("news.sport", number)
            if number % 16 == 15:
                await asyncio.sleep(0)
        expected = [("news.sport", number) for number in range(PUBLICATIONS)]
        for client in clients:
            assert await _publications(client, PUBLICATIONS) == expected
        stats = hub.channel_stats()["channel:news.sport"]
        await until(lambda: stats.delivered == 8 * PUBLICATIONS)
        assert (stats.published, stats.dropped) == (PUBLICATIONS, 0)


async def test_client_that_changes_batches_and_subscriptions_misses_no_publication() -> None:
    """Client that starts and ends batches and subscriptions misses no publication while it is
    subscribed, and gets them in order.
    """
    hub = Hub()
    async with (
        rtmon.serve(hub, "127.0.0.1", 0) as server,
        connect(server.url) as restless,
        connect(server.url) as calm,
    ):
        for client in (restless, calm):
            await _ask(client, "subscribe", channel="news")
        (session,) = [
            one
            for one in hub.connections.values()
            if one.peer.remote == f"127.0.0.1:{restless.local_address[1]}"
        ]
        ways = (
            {"type": "connect", "payload": {"batch": {"size": 3, "delay": 5}}},
            {"type": "unsubscribe", "payload": {"channel": "news"}},
            {"type": "connect", "payload": {"batch": False}},
            {"type": "subscribe", "payload": {"channel": "news"}},
        )
        expected = []
        for number in range(200):
            await hub.publish("news", number)
            if hub.registry.subscriptions.has(session, "news"):
                expected.append(("news", number))
            if number % 5 == 4:
                await hub.receive(session, json.dumps(ways[number // 5 % len(ways)]))
            if number % 3 == 2:
                await asyncio.sleep(0)
        session.flush()
        assert await _publications(restless, len(expected)) == expected
        assert await _publications(calm, 200) == [("news", number) for number in range(200)]


async def test_publication_after_the_end_of_channel_batches_follows_the_collected_ones() -> None:
    """Publication made after a channel's batching is turned off arrives after the publications
    already collected.
    """
    hub = Hub(channels={"news": ChannelOptions(batch=Batch(size=10, delay=5.0))})
    async with rtmon.serve(hub, "127.0.0.1", 0) as server, connect(server.url) as client:
        await _ask(client, "subscribe", channel="news")
        await hub.publish("news", 1)
        await hub.publish("news", 2)
        hub.change(channels={})
        await hub.publish("news", 3)
        assert await _publications(client, 3) == [("news", number) for number in (1, 2, 3)]


async def test_clients_get_another_clients_join_typing_message_and_leave_in_order() -> None:
    """Clients with any codec, compression or batches get another client's typing, join, message
    and leave in order.
    """
    hub = Hub(announce=60.0)
    async with rtmon.serve(hub, "127.0.0.1", 0) as server, AsyncExitStack() as stack:
        clients = []
        for number in range(6):
            options: dict[str, Any] = {"compression": None if number % 2 else "deflate"}
            if number in {2, 3}:
                options["subprotocols"] = [Subprotocol("rtmon.v1.msgpack")]
            client = await stack.enter_async_context(connect(server.url, **options))
            clients.append(client)
            if number in {4, 5}:
                await _ask(client, "connect", batch={"size": 2, "delay": 0.05})
        async with connect(server.url) as ada:
            for kind, payload in (("typing_start", {}), ("chat_message", {"text": "hi"})):
                await ada.send(json.dumps({"type": kind, "payload": payload}))
            await _ask(ada, "ping")
            (name,) = {
                session.name
                for session in hub.connections.values()
                if session.peer.remote == f"127.0.0.1:{ada.local_address[1]}"
            }
        await until(lambda: len(hub.connections) == 6)
        hub._parts.join_leave.flush()
        for client in clients:
            about: list[str] = []
            async with asyncio.timeout(60):
                while "user_left" not in about:
                    about += [
                        message["type"]
                        for message in await _next(client)
                        if name in json.dumps(message["payload"]) and message["type"] != "welcome"
                    ]
            assert about == [
                "typing_start",
                "typing_end",
                "user_joined",
                "chat_message",
                "user_left",
            ]
        stats = hub.channel_stats()["chat"]
        assert (stats.published, stats.delivered, stats.dropped) == (1, 7, 0)


@pytest.mark.skipif(version not in TESTED, reason="the fast path is off here")
async def test_hub_builds_one_frame_for_an_announcement_to_twenty_clients(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Hub builds one WebSocket frame for a join, typing indicator or chat message to 20 clients."""
    framed = []

    def counted(*arguments: Any) -> bytes:
        framed.append(arguments)
        return frame(*arguments)

    monkeypatch.setattr(connection_group, "frame", counted)
    hub = Hub(announce=60.0)
    async with (
        rtmon.serve(hub, "127.0.0.1", 0, compression=None) as server,
        AsyncExitStack() as stack,
    ):
        clients = [await stack.enter_async_context(connect(server.url)) for _ in range(20)]
        hub._parts.join_leave.flush()
        assert len(framed) == 1
        for number, kind in enumerate(("typing_start", "chat_message", "typing_end")):
            await clients[0].send(json.dumps({"type": kind, "payload": {"text": "hi"}}))
            await _ask(clients[0], "ping")
            assert len(framed) == min(2 + 2 * number, 4)  # A message ends the typing indicator.


@pytest.mark.skipif(version not in TESTED, reason="the fast path is off here")
async def test_hub_behind_websockets_serve_builds_one_frame_for_a_publication(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Hub behind ``websockets.serve()`` builds one WebSocket frame for a publication to 20
    subscribers.
    """
    framed = []

    def counted(*arguments: Any) -> bytes:
        framed.append(arguments)
        return frame(*arguments)

    monkeypatch.setattr(connection_group, "frame", counted)
    hub = Hub(announce=60.0)
    async with (
        serve(handler(hub), "127.0.0.1", 0, compression=None, **serve_arguments(hub)) as server,
        AsyncExitStack() as stack,
    ):
        host, port = next(iter(server.sockets)).getsockname()[:2]
        url = f"ws://{host}:{port}"
        clients = [await stack.enter_async_context(connect(url)) for _ in range(20)]
        for client in clients:
            await _ask(client, "subscribe", channel="news")
        for number in range(3):
            await hub.publish("news", number)
            assert len(framed) == number + 1
        expected = [("news", number) for number in range(3)]
        assert [await _publications(client, 3) for client in clients] == [expected] * 20
        await hub.aclose()


async def test_subscriber_misses_no_publication_while_others_subscribe_and_leave(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Subscriber misses no publication while other clients subscribe and leave, and the hub
    keeps no state of clients that left.
    """
    hub = Hub(announce=0.01)
    visits = [0, 0, 0]
    # An unlimited queue, because with a limit an unread message would block those after it.
    async with (
        rtmon.serve(hub, "127.0.0.1", 0) as server,
        connect(server.url, max_queue=None) as steady,
    ):
        await _ask(steady, "subscribe", channel="news")
        done = asyncio.Event()

        async def come_and_go(how: int) -> None:
            while not done.is_set():
                async with connect(server.url, max_queue=None) as client:
                    await _ask(client, "subscribe", channel="**" if how else "news")
                    await _publications(client, 2)
                    visits[how] += 1
                    if how == 2:
                        client.transport.abort()

        visitors = [asyncio.create_task(come_and_go(how)) for how in range(3)]
        number = 0
        try:
            while number < 500 or min(visits) < 4:
                await hub.publish("news", number)
                number += 1
                if number % 4 == 0:
                    await asyncio.sleep(0)
            assert await _publications(steady, number) == [("news", n) for n in range(number)]
        finally:
            done.set()
            going_on = asyncio.create_task(_go_on(hub))
            await asyncio.gather(*visitors)
            going_on.cancel()
        await until(lambda: len(hub.connections) == 1)
        kept = hub._parts.broadcast.receivers
        kept_members = {key: len(one) for key, one in kept._receivers.items()}
        assert kept_members == {"channel:news": 1, "chat": 1}
        assert len(kept._places) == 1
        stats = hub.channel_stats()["channel:news"]
        assert stats.dropped == 0, "a leaving subscriber misses no publication"
        server.monitor.tick()
        meters = server.monitor.collector.meters()
        assert server.monitor.snapshot().bytes_out == sum(meter.bytes_out for meter in meters)
    assert [record for record in caplog.records if record.name == "rtmon.hub"] == []


async def _go_on(hub: Hub) -> None:
    while True:
        await hub.publish("news", "for clients that wait for two")
        await asyncio.sleep(0.01)
