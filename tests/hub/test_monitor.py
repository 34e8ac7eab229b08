"""A hub's connections as a Monitor shows them."""

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
    """Wait for the next message of a type."""
    async with asyncio.timeout(60):
        while True:
            message: dict[str, Any] = json.loads(await connection.recv())
            if message["type"] == kind:
                return message


def beat(hub: Hub) -> None:
    """Send a heartbeat to the only client."""
    (session,) = hub.connections.values()
    session.heartbeat.start(3_600)
    session.heartbeat._beat()


async def test_monitor_shows_names_errors_and_round_trips_of_clients() -> None:
    """A Monitor shows a client under its name and id, counts its error answers, and measures
    round trips by ping messages.
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


async def test_monitor_measures_round_trips_under_an_asgi_server() -> None:
    """Where the server hides its own pings, those of the hub show in row, Sample and totals."""
    monitor = rtmon.Monitor(interval=1000)
    hub = Hub()
    # Without a Socket.IO probe, which would measure round trips, too.
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


async def test_client_has_one_id_on_the_wire_in_events_in_tables_and_in_the_api() -> None:
    """The id of the welcome finds a client in the hub, its connection and its Events."""
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
