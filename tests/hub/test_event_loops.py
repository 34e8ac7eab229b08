"""A hub over several event loops: notebooks end one and begin another."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from websockets.asyncio.client import connect
from websockets.asyncio.server import serve

from rtmon.hub import Hub
from rtmon.hub.transports.websocket import handler, serve_arguments


def test_hub_goes_on_when_another_loop_begins() -> None:
    """Announcements, history and callbacks go on when the loop ended and another one begins."""
    hub = Hub(announce=0.02)
    heard: list[Any] = []

    async def listener(publication: Any) -> None:
        heard.append(publication.data)

    hub.subscribe("c", listener)

    async def once(number: int) -> list[str]:
        async with (
            serve(handler(hub), "127.0.0.1", 0, **serve_arguments(hub)) as server,
            connect(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}") as client,
            asyncio.timeout(60),
        ):
            await client.send('{"type": "typing_start"}')
            await client.send('{"type": "subscribe", "payload": {"channel": "c"}}')
            await hub.publish("c", number)
            kinds: list[str] = []
            while not {"user_joined", "ack"} <= set(kinds) or len(heard) <= number:
                kinds.append(json.loads(await client.recv())["type"])
            return kinds

    for number in range(2):
        kinds = asyncio.run(once(number))
        assert kinds[0] == "welcome"
    assert heard == [0, 1]
    assert hub.connections == {}
    assert len(hub.registry.rooms) == 0
