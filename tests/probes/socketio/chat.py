"""A python-socketio server with a probe, and python-socketio's client."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import socketio
from aiohttp import ClientSession

from rtmon import Monitor
from rtmon.probes.socketio import Instrument, SocketIOStats, instrument
from tests.probes.serving import serving
from tests.transports.links import hang_up

__all__ = ["WAYS", "chat", "joined", "of", "watched"]


WAYS = [["websocket"], ["polling"], ["polling", "websocket"]]
"""Lists of transports that a client uses, one after another."""


def chat(**options: Any) -> Any:
    """Return a Socket.IO server with a few event handlers."""
    # python-socketio ends a polling client that disconnects only when its next ping is due.
    options = {"ping_interval": 0.2, "ping_timeout": 3, **options}
    sio = socketio.AsyncServer(async_mode="asgi", **options)

    @sio.event
    async def say(sid: str, *data: Any) -> Any:
        await sio.emit("said", data, to=sid)
        return "ok", len(data)

    @sio.event
    async def fail(sid: str, data: Any) -> None:
        raise LookupError("no such room")

    @sio.event
    async def join(sid: str, room: str) -> None:
        await sio.enter_room(sid, room)

    return sio


@asynccontextmanager
async def watched(
    sio: Any = None, *, settled: bool = True
) -> AsyncIterator[tuple[Any, Monitor, Instrument, str]]:
    """Serve a Socket.IO server with a probe."""
    monitor = Monitor(interval=1000)
    sio = sio or chat()
    probe = instrument(sio, monitor)
    async with serving(socketio.ASGIApp(sio)) as where:
        yield sio, monitor, probe, where
        await sio.shutdown()
    snapshot = monitor.snapshot()
    assert snapshot.opened - snapshot.closed == snapshot.open
    assert not settled or snapshot.open == 0
    assert monitor.probe_failures == 0


@asynccontextmanager
async def joined(
    where: str, ways: list[str], namespaces: list[str] | None = None, **options: Any
) -> AsyncIterator[Any]:
    """Connect python-socketio's client, whose attribute ``got`` lists the events it received."""
    # python-socketio does not close an HTTP session of its own when a connection is refused.
    async with ClientSession() as session:
        client: Any = socketio.AsyncClient(reconnection=False, http_session=session, **options)
        client.got = []

        @client.on("*")
        async def anything(event: str, *data: Any) -> str:
            client.got.append((event, *data))
            return f"read {event}"

        await client.connect(
            f"http://{where}", transports=ways, namespaces=namespaces, wait_timeout=60
        )
        try:
            yield client
        finally:
            await hang_up(client)


def of(stats: SocketIOStats, event: str) -> tuple[int, int, int]:
    """Return the counts of one event: received, emitted, errors."""
    (found,) = [record for record in stats.events if record.event == event]
    return found.received, found.emitted, found.errors
