"""Runs the probe contract for every probe, and checks that the contract detects wrong probes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import socketio
import tornado.httpserver
import tornado.netutil
import tornado.web
import tornado.websocket
from aiohttp import web
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.sync import server as sync_server
from websockets.version import version

from rtmon import ASGIProbe, Monitor
from rtmon.metrics.meter import Ending
from rtmon.probes import aiohttp, websockets_sync
from rtmon.probes import tornado as tornado_probe
from rtmon.probes.base import ConnectionProbe, attempt, peer_address, text_size
from rtmon.probes.socketio import instrument
from rtmon.probes.websockets import inlined_calls, probed
from tests.probes.contract import (
    CONVERSATIONS,
    FAIL,
    REFUSED,
    Library,
    SocketIOClient,
    probe_counts_every_message_once,
)
from tests.probes.serving import serving


def _answer(message: Any) -> Any:
    if message == FAIL:
        raise LookupError("no such room")
    return message


async def _echo(connection: ServerConnection) -> None:
    async for message in connection:
        await connection.send(_answer(message))


def _refuse(connection: ServerConnection, request: Any) -> Any:
    return connection.respond(403, "no\n") if request.path == REFUSED else None


@asynccontextmanager
async def _websockets(monitor: Monitor, *, way: Any) -> AsyncIterator[str]:
    monitor.collector.expect("websockets")
    connection_class = probed(monitor, ServerConnection, way=way)
    options = {"create_connection": connection_class, "process_request": _refuse}
    async with serve(_echo, "127.0.0.1", 0, **options) as server:
        yield "{}:{}".format(*next(iter(server.sockets)).getsockname())


@asynccontextmanager
async def _asgi(monitor: Monitor) -> AsyncIterator[str]:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert (await receive())["type"] == "websocket.connect"
        if scope["path"] == REFUSED:
            await send({"type": "websocket.close"})
            return
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            _answer(message.get("text"))
            await send({**message, "type": "websocket.send"})

    async with serving(ASGIProbe(app, monitor=monitor), lifespan="off") as address:
        yield address


@asynccontextmanager
async def _socketio(monitor: Monitor) -> AsyncIterator[str]:
    sio = socketio.AsyncServer(async_mode="asgi")

    @sio.event
    async def echo(sid: str, message: Any) -> None:
        await sio.emit("echo", message, to=sid)

    @sio.event
    async def fail(sid: str, message: Any) -> None:
        _answer(message)

    instrument(sio, monitor)
    async with serving(socketio.ASGIApp(sio)) as address:
        yield address
        await sio.shutdown()


@asynccontextmanager
async def _aiohttp(monitor: Monitor) -> AsyncIterator[str]:
    async def echo(request: web.Request) -> web.StreamResponse:
        if request.path == REFUSED:
            raise web.HTTPForbidden
        socket = web.WebSocketResponse(max_msg_size=1 << 20)
        await socket.prepare(request)
        async for message in socket:
            answer = _answer(message.data)
            await (socket.send_str if isinstance(answer, str) else socket.send_bytes)(answer)
        return socket

    app = web.Application()
    app.router.add_get("/{tail:.*}", echo)
    aiohttp.instrument(app, monitor)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield "{}:{}".format(*runner.addresses[0])
    finally:
        await runner.cleanup()


@asynccontextmanager
async def _threads(monitor: Monitor) -> AsyncIterator[str]:
    def echo(connection: sync_server.ServerConnection) -> None:
        for message in connection:
            connection.send(_answer(message))

    def refuse(connection: Any, request: Any) -> Any:
        return connection.respond(403, "no\n") if request.path == REFUSED else None

    monitor.arm("probe")  # Makes the Monitor tick on the test's own loop.
    options = {"create_connection": websockets_sync.probe(monitor), "process_request": refuse}
    with sync_server.serve(echo, "127.0.0.1", 0, **options) as server:
        serving_thread = threading.Thread(target=server.serve_forever)
        serving_thread.start()
        try:
            yield "{}:{}".format(*server.socket.getsockname())
        finally:
            await asyncio.to_thread(server.shutdown)
            await asyncio.to_thread(serving_thread.join)


class _TornadoEcho(tornado.websocket.WebSocketHandler):
    open_now: set[_TornadoEcho]

    def initialize(self, open_now: set[_TornadoEcho]) -> None:
        self.open_now = open_now

    def prepare(self) -> None:
        if self.request.path == REFUSED:
            raise tornado.web.HTTPError(403)

    def open(self) -> None:
        self.open_now.add(self)

    async def on_message(self, message: str | bytes) -> None:
        await self.write_message(_answer(message), binary=isinstance(message, bytes))

    def on_close(self) -> None:
        self.open_now.discard(self)


@asynccontextmanager
async def _tornado(monitor: Monitor) -> AsyncIterator[str]:
    open_now: set[_TornadoEcho] = set()
    app = tornado.web.Application([("/.*", _TornadoEcho, {"open_now": open_now})])
    tornado_probe.instrument(app, monitor)
    server = tornado.httpserver.HTTPServer(app)
    (socket,) = tornado.netutil.bind_sockets(0, "127.0.0.1")
    server.add_socket(socket)
    try:
        yield "{}:{}".format(*socket.getsockname())
    finally:
        server.stop()
        for handler in open_now:  # Tornado does not close open connections itself.
            handler.close(1001)
        await server.close_all_connections()


class HandlerProbe(ConnectionProbe):
    """The smallest possible probe: it counts inside a handler of ``websockets``."""

    __slots__ = ()

    kind = "asgi"  # A handler can fill the same columns.


@asynccontextmanager
async def _handler(
    monitor: Monitor, *, probe_class: type[ConnectionProbe] = HandlerProbe
) -> AsyncIterator[str]:
    monitor.collector.expect(probe_class.kind)

    async def handler(connection: ServerConnection) -> None:
        probe = probe_class(monitor)
        probe.meter.remote = peer_address(connection.remote_address)
        attempt(monitor, probe.opened)
        try:
            while True:
                message = await connection.recv()
                binary = isinstance(message, bytes)
                size = len(message) if isinstance(message, bytes) else text_size(message)
                attempt(monitor, partial(probe.received, size, binary=binary, handed=True))
                await connection.send(_answer(message))
                attempt(monitor, partial(probe.sent, size, binary=binary))
                attempt(monitor, probe.asked)
        except ConnectionClosed as exc:
            by_client = exc.rcvd is not None and exc.rcvd_then_sent is not False
            initiator, cause = ("remote", "closed") if by_client else (None, "peer vanished")
            ending: Any = {"initiator": initiator, "cause": cause}
        except LookupError as exc:
            attempt(monitor, probe.handler_failed, exc)
            ending = {"cause": "handler failed"}
            raise
        finally:
            attempt(monitor, probe.asked)
            attempt(monitor, probe.ended, Ending(**ending))

    def refuse(connection: ServerConnection, request: Any) -> Any:
        answer = _refuse(connection, request)
        if answer is not None:
            attempt(monitor, partial(probe_class(monitor).rejected, status=403, detail="refused"))
        return answer

    async with serve(handler, "127.0.0.1", 0, process_request=refuse) as server:
        yield "{}:{}".format(*next(iter(server.sockets)).getsockname())


_IN_HANDLER = Library(kind="asgi", serve=_handler)
_KNOWN = ["flat", "fast"] if version in inlined_calls.TESTED else []
LIBRARIES = {
    **{
        f"websockets, {way}": Library(kind="websockets", serve=partial(_websockets, way=way))
        for way in ["around", *_KNOWN]
    },
    "ASGI": Library(kind="asgi", serve=_asgi),
    "Socket.IO": Library(kind="socketio", serve=_socketio, client=SocketIOClient),
    "aiohttp": Library(kind="aiohttp", serve=_aiohttp),
    "websockets.sync": Library(kind="websockets-sync", serve=_threads),
    "Tornado": Library(kind="tornado", serve=_tornado),
    "in the handler": _IN_HANDLER,
}


@pytest.mark.parametrize("conversation", CONVERSATIONS, ids=lambda each: each.__name__)
@pytest.mark.parametrize("library", LIBRARIES.values(), ids=LIBRARIES)
async def test_probe_reports_what_the_contract_requires(
    library: Library, conversation: Callable[[Library], Awaitable[None]]
) -> None:
    """Probe of each library meets the contract that all probes share, in each of the contract's
    conversations.
    """
    await conversation(library)


class CountsTwice(HandlerProbe):
    """A wrong probe that counts each received message twice, as two probes on a connection
    would.
    """

    __slots__ = ()

    def received(self, *args: Any, **kwargs: Any) -> None:
        super().received(*args, **kwargs)
        super().received(*args, **kwargs)


class NeverEnds(HandlerProbe):
    """A wrong probe that never reports the end of a connection."""

    __slots__ = ()

    def ended(self, ending: Ending) -> None:
        """Do nothing."""


@pytest.mark.parametrize("wrong", [CountsTwice, NeverEnds])
async def test_contract_fails_for_probe_that_counts_twice_or_reports_no_end(
    wrong: type[ConnectionProbe],
) -> None:
    """Probe contract fails for a probe that counts messages twice, and for a probe that never
    reports the end of a connection.
    """
    library = replace(_IN_HANDLER, serve=partial(_handler, probe_class=wrong), patience=1.0)
    with pytest.raises((AssertionError, TimeoutError)):
        await probe_counts_every_message_once(library)
