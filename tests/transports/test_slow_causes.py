"""Cause of closing in the connections table for slow consumers, over each ASGI transport."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from rtmon import Monitor
from rtmon.asgi import guarded
from rtmon.probes.asgi import ASGIProbe
from rtmon.testing import until
from tests.probes.serving import serving
from tests.transports.conftest import Begin, House

BOUNDS: dict[str, dict[str, Any]] = {
    "closed with 1013": {"max_waiting": 200_000, "stalled": 60.0, "max_waiting_age": 60.0},
    "stalled": {"slow": "drop_oldest", "stalled": 0.5},
}


@contextlib.asynccontextmanager
async def _websocket(house: House) -> AsyncIterator[ClientConnection]:
    url = f"ws://{house.where}/ws/eve"
    async with connect(url, proxy=None, max_queue=1, compression=None) as eve:
        await eve.send('{"type": "subscribe", "payload": {"channel": "big"}}')
        await until(lambda: house.hub.registry.subscriptions.receivers("big"))
        eve.transport.pause_reading()
        yield eve
        eve.transport.abort()


@contextlib.asynccontextmanager
async def _stream(house: House) -> AsyncIterator[None]:
    host, _, port = house.where.partition(":")
    with socket.socket() as eve:
        eve.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        eve.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(eve, (host, int(port)))
        request = b"GET /events?channel=big&name=eve HTTP/1.1\r\nHost: x\r\n\r\n"
        await loop.sock_sendall(eve, request)
        yield


@contextlib.asynccontextmanager
async def _socketio_websocket(house: House) -> AsyncIterator[None]:
    url = f"ws://{house.where}/socket.io/?EIO=4&transport=websocket&name=eve&channel=big"
    async with connect(url, proxy=None, max_queue=1, compression=None) as eve:
        await eve.recv()
        await eve.send("40")
        await until(lambda: house.hub.registry.subscriptions.receivers("big"))
        eve.transport.pause_reading()
        yield
        eve.transport.abort()


@contextlib.asynccontextmanager
async def _socketio_polling(house: House) -> AsyncIterator[None]:
    url = f"http://{house.where}/socket.io/?EIO=4&transport=polling&name=eve&channel=big"
    async with httpx.AsyncClient(trust_env=False) as http:
        sid = json.loads((await http.get(url)).text[1:])["sid"]
        await http.post(f"{url}&sid={sid}", content="40")
        await http.get(f"{url}&sid={sid}")
        yield  # The client sends no further poll.


@pytest.fixture
def monitor() -> Iterator[Monitor]:
    """A Monitor that ticks only when the test calls it."""
    monitor = Monitor(interval=1_000)
    yield monitor
    monitor.close()


ASGI = {
    "websocket": _websocket,
    "sse": _stream,
    "socketio-websocket": _socketio_websocket,
    "socketio-polling": _socketio_polling,
}


@pytest.mark.parametrize("bound", BOUNDS)
@pytest.mark.parametrize("transport", ASGI)
async def test_cause_is_slow_consumer_when_the_hub_disconnects_a_client_that_stops_reading(
    begin: Begin, monkeypatch: pytest.MonkeyPatch, transport: str, bound: str
) -> None:
    """Monitor's connections table has the cause ``slow consumer`` when the hub disconnects a
    client that stops reading, by queue size or by stall time.
    """
    monkeypatch.setattr("rtmon.hub.transports.queued_peer.CLOSE_TIMEOUT", 0.5)
    house = await begin(history=0, **BOUNDS[bound])
    come: Callable[[House], Any] = ASGI[transport]
    async with come(house), asyncio.timeout(60):
        await until(lambda: house.hub.connections)
        while house.hub.connections:
            await house.hub.publish("big", "x" * 50_000)
            await asyncio.sleep(0.001)
        await until(lambda: house.row("eve").state == "closed")
    assert house.row("eve").cause == "slow consumer"


async def test_cause_is_slow_consumer_when_the_client_receives_close_code_1013(
    begin: Begin,
) -> None:
    """Monitor's connections table has the cause ``slow consumer`` when a slow client reads again
    in time to receive close code 1013.
    """
    house = await begin(history=0, **BOUNDS["closed with 1013"])
    async with _websocket(house) as eve, asyncio.timeout(60):
        (session,) = house.hub.connections.values()
        while session.peer.open:
            await house.hub.publish("big", "x" * 50_000)
            await asyncio.sleep(0.001)
        eve.transport.resume_reading()
        with contextlib.suppress(ConnectionClosed):
            async for _ in eve:
                pass
        assert eve.close_code == 1013
        await until(lambda: house.row("eve").state == "closed")
    row = house.row("eve")
    assert (row.close_code, row.cause) == (1013, "slow consumer")


@pytest.mark.parametrize("transport", ["websocket", "socketio-websocket"])
async def test_cause_is_peer_vanished_when_a_client_aborts_its_connection(
    begin: Begin, transport: str
) -> None:
    """Monitor's connections table has the cause ``peer vanished`` when a client that is not slow
    aborts its connection.
    """
    house = await begin(history=0)
    come: Callable[[House], Any] = ASGI[transport]
    async with come(house):
        await until(lambda: house.hub.connections)
    await until(lambda: house.row("eve").state == "closed")
    assert house.row("eve").cause == "peer vanished"


async def test_cause_is_slow_consumer_when_uvicorns_stall_timeout_disconnects_a_client(
    monitor: Monitor,
) -> None:
    """Monitor's connections table has the cause ``slow consumer`` when uvicorn with rtmon's
    stall timeout, without a hub, disconnects a client that stops reading.
    """

    async def floods(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        with contextlib.suppress(OSError):
            while True:
                await send({"type": "websocket.send", "bytes": bytes(65_536)})

    application = ASGIProbe(floods, monitor=monitor)
    options = guarded(stall_timeout=0.4)
    async with (
        serving(application, lifespan="off", **options) as where,
        connect(f"ws://{where}/", proxy=None, max_queue=1, compression=None) as eve,
    ):
        eve.transport.pause_reading()
        await until(lambda: monitor.tick() and monitor.snapshot().closed == 1)
        eve.transport.abort()
    (row,) = monitor.collector.connections()
    assert row.cause == "slow consumer"
