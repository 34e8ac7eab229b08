"""Read the reports of all learners from the class server, starting with its history."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

from ...client import Client
from ..progress_files import CHANNEL

__all__ = ["follow"]

Take = Callable[[object, object, float], object]
"""Called with the publisher's name, the published report, and Unix seconds."""


async def follow(client: Client, take: Take) -> None:
    """Pass on every report that is published, until the client is closed.

    Raises:
        ProtocolError: the server does not let this client read the channel.
        ClientClosed: the client has given up.
    """
    async with client.subscribe(CHANNEL) as reports:
        async for name, report, milliseconds in _kept(client):
            take(name, report, milliseconds / 1e3)
        async for message in reports:
            take(message.name, message.payload, (message.timestamp or 0) / 1e3)


async def _kept(client: Client) -> AsyncIterator[tuple[object, object, float]]:
    """Read the publications that the server keeps of the channel."""
    since: dict[str, Any] = {}
    while True:
        answer = (await client.request("history", {"channel": CHANNEL, **since})).payload
        for message in answer["messages"]:
            payload = message["payload"]
            yield payload.get("name"), payload.get("data"), message["timestamp"]
        if not answer["more"]:
            return
        since = {"since": {"epoch": answer["epoch"], "offset": answer["offset"]}}
