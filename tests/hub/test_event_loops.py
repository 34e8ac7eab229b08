"""One hub used in several event loops, one after another, as notebooks do."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from websockets.asyncio.client import connect
from websockets.asyncio.server import serve

from rtmon.hub import Hub
from rtmon.hub.transports.websocket import handler, serve_arguments


def test_hub_works_again_in_a_second_event_loop() -> None:
    """Hub delivers announcements and publications, also to subscribe callbacks, in a second
    event loop after the first event loop has ended.
    """
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
