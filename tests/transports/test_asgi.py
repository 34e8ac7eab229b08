"""The hub as an ASGI application: paths, limits, mounting, shutdown."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx
import pytest
import socketio
from fastapi import FastAPI
from sse_starlette.sse import AppStatus
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

import rtmon
from rtmon.asgi import measured, serve
from rtmon.errors import OptionError, PortInUse
from rtmon.hub.transports.asgi import app
from rtmon.testing import until
from tests.probes.serving import serving
from tests.transports.conftest import Begin, House
from tests.transports.links import SocketIOLink, Stream


async def next_of(connection: ClientConnection, kind: str) -> dict[str, Any]:
    """Return the next message of this type."""
    async with asyncio.timeout(60):
        while True:
            message = json.loads(await connection.recv())
            if message["type"] == kind:
                return message  # type: ignore[no-any-return]


async def test_name_in_the_path_is_the_clients_name_unless_the_query_has_one(house: House) -> None:
    """Client gets the name after ``/ws/`` in its URL unless the query has a name, while the hub
    chooses the client id.
    """
    ids = set()
    for path, name in [
        ("ws/ada", "ada"),
        ("ws/ada", "ada"),
        ("ws/ada?name=bo", "bo"),
        ("?name=cy", "cy"),
    ]:
        async with connect(f"ws://{house.where}/{path}", proxy=None) as client:
            payload = (await next_of(client, "welcome"))["payload"]
            assert payload["name"] == name
            ids.add(payload["client_id"])
    assert len(ids) == 4
    assert "ada" not in ids
    await until(lambda: house.row("bo").state == "closed")
    assert house.row("bo").path == "/ws/{client_id}"
    assert house.row("cy").path == "/"


async def test_asgi_server_disables_nagles_algorithm() -> None:
    """ASGI server sets ``TCP_NODELAY`` on its connections, so that small messages are sent
    without delay.
    """
    async with serve(rtmon.Hub(), "127.0.0.1", 0) as server, connect(server.url):
        (protocol,) = server._uvicorn.server_state.connections
        sock = protocol.transport.get_extra_info("socket")  # type: ignore[union-attr]
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


async def test_asgi_application_refuses_unknown_paths_and_serves_page_script_and_health(
    house: House,
) -> None:
    """ASGI application of a hub answers unknown paths with 403 or 404, and serves its chat page,
    script and health check.
    """
    for path in ("elsewhere", "ws/a/b", "events"):
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"ws://{house.where}/{path}", proxy=None)
        assert refused.value.response.status_code == 403
    async with httpx.AsyncClient(base_url=f"http://{house.where}", trust_env=False) as http:
        assert (await http.get("/healthz")).text == "ok\n"
        assert (await http.get("/elsewhere")).status_code == 404
        no_socket = await http.get("/ws/ada")
        assert (no_socket.status_code, no_socket.headers["upgrade"]) == (426, "websocket")
        assert "ws://" in no_socket.text
        page = await http.get("/")
        assert page.headers["content-type"].startswith("text/html")
        assert "default-src 'none'" in page.headers["content-security-policy"]
        script = await http.get("/rtmon.js")
        assert script.headers["content-type"].startswith("text/javascript")
        cached = await http.get("/", headers={"If-None-Match": page.headers["etag"]})
        assert cached.status_code == 304


async def test_asgi_server_closes_client_with_1009_when_its_message_is_too_large(
    house: House,
) -> None:
    """ASGI server closes a client with 1009 when it sends a message above the size limit."""
    for text in ("x" * 131_073, "€" * 50_000):
        async with connect(f"ws://{house.where}/ws", proxy=None) as client:
            await next_of(client, "welcome")
            await client.send(text)
            with pytest.raises(ConnectionClosed):
                await next_of(client, "nothing")
            assert client.close_code == 1009


async def test_hub_ignores_messages_after_it_has_closed_the_connection(house: House) -> None:
    """Hub ignores further messages of a connection that it has closed, over WebSocket,
    Server-Sent Events and Socket.IO.
    """
    heard: list[Any] = []
    house.hub.subscribe("news", heard.append)
    stream = await house.stream("name=ada&channel=big")
    assert (await stream.next()).name == "welcome"
    link = await house.socket(rooms=[])
    await link.next()
    native = await house.stack.enter_async_context(rtmon.serve(house.hub, "127.0.0.1", 0))
    ws = await house.stack.enter_async_context(connect(native.url, proxy=None))
    await next_of(ws, "welcome")
    message = {"type": "publish", "payload": {"channel": "news", "data": "let me"}}
    assert (await stream.post(json.dumps(message))).status_code == 202
    await link.call("publish", message["payload"])
    await ws.send(json.dumps(message))
    await until(lambda: len(heard) == 3)

    house.hub.context.options = replace(house.hub.options, max_waiting=100_000_000)
    for _ in range(20):
        await house.hub.publish("big", "x" * 750_000)
    await until(lambda: house.unsent)
    peers = {each.peer.transport: each.peer for each in house.hub.connections.values()}
    for peer in peers.values():
        peer.close(1008, "no more")
    await ws.send(json.dumps(message))
    await peers["socketio"].receive("publish", [message["payload"]], None)
    assert (await stream.post(json.dumps(message))).status_code == 401
    with pytest.raises(ConnectionClosed):
        await next_of(ws, "nothing")
    assert len(heard) == 3


async def test_full_hub_refuses_websocket_and_event_stream_with_1013(begin: Begin) -> None:
    """Hub at ``max_connections`` closes a WebSocket and an event stream with 1013."""
    house = await begin(max_connections=1)
    async with connect(f"ws://{house.where}/ws", proxy=None) as first:
        await next_of(first, "welcome")
        async with connect(f"ws://{house.where}/ws", proxy=None) as second:
            with pytest.raises(ConnectionClosed):
                await second.recv()
            assert second.close_code == 1013
        stream = await house.stream()
        event = await stream.next()
        assert event.name == "disconnect"
        assert json.loads(event.data)["payload"]["code"] == 1013


async def test_slow_asgi_websocket_is_disconnected_and_its_buffer_freed(begin: Begin) -> None:
    """WebSocket under ASGI whose client stops reading is disconnected, and uvicorn's write
    buffer is freed.
    """
    house = await begin(max_waiting=200_000, stalled=0.5, history=0)
    url = f"ws://{house.where}/ws/eve"
    async with connect(url, proxy=None, max_queue=1, compression=None) as eve:
        await eve.send('{"type": "subscribe", "payload": {"channel": "big"}}')
        await until(lambda: house.hub.registry.subscriptions.receivers("big"))
        eve.transport.pause_reading()
        async with asyncio.timeout(60):
            while house.hub.connections:
                await house.hub.publish("big", "x" * 50_000)
                await asyncio.sleep(0.001)
        await until(lambda: house.row("eve").state == "closed")
        await until(lambda: not house.unsent)
        assert (house.row("eve").dropped or 0) > 0
        eve.transport.abort()


@asynccontextmanager
async def mounted() -> AsyncIterator[tuple[rtmon.Hub, rtmon.Monitor, str]]:
    """Serve a hub mounted in a FastAPI application with a probe around it; close it twice at the
    end.
    """
    hub, monitor = rtmon.Hub(announce=0.02), rtmon.Monitor(interval=1000)
    live = app(hub)
    whole = FastAPI()
    whole.add_middleware(rtmon.ASGIProbe, monitor=monitor)
    whole.mount("/live", measured(live, monitor))
    async with serving(whole, ws="websockets-sansio") as where:
        yield hub, monitor, where
        await live.aclose()
        await live.aclose()
    monitor.close()


async def test_hub_mounted_in_fastapi_serves_every_transport() -> None:
    """Hub mounted below a path of a FastAPI application serves every transport, and each
    connection is counted once.
    """
    async with mounted() as (hub, monitor, where):
        async with connect(f"ws://{where}/live/ws/ada", proxy=None) as ada:
            await next_of(ada, "welcome")
            stream = await Stream.open(f"http://{where}/live/events?name=bo")
            assert (await stream.next()).name == "welcome"
            link = SocketIOLink()
            await link.client.connect(
                f"http://{where}",
                socketio_path="/live/socket.io",
                auth={"name": "cy"},
                wait_timeout=60,
            )
            await link.call("chat_message", {"text": "hello"})
            assert (await next_of(ada, "chat_message"))["payload"]["name"] == "cy"
            async with httpx.AsyncClient(trust_env=False) as http:
                assert (await http.get(f"http://{where}/live/healthz")).text == "ok\n"
            assert len(hub.connections) == 3
            monitor.tick()
            open_now = {
                info.name: info.transport.partition("-")[0]
                for info in monitor.collector.connections()
            }
            assert open_now == {"ada": "websocket", "bo": "sse", "cy": "socketio"}
            await stream.aclose()
            await link.aclose()
        await until(lambda: monitor.snapshot().open == 0)
        assert monitor.probe_failures == 0


async def otherwise(_self: Any, _eio_sid: str, _packet: Any, _more: Any) -> None:
    """Stand in for a python-socketio method whose signature has changed."""


def test_asgi_serve_raises_option_error_when_given_an_application() -> None:
    """``rtmon.asgi.serve()`` raises OptionError that names what to pass when it gets an ASGI
    application instead of a hub.
    """
    with pytest.raises(OptionError, match=r"takes a hub, not .*give rtmon.Hub\(\) itself"):
        serve(app(rtmon.Hub()), "127.0.0.1", 0)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("owner", "name", "other"),
    [
        (socketio.AsyncServer, "_send_packet", None),
        (socketio.AsyncServer, "_send_packet", otherwise),
        (socketio.AsyncManager, "eio_sid_from_sid", None),
    ],
)
def test_hub_application_raises_option_error_for_unsupported_python_socketio(
    monkeypatch: pytest.MonkeyPatch, owner: type, name: str, other: Any
) -> None:
    """ASGI application of a hub raises OptionError at its creation when python-socketio's
    internals are not the expected ones.
    """
    app(rtmon.Hub())
    for cls in owner.__mro__:
        if name in vars(cls):
            monkeypatch.delattr(cls, name)
    if other is not None:
        monkeypatch.setattr(owner, name, other, raising=False)
    with pytest.raises(OptionError, match=rf"python-socketio 5\..*{name}.*pip install"):
        app(rtmon.Hub())


async def test_asgi_serve_raises_port_in_use() -> None:
    """``rtmon.asgi.serve()`` raises PortInUse when its port is in use."""
    async with serve(rtmon.Hub(), port=0) as server:
        with pytest.raises(PortInUse, match="in use"):
            await serve(rtmon.Hub(), port=server.port)


async def test_event_stream_stays_open_after_another_server_was_stopped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Event stream stays open although an earlier server of this process was stopped by a
    signal.
    """
    monkeypatch.setattr(AppStatus, "should_exit", True)
    hub = rtmon.Hub(announce=0.02)
    async with serve(hub, port=0) as server:
        stream = await Stream.open(f"http://127.0.0.1:{server.port}/events?channel=news")
        for number in range(3):
            while (event := await stream.next()).name != ("publication" if number else "ack"):
                pass
            await hub.publish("news", number)
        assert json.loads(event.data)["payload"]["data"] == 1
        assert server._uvicorn.config.timeout_keep_alive > 60
        await stream.aclose()


async def test_stopping_server_closes_every_transport_with_1001() -> None:
    """ASGI server that stops closes clients of every transport with 1001."""
    hub = rtmon.Hub(announce=0.02)
    async with serve(hub, port=0, admin=0) as server:
        assert server.admin_url is not None
        where = server.url.removeprefix("ws://")
        ws = await connect(server.url, proxy=None)
        stream = await Stream.open(f"http://{where}/events")
        await stream.next()
        link = await SocketIOLink.open(f"http://{where}", "websocket")
        await link.next()
    with pytest.raises(ConnectionClosed):
        await next_of(ws, "nothing")
    assert ws.close_code == 1001
    event = await stream.next()
    while event.name != "disconnect":
        event = await stream.next()
    assert json.loads(event.data)["payload"]["code"] == 1001
    message = await link.next()
    while message["type"] != "disconnect":
        message = await link.next()
    assert message["payload"]["code"] == 1001
    await stream.aclose()
    await link.aclose()
    await ws.close()
