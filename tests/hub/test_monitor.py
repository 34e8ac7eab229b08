"""Connections of a hub as a Monitor shows them."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pandas as pd
from websockets.asyncio.client import ClientConnection, connect

import rtmon
from rtmon.feeds.local_feed import LocalFeed
from rtmon.feeds.queries import RowsAnswer, RowsQuery
from rtmon.hub import Hub
from rtmon.hub.transports.asgi import app
from rtmon.testing import until
from tests.probes.serving import serving


async def answer(connection: ClientConnection, kind: str) -> dict[str, Any]:
    """Return the next message of this type."""
    async with asyncio.timeout(60):
        while True:
            message: dict[str, Any] = json.loads(await connection.recv())
            if message["type"] == kind:
                return message


def beat(hub: Hub) -> None:
    """Make the hub send a ping message to its only client."""
    (session,) = hub.connections.values()
    session.heartbeat.start(3_600)
    session.heartbeat._beat()


async def test_monitor_shows_names_errors_and_round_trips_of_clients() -> None:
    """Monitor's connections table shows a hub client's name, client id, error replies and
    round-trip time.
    """
    hub = Hub()
    async with (
        rtmon.serve(hub, "127.0.0.1", 0, ping_interval=None) as server,
        connect(f"{server.url}/?name=ada") as client,
    ):
        welcome = await answer(client, "welcome")
        await client.send('{"type": "nope"}')
        await answer(client, "error")
        await client.send('{"type": "connect", "payload": {"name": "Ada"}}')
        await answer(client, "welcome")
        beat(hub)
        ping = await answer(client, "ping")
        await client.send(json.dumps({"type": "pong", "reply_to": ping["id"]}))

        def row() -> Any:
            server.monitor.tick()
            return server.monitor.connections().iloc[0]

        await until(lambda: pd.notna(row()["rtt"]))
        assert row()["name"] == "Ada"
        assert row()["client_id"] == welcome["payload"]["client_id"]
        assert row()["errors"] == 1
        assert 0 < row()["rtt"] < 60


async def test_monitor_measures_round_trips_by_hub_pings_under_an_asgi_server() -> None:
    """Monitor measures round-trip times by the hub's ping messages when the hub runs under an
    ASGI server.
    """
    monitor = rtmon.Monitor(interval=1000)
    hub = Hub()
    # No Socket.IO probe here, because that would measure round-trip times too.
    where = serving(rtmon.ASGIProbe(app(hub), monitor=monitor))
    async with where as address, connect(f"ws://{address}/") as client:
        welcome = await answer(client, "welcome")
        beat(hub)
        ping = await answer(client, "ping")
        assert monitor.snapshot().rtt is None
        await client.send(json.dumps({"type": "pong", "reply_to": ping["id"]}))
        await until(lambda: monitor.snapshot().rtt is not None)
        sample = monitor.tick().sample
        (row,) = monitor.collector.connections()
    monitor.close()
    assert sample.rtt is not None
    assert row.rtt is not None
    assert row.client_id == welcome["payload"]["client_id"]
    assert sample.rtt.count == 1
    assert 0 < row.rtt < 60


async def test_client_id_is_the_same_in_welcome_hub_events_and_connections_table() -> None:
    """Client id in the welcome message identifies the client in the hub, in the Monitor's Events
    and in its connections table.
    """
    monitor = rtmon.Monitor(interval=1000)
    hub = Hub()
    async with (
        rtmon.serve(hub, "127.0.0.1", 0, monitor=monitor) as server,
        connect(server.url) as client,
        connect(server.url) as other,
    ):
        ada = (await answer(client, "welcome"))["payload"]["client_id"]
        await answer(other, "welcome")
        assert hub.client(ada) is not None
        await client.close()
        await until(lambda: not hub.client(ada))
        monitor.tick()
        feed, where = LocalFeed(monitor), f"client:{ada}"
        events = feed.answer_now(RowsQuery(table="events", where=where))
        connections = feed.answer_now(RowsQuery(where=where))
    monitor.close()
    assert isinstance(events, RowsAnswer)
    assert isinstance(connections, RowsAnswer)
    assert {row.record.kind for row in events.rows} == {"opened", "closed"}
    assert [row.record.client_id for row in connections.rows] == [ada]
    assert {row.record.connection for row in events.rows} == {connections.rows[0].record.id}
