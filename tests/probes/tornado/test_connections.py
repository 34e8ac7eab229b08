"""The probe for Tornado servers: rows, causes of closing, rejected handshakes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import socketio
import tornado.httpserver
import tornado.netutil
from tornado.web import Application, RequestHandler
from tornado.websocket import WebSocketHandler
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from rtmon import Monitor
from rtmon.errors import OptionError
from rtmon.probes import socketio as socketio_probe
from rtmon.probes.tornado import Instrument, instrument
from rtmon.testing import until
from tests.probes.asgi.watching import row


@asynccontextmanager
async def running(app: Application) -> AsyncIterator[str]:
    """Serve a Tornado application, and yield ``127.0.0.1:port``."""
    server = tornado.httpserver.HTTPServer(app)
    (socket,) = tornado.netutil.bind_sockets(0, "127.0.0.1")
    server.add_socket(socket)
    try:
        yield "{}:{}".format(*socket.getsockname())
    finally:
        server.stop()
        await server.close_all_connections()


class Quiet(WebSocketHandler):
    """A handler that receives messages and sends nothing."""

    def on_message(self, message: str | bytes) -> None:
        """Ignore the message."""


@asynccontextmanager
async def watched(
    handler: type[RequestHandler] = Quiet, **settings: Any
) -> AsyncIterator[tuple[Monitor, Instrument, str]]:
    """Serve a handler at ``/rooms/{room}`` in an application with a probe."""
    app = Application([(r"/rooms/(?P<room>\w+)", handler)], **settings)
    monitor = Monitor(interval=1000)
    probe = instrument(app, monitor)
    async with running(app) as where:
        yield monitor, probe, where
    snapshot = monitor.snapshot()
    assert snapshot.opened - snapshot.closed == snapshot.open == 0
    assert monitor.probe_failures == 0
    monitor.close()


async def test_tornado_connection_row_has_address_user_agent_path_template_and_name() -> None:
    """Monitor's connection row of a Tornado WebSocket has the client's address, user agent and
    subprotocol, the path template and the given name.
    """

    class Named(WebSocketHandler):
        def select_subprotocol(self, subprotocols: list[str]) -> str:
            return subprotocols[0]

        def open(self, room: str) -> None:
            meter = probe.meter()
            assert meter is not None
            meter.name = "ada"
            self.write_message({"text": "grüße"})

    async with watched(Named) as (monitor, probe, where):
        options: Any = {"user_agent_header": "tests", "subprotocols": ["chat"]}
        async with connect(f"ws://{where}/rooms/7?token=secret", **options) as client:
            text = str(await client.recv())
            address = "{}:{}".format(*client.local_address)
        info = await row(monitor)
    assert (info.remote, info.name, info.path) == (address, "ada", "/rooms/{room}")
    assert (info.user_agent, info.subprotocol) == ("tests", "chat")
    assert (info.messages_out, info.bytes_out) == (1, len(text.encode()))
    assert (info.wire_in, info.wire_out) == (None, None)
    assert probe.meter() is None


async def test_tornado_connection_row_has_both_close_codes_when_the_handler_closes() -> None:
    """Monitor's connection row of a Tornado WebSocket has the sent and the received close code,
    and initiator ``local``, when the handler closes.
    """

    class Closes(WebSocketHandler):
        def open(self, room: str) -> None:
            self.close(4000, "enough")

    async with watched(Closes) as (monitor, _, where):
        async with connect(f"ws://{where}/rooms/7") as client:
            with pytest.raises(ConnectionClosed):
                await client.recv()
        info = await row(monitor)
    assert (info.code_sent, info.reason_sent, info.code_received) == (4000, "enough", 4000)
    assert (info.close_code, info.initiator, info.cause) == (4000, "local", "closed")


@pytest.mark.parametrize(
    ("code", "reason", "received"), [(4001, "bye", 4001), (None, "", 1005)], ids=["code", "none"]
)
async def test_tornado_connection_row_has_the_clients_close_code_or_1005(
    code: int | None, reason: str, received: int
) -> None:
    """Monitor's connection row of a Tornado WebSocket has the client's close code, or 1005 when
    its close frame has none, and initiator ``remote``.
    """
    async with watched() as (monitor, _, where):
        client = await connect(f"ws://{where}/rooms/7")
        if code is None:
            client.protocol.send_close()
            client.transport.write(b"".join(client.protocol.data_to_send()))
            await client.wait_closed()
        else:
            await client.close(code, reason)
        info = await row(monitor)
    assert (info.code_received, info.reason_received) == (received, reason)
    assert (info.close_code, info.initiator, info.cause) == (received, "remote", "closed")
    assert info.errors == 0


async def vanish(client: ClientConnection) -> None:
    """Abort the TCP connection."""
    client.transport.abort()


async def send_too_much(client: ClientConnection) -> None:
    """Send a message above the size limit."""
    await client.send("x" * 2000)


async def be_silent(client: ClientConnection) -> None:
    """Stop reading, so that no ping is answered."""
    client.transport.pause_reading()


@pytest.mark.parametrize(
    ("act", "code", "initiator", "cause", "errors"),
    [
        (vanish, 1006, None, "peer vanished", 0),
        (send_too_much, 1009, "local", "protocol error", 1),
        pytest.param(be_silent, 1006, "local", "ping timeout", 0, marks=pytest.mark.matrix),
    ],
)
async def test_tornado_connection_row_has_cause_of_vanished_client_too_big_message_or_ping_timeout(
    act: Callable[[ClientConnection], Awaitable[None]],
    code: int,
    initiator: str | None,
    cause: str,
    errors: int,
) -> None:
    """Monitor's connection row of a Tornado WebSocket has the close code and cause of a vanished
    client, a too big message or a ping timeout.
    """
    ping = 0.2 if act is be_silent else None
    async with watched(websocket_max_message_size=1000, websocket_ping_interval=ping) as (
        monitor,
        _,
        where,
    ):
        client = await connect(f"ws://{where}/rooms/7")
        await until(lambda: monitor.snapshot().open == 1)
        await act(client)
        info = await row(monitor)
        client.transport.abort()
    assert (info.close_code, info.initiator, info.cause) == (code, initiator, cause)
    assert info.errors == errors


async def test_tornado_keepalive_ping_gives_a_round_trip_time() -> None:
    """Monitor's connection row of a Tornado WebSocket has the round-trip time of Tornado's
    keepalive ping.
    """
    async with watched(websocket_ping_interval=0.05) as (monitor, _, where):
        async with connect(f"ws://{where}/rooms/7"):
            await until(lambda: monitor.snapshot().rtt.count >= 1)
        assert (await row(monitor)).rtt is not None


@pytest.mark.parametrize("method", ["open", "on_message"])
async def test_tornado_connection_row_has_handler_failed_when_a_handler_method_raises(
    method: str,
) -> None:
    """Monitor's connection row of a Tornado WebSocket has one error and the cause ``handler
    failed`` when ``open`` or ``on_message`` raises.
    """

    class Fails(Quiet):
        def open(self, room: str) -> None:
            if method == "open":
                raise LookupError(room)

        async def on_message(self, message: str | bytes) -> None:
            raise LookupError(message)

    async with watched(Fails) as (monitor, _, where):
        async with connect(f"ws://{where}/rooms/7") as client:
            if method == "on_message":
                await client.send("x")
            with pytest.raises(ConnectionClosed):
                await client.recv()
        info = await row(monitor)
    assert (info.close_code, info.cause, info.errors) == (1006, "handler failed", 1)
    assert "LookupError" in str(info.traceback)


async def test_tornado_probe_counts_rejected_handshakes_and_http_requests_separately() -> None:
    """Probe for Tornado counts failed handshakes as rejected with their status, and other
    requests as HTTP requests.
    """
    async with watched() as (monitor, _, where):
        with pytest.raises(InvalidStatus):
            await connect(f"ws://{where}/nowhere")
        with pytest.raises(InvalidStatus):
            await connect(f"ws://{where}/rooms/7", origin="http://elsewhere")  # type: ignore[arg-type]
        async with httpx.AsyncClient() as client:
            assert (await client.get(f"http://{where}/rooms/7")).status_code == 400
        monitor.tick()
        snapshot = monitor.snapshot()
        events = monitor.collector.history.events()
    assert (snapshot.rejected, snapshot.http_requests, snapshot.opened) == (2, 1, 0)
    assert [event.code for event in events if event.kind == "rejected"] == [404, 403]


async def test_socketio_connection_is_counted_once_when_tornado_has_a_probe_too() -> None:
    """Socket.IO connection is counted once, by the Socket.IO probe, when the Tornado application
    has a probe of the same Monitor too.
    """
    monitor = Monitor(interval=1000)
    sio = socketio.AsyncServer(async_mode="tornado")
    socketio_probe.instrument(sio, monitor)
    app = Application([("/socket.io/", socketio.get_tornado_handler(sio))])
    instrument(app, monitor)
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


def test_tornado_instrument_raises_option_error_for_wrong_or_already_measured_application() -> None:
    """Function ``instrument()`` for Tornado returns the same probe each time, and raises
    OptionError for a second Monitor or a wrong object.
    """
    monitor, app = Monitor(interval=1000), Application()
    assert instrument(app, monitor) is instrument(app, monitor)
    with pytest.raises(OptionError, match="another Monitor"):
        instrument(app, Monitor(interval=1000))
    with pytest.raises(OptionError, match=r"tornado\.web\.Application"):
        instrument(app.default_router, monitor)  # type: ignore[arg-type]
