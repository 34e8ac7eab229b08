"""Serves ASGI applications with a probe under uvicorn, and reads the Monitor."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import WebSocket
from starlette.applications import Starlette

from rtmon import ASGIProbe, Monitor
from rtmon.core.clock import SYSTEM_CLOCK, Clock
from rtmon.metrics.records import ConnectionInfo, Event
from rtmon.testing import until
from tests.probes.serving import serving

__all__ = ["echo", "events", "numbers", "row", "watched"]


@asynccontextmanager
async def watched(
    *routes: Any, wrap: bool = False, clock: Clock = SYSTEM_CLOCK, **options: Any
) -> AsyncIterator[tuple[Monitor, str]]:
    """Serve Starlette routes, or with ``wrap`` one ASGI application, with a probe."""
    monitor = Monitor(interval=1000, clock=clock)
    app: Any
    if wrap:
        (inner,) = routes
        app = ASGIProbe(inner, monitor=monitor)
    else:
        app = Starlette(routes=routes)
        app.add_middleware(ASGIProbe, monitor=monitor)
    async with serving(app, **options) as where:
        yield monitor, where
    snapshot = monitor.snapshot()
    assert snapshot.opened - snapshot.closed == snapshot.open == 0
    assert monitor.probe_failures == 0
    monitor.close()


async def row(monitor: Monitor, closed: int = 1) -> ConnectionInfo:
    """Wait until the only connection has closed, and return its row."""
    await until(lambda: monitor.snapshot().closed == closed)
    monitor.tick()
    (info,) = monitor.collector.connections()
    return info


def events(monitor: Monitor, kind: str) -> list[Event]:
    """Return the Events of one kind."""
    monitor.tick()
    return [event for event in monitor.collector.history.events() if event.kind == kind]


async def echo(websocket: WebSocket) -> None:
    """Send each message back."""
    await websocket.accept(subprotocol=next(iter(websocket.scope["subprotocols"]), None))
    while True:
        message = await websocket.receive()
        if message["type"] == "websocket.disconnect":
            break
        if message.get("text") is not None:
            await websocket.send_text(message["text"])
        else:
            await websocket.send_bytes(message["bytes"])


async def numbers(count: int) -> AsyncIterator[str]:
    """Yield an event stream in which each event has a comment before it and two data lines."""
    for number in range(count):
        yield f": alive\n\nid: {number}\nevent: n\ndata: {number}\ndata: grüße\n\n"
