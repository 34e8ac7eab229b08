"""Receive all learners' reports from the class server: first old reports, then new ones."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

from ...client import Client
from ..progress_files import CHANNEL

__all__ = ["follow"]

Take = Callable[[object, object, float], object]
"""Callback for each report. Its arguments are the name of the client that published the report,
the report, and the time of publication in Unix seconds.
"""


async def follow(client: Client, take: Take) -> None:
    """Call ``take`` with each learner's report, until the client is closed.

    First come the reports in the channel's history. Then come new reports as learners publish them.

    Raises:
        ProtocolError: the class server does not allow this client to read the channel of reports.
        ClientClosed: the client has stopped reconnecting after too many failures.
    """
    async with client.subscribe(CHANNEL) as reports:
        async for name, report, milliseconds in _kept(client):
            take(name, report, milliseconds / 1e3)
        async for message in reports:
            take(message.name, message.payload, (message.timestamp or 0) / 1e3)


async def _kept(client: Client) -> AsyncIterator[tuple[object, object, float]]:
    """Read the old reports from the history that the class server keeps, page by page.

    Yields the publisher's name, the report, and the time in Unix milliseconds.
    """
    since: dict[str, Any] = {}
    while True:
        answer = (await client.request("history", {"channel": CHANNEL, **since})).payload
        for message in answer["messages"]:
            payload = message["payload"]
            yield payload.get("name"), payload.get("data"), message["timestamp"]
        if not answer["more"]:
            return
        since = {"since": {"epoch": answer["epoch"], "offset": answer["offset"]}}
