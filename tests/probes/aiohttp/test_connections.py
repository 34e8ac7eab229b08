"""The probe for aiohttp servers: rows, causes of closing, rejected handshakes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import aiohttp
import pytest
import socketio
from aiohttp import web
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from rtmon import Monitor
from rtmon.errors import OptionError
from rtmon.probes import socketio as socketio_probe
from rtmon.probes.aiohttp import Instrument, instrument
from rtmon.testing import until
from tests.probes.asgi.watching import row

Talk = Callable[[web.WebSocketResponse], Awaitable[None]]


@asynccontextmanager
async def running(app: web.Application) -> AsyncIterator[str]:
    """Serve an aiohttp application, and yield ``127.0.0.1:port``."""
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield "{}:{}".format(*runner.addresses[0])
    finally:
        await runner.cleanup()


@asynccontextmanager
async def watched(talk: Talk, **options: Any) -> AsyncIterator[tuple[Monitor, Instrument, str]]:
    """Serve a WebSocket handler at ``/rooms/{room}`` in an application with a probe."""
    app, monitor = web.Application(), Monitor(interval=1000)
    probe = instrument(app, monitor)

    async def handler(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(**options)
        await socket.prepare(request)
        await talk(socket)
        return socket

    app.router.add_get("/rooms/{room}", handler)
    async with running(app) as where:
        yield monitor, probe, where
    snapshot = monitor.snapshot()
    assert snapshot.opened - snapshot.closed == snapshot.open == 0
    assert monitor.probe_failures == 0
    monitor.close()


async def read(socket: web.WebSocketResponse) -> None:
    """Receive until the connection ends, as most handlers do."""
    async for _ in socket:
        pass


async def test_aiohttp_connection_row_has_address_user_agent_route_and_name() -> None:
    """Monitor's connection row of an aiohttp WebSocket has the client's address, user agent and
    subprotocol, the route's template and the given name.
    """
    probe: Instrument

    async def talk(socket: web.WebSocketResponse) -> None:
        meter = probe.meter()
        assert meter is not None
        meter.name = "ada"
        await socket.send_json({"text": "grüße"})
        await read(socket)

    async with watched(talk, protocols=("chat",)) as (monitor, probe, where):
        options: Any = {"user_agent_header": "tests", "subprotocols": ["chat"]}
        async with connect(f"ws://{where}/rooms/7?token=secret", **options) as client:
            text = str(await client.recv())
            address = "{}:{}".format(*client.local_address)
        info = await row(monitor)
    assert (info.remote, info.name, info.path) == (address, "ada", "/rooms/{room}")
    assert (info.user_agent, info.subprotocol) == ("tests", "chat")
    assert (info.messages_out, info.bytes_out) == (1, len(text.encode()))
    assert (info.rtt, info.wire_in, info.wire_out) == (None, None, None)
    assert probe.meter() is None


async def test_aiohttp_connection_row_has_both_close_codes_when_the_handler_closes() -> None:
    """Monitor's connection row of an aiohttp WebSocket has the sent and the received close code,
    and initiator ``local``, when the handler closes.
    """

    async def talk(socket: web.WebSocketResponse) -> None:
        await socket.close(code=4000, message=b"enough")

    async with watched(talk) as (monitor, _, where):
        async with connect(f"ws://{where}/rooms/7") as client:
            with pytest.raises(ConnectionClosed):
                await client.recv()
        info = await row(monitor)
    assert (info.code_sent, info.reason_sent, info.code_received) == (4000, "enough", 4000)
    assert (info.close_code, info.initiator, info.cause) == (4000, "local", "closed")


@pytest.mark.parametrize("receives", ["receive", "receive_str"])
async def test_aiohttp_connection_row_has_the_clients_close_code_when_the_client_closes(
    receives: str,
) -> None:
    """Monitor's connection row of an aiohttp WebSocket has the client's close code, initiator
    ``remote`` and no error when the client closes.
    """

    async def talk(socket: web.WebSocketResponse) -> None:
        await getattr(socket, receives)()

    async with watched(talk) as (monitor, _, where):
        client = await connect(f"ws://{where}/rooms/7")
        await client.close(4001, "bye")
        info = await row(monitor)
    assert (info.code_received, info.reason_received, info.code_sent) == (4001, "bye", 1000)
    assert (info.close_code, info.initiator, info.cause) == (4001, "remote", "closed")
    assert info.errors == 0


async def test_aiohttp_send_to_a_vanished_client_counts_as_no_handler_error() -> None:
    """Probe for aiohttp counts no handler error when ``send`` raises because the client has
    vanished.
    """

    async def talk(socket: web.WebSocketResponse) -> None:
        while True:
            await socket.send_bytes(bytes(10))
            await asyncio.sleep(0)

    async with watched(talk) as (monitor, _, where):
        client = await connect(f"ws://{where}/rooms/7")
        await client.recv()
        client.transport.abort()
        info = await row(monitor)
    assert (info.close_code, info.cause, info.errors) == (1006, "peer vanished", 0)


async def vanish(client: ClientConnection) -> None:
    """Abort the TCP connection."""
    client.transport.abort()


async def violate(client: ClientConnection) -> None:
    """Send a frame with an undefined opcode."""
    client.transport.write(b"\x83\x80\x00\x00\x00\x00")


async def be_silent(client: ClientConnection) -> None:
    """Stop reading, so that no ping is answered."""
    client.transport.pause_reading()


@pytest.mark.parametrize(
    ("act", "code", "initiator", "cause", "errors"),
    [
        (vanish, 1006, None, "peer vanished", 0),
        (violate, 1002, "local", "protocol error", 1),
        (be_silent, 1006, None, "ping timeout", 0),
    ],
)
async def test_aiohttp_connection_row_has_the_cause_when_a_connection_fails(
    act: Callable[[ClientConnection], Awaitable[None]],
    code: int,
    initiator: str | None,
    cause: str,
    errors: int,
) -> None:
    """Monitor's connection row of an aiohttp WebSocket has the cause of a vanished client, a
    protocol error or a ping timeout.
    """
    async with watched(read, heartbeat=0.2 if act is be_silent else None, timeout=0.2) as (
        monitor,
        _,
        where,
    ):
        client = await connect(f"ws://{where}/rooms/7")
        await act(client)
        info = await row(monitor)
        client.transport.abort()
    assert (info.close_code, info.initiator, info.cause) == (code, initiator, cause)
    assert info.errors == errors


async def test_aiohttp_connection_row_has_cause_server_shutdown_when_the_application_stops() -> (
    None
):
    """Monitor's connection row of an aiohttp WebSocket has the cause ``server shutdown`` when
    the application stops.
    """
    async with watched(read) as (monitor, _, where):
        await connect(f"ws://{where}/rooms/7")
        await until(lambda: monitor.snapshot().open == 1)
    (info,) = monitor.collector.connections()
    assert info.cause == "server shutdown"


async def test_aiohttp_probe_counts_rejected_handshakes_and_http_requests_separately() -> None:
    """Probe for aiohttp counts a failed handshake as rejected with its status, and other
    requests as HTTP requests.
    """

    async def talk(_: web.WebSocketResponse) -> None:
        raise AssertionError

    async with watched(talk, protocols=()) as (monitor, _, where):
        with pytest.raises(InvalidStatus):
            await connect(f"ws://{where}/nowhere")
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://{where}/rooms/7") as response,
        ):
            assert response.status == 400
        monitor.tick()
        snapshot = monitor.snapshot()
        events = monitor.collector.history.events()
    assert (snapshot.rejected, snapshot.http_requests, snapshot.opened) == (1, 1, 0)
    assert [event.code for event in events if event.kind == "rejected"] == [404]


@pytest.mark.matrix  # aiohttp waits ten seconds for a close frame.
async def test_aiohttp_connection_row_ends_when_the_handler_returns_no_response() -> None:
    """Monitor's connection row of an aiohttp WebSocket ends with cause ``aborted`` when the
    handler does not return its response.
    """
    app, monitor = web.Application(), Monitor(interval=1000)
    instrument(app, monitor)

    async def handler(request: web.Request) -> Any:
        await web.WebSocketResponse().prepare(request)

    app.router.add_get("/", handler)
    async with running(app) as where:
        async with connect(f"ws://{where}/") as client:
            with suppress(ConnectionClosed, asyncio.TimeoutError):
                await asyncio.wait_for(client.recv(), 5)
        info = await row(monitor)
    assert (info.close_code, info.cause) == (1006, "aborted")
    assert monitor.probe_failures == 0


async def test_socketio_connection_is_counted_once_when_aiohttp_has_a_probe_too() -> None:
    """Socket.IO connection is counted once, by the Socket.IO probe, when the aiohttp application
    has a probe of the same Monitor too.
    """
    monitor = Monitor(interval=1000)
    sio = socketio.AsyncServer(async_mode="aiohttp")
    app = web.Application()
    sio.attach(app)
    instrument(app, monitor)
    socketio_probe.instrument(sio, monitor)
    async with running(app) as where:
        client = socketio.AsyncClient()
        await client.connect(f"http://{where}", wait_timeout=60)
        await until(lambda: client.transport() == "websocket")
        await client.emit("x")
        await until(lambda: monitor.snapshot().messages_in == 1)
        await client.disconnect()
        info = await row(monitor)
        await sio.shutdown()
    assert (monitor.snapshot().opened, info.transport) == (1, "socketio-websocket")
    assert monitor.snapshot().http_requests == 0
    assert monitor.probe_failures == 0


async def test_aiohttp_instrument_raises_option_error_for_wrong_or_started_application() -> None:
    """Function ``instrument()`` for aiohttp returns the same probe each time, and raises
    OptionError for a wrong or already started application.
    """
    monitor, app = Monitor(interval=1000), web.Application()
    assert instrument(app, monitor) is instrument(app, monitor)
    with pytest.raises(OptionError, match=r"aiohttp\.web\.Application"):
        instrument(app.router, monitor)  # type: ignore[arg-type]
    async with running(app):
        with pytest.raises(OptionError, match="before"):
            instrument(app, Monitor(interval=1000))
