"""Clients that receive publications as ``{type: "pubsub", channel, payload}``
(``?shape=pubsub``).
"""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

import rtmon
from rtmon.asgi import serve as serve_asgi
from rtmon.testing import until


async def heard(client: ClientConnection, kind: str) -> dict[str, Any]:
    """Return the next message of this type."""
    while True:
        message: dict[str, Any] = json.loads(await client.recv())
        if message["type"] == kind:
            return message


@pytest.mark.parametrize("serve", [rtmon.serve, serve_asgi], ids=["websockets", "asgi"])
async def test_client_with_shape_pubsub_receives_publications_as_pubsub_messages(
    serve: Any,
) -> None:
    """Client that connects with ``?shape=pubsub`` receives all publications as ``pubsub``
    messages, also in batches.
    """
    hub = rtmon.Hub()
    async with contextlib.AsyncExitStack() as stack:
        server = await stack.enter_async_context(serve(hub, "127.0.0.1", 0))
        url = f"{server.url}?shape=pubsub"
        client = await stack.enter_async_context(connect(url, proxy=None))
        batched = await stack.enter_async_context(connect(url, proxy=None))
        other = await stack.enter_async_context(rtmon.connect(server.url, proxy=None))
        await batched.send('{"type":"connect","payload":{"batch":{"size":2,"delay":5}}}')
        for each in (client, batched):
            await each.send('{"type":"subscribe","payload":{"channel":"news"}}')
        await until(
            lambda: ("channel:news", 2) in [(c.channel, c.subscribers) for c in hub.channels()]
        )
        async with other.subscribe("news") as news:
            await other.publish("news", {"n": 1})
            await client.send('{"type":"pubsub","channel":"news","payload":[2]}')
            await other.publish("news", b"\x00")
            got = [await heard(client, "pubsub") for _ in range(3)]
            ours = [(await anext(news)).payload for _ in range(3)]
            kinds: list[str] = []
            while "pubsub" not in kinds:
                batch = await heard(batched, "batch")
                kinds += [message["type"] for message in batch["payload"]["messages"]]
    shapes = [(m["channel"], m["payload"], m.get("encoding")) for m in got]
    assert ("news", {"n": 1}, None) in shapes
    assert ("news", [2], None) in shapes
    assert ("news", "AA==", "base64") in shapes
    assert sorted(map(str, ours)) == sorted(map(str, [{"n": 1}, [2], b"\x00"]))
    assert "publication" not in kinds
    await hub.aclose()


@pytest.mark.parametrize(
    ("query", "subprotocol"), [("shape=rss", "rtmon.v1.json"), ("shape=pubsub", "rtmon.v1.msgpack")]
)
async def test_hub_closes_client_with_unknown_shape_or_shape_with_messagepack(
    query: str, subprotocol: str
) -> None:
    """Hub closes a client that requests an unknown ``shape``, or ``shape=pubsub`` with
    MessagePack.
    """
    hub = rtmon.Hub()
    async with (
        rtmon.serve(hub, "127.0.0.1", 0) as server,
        connect(
            f"{server.url}?{query}", proxy=None, subprotocols=[Subprotocol(subprotocol)]
        ) as client,
    ):
        await client.recv()  # Skip the error message.
        with pytest.raises(ConnectionClosed, match="the only shape is pubsub"):
            await client.recv()
    await hub.aclose()
