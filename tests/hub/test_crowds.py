"""Many who come and go at a hub."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from rtmon.hub import Hub
from tests.hub.readers import (
    come,
    publications,
    serving,
    subscribe,
)


async def test_publishing_while_people_come_and_go(caplog: pytest.LogCaptureFixture) -> None:
    """Whoever is there all the time gets everything, while others join and leave at any moment."""
    hub = Hub()
    caplog.set_level(logging.WARNING, "rtmon")
    async with serving(hub) as server, await come(server.url, "ada") as ada:
        await subscribe(ada)
        done = False

        async def guest(number: int) -> None:
            while not done:
                client = await come(server.url, f"guest{number}")
                await subscribe(client)
                if number % 2:
                    client.transport.abort()
                else:
                    await client.close()

        guests = [asyncio.create_task(guest(number)) for number in range(6)]
        got = asyncio.create_task(publications(ada, last=299))
        for n in range(300):
            await hub.publish("c", {"n": n})
            await asyncio.sleep(0)
        assert [each["data"]["n"] for each in await got] == list(range(300))
        done = True
        await asyncio.gather(*guests)
        assert not [record for record in caplog.records if record.name == "rtmon.hub"]


async def test_a_thousand_joins_are_not_a_million_frames(start: Any) -> None:
    """When a thousand come at once, what each is told is a few messages, not one for each other;
    the same when they leave.
    """
    place = await start(history=0, announce=60.0)
    tell_all = place.hub.reception.arrivals._flush_all
    crowd = [await place.connect(f"user{number}", over="memory") for number in range(1_000)]
    tell_all()
    told = sum(client.peer.inbox.qsize() for client in crowd)
    assert told == len(crowd)
    ada = await place.connect("ada", over="memory")
    for client in crowd:
        await client.leave()
    tell_all()
    assert 0 < ada.peer.inbox.qsize() < 30
