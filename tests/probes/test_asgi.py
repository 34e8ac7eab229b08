from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import httpx
import pytest
from fastapi import APIRouter, FastAPI, WebSocket
from fastapi.responses import StreamingResponse
from fastapi.sse import EventSourceResponse
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route, WebSocketRoute
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import CloseCode

from rtmon import ASGIProbe, Monitor
from rtmon.metrics.records import ConnectionInfo, Event
from rtmon.probes.eventstream import EventStream
from rtmon.probes.routes import template
from rtmon.testing import until
from tests.probes.serving import serving

UNKNOWN = (
    "wire_in",
    "wire_out",
    "pings_in",
    "pings_out",
    "pongs_in",
    "pongs_out",
    "fragmented_in",
    "fragmented_out",
    "rtt",
    "send_queue",
)


@asynccontextmanager
async def watched(
    *routes: Any, wrap: bool = False, **options: Any
) -> AsyncIterator[tuple[Monitor, str]]:
    """Serve routes with a probe on them; wrap one ASGI application, or add a middleware."""
    monitor = Monitor(interval=1000)
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


async def row(monitor: Monitor) -> ConnectionInfo:
    """The one connection's row, once it has closed."""
    await until(lambda: monitor.snapshot().closed == 1)
    monitor.tick()
    (info,) = monitor.collector.connections()
    return info


def events(monitor: Monitor, kind: str) -> list[Event]:
    """The Events of a kind."""
    monitor.tick()
    return [event for event in monitor.collector.history.events() if event.kind == kind]


async def echo(websocket: WebSocket) -> None:
    """Give each message back."""
    await websocket.accept(subprotocol=next(iter(websocket.scope["subprotocols"]), None))
    while True:
        message = await websocket.receive()
        if message["type"] == "websocket.disconnect":
            break
        if message.get("text") is not None:
            await websocket.send_text(message["text"])
        else:
            await websocket.send_bytes(message["bytes"])


@pytest.mark.parametrize("ws", ["websockets-sansio", "wsproto", "websockets"])
@pytest.mark.filterwarnings(
    "ignore::uvicorn.config.UvicornDeprecationWarning", "ignore::DeprecationWarning"
)
async def test_every_known_counter_equals_what_a_client_counted(ws: str) -> None:
    """Messages and payload agree with the client's count to the byte, whatever implementation
    uvicorn uses, and what an ASGI server does not tell is null.
    """
    sent = ["hello", "grüße 🎉", b"\x00" * 70_000, "", b""]
    received = []
    async with watched(WebSocketRoute("/chat/{room}", echo), ws=ws) as (monitor, where):
        async with connect(
            f"ws://{where}/chat/blue?token=secret",
            subprotocols=cast("Any", ["chat"]),
            user_agent_header="tester/1",
        ) as client:
            local = "{}:{}".format(*client.local_address)
            for message in sent:
                await client.send(message)
                received.append(await client.recv())
            await client.send(["in ", "frag", "ments"])
            received.append(await client.recv())
            await client.close(4321, "done")
        info = await row(monitor)
        sample = monitor.collector.history.latest()
    assert received == [*sent, "in fragments"]
    size = sum(len(m.encode()) if isinstance(m, str) else len(m) for m in received)
    assert (info.messages_in, info.bytes_in, info.binary_in) == (6, size, 2)
    assert (info.messages_out, info.bytes_out, info.binary_out) == (6, size, 2)
    assert (info.path, info.remote) == ("/chat/{room}", local)
    assert (info.transport, info.subprotocol, info.user_agent) == ("websocket", "chat", "tester/1")
    assert (info.close_code, info.code_received, info.reason_received) == (4321, 4321, "done")
    assert (info.initiator, info.cause, info.code_sent) == ("remote", "closed", None)
    assert sample is not None
    assert (sample.bytes_in, sample.wire_in) == (size, None)
    assert [getattr(info, name) for name in UNKNOWN] == [None] * len(UNKNOWN)


async def test_the_server_closing_says_with_what() -> None:
    """A close by the application has its code and reason, and is this side's."""

    async def handler(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.close(4000, "enough")

    async with watched(WebSocketRoute("/", handler)) as (monitor, where):
        async with connect(f"ws://{where}/") as client:
            with pytest.raises(ConnectionClosed):
                await client.recv()
        info = await row(monitor)
    assert client.close_code == 4000
    assert (info.close_code, info.code_sent, info.reason_sent) == (4000, 4000, "enough")
    assert (info.initiator, info.code_received, info.cause) == ("local", None, "closed")
    assert info.errors == 0


@pytest.mark.parametrize("ws", ["websockets-sansio", "wsproto"])
async def test_a_vanished_peer_is_told_from_a_close_frame_without_a_code(ws: str) -> None:
    """TCP ending without a close frame is 1006; a close frame without a code is 1005, which
    came from the peer.
    """
    async with watched(WebSocketRoute("/", echo), ws=ws) as (monitor, where):
        client = await connect(f"ws://{where}/")
        client.transport.abort()
        await client.wait_closed()
        vanished = await row(monitor)
    async with watched(WebSocketRoute("/", echo), ws=ws) as (monitor, where):
        client = await connect(f"ws://{where}/")
        client.protocol.send_close()
        client.transport.write(b"".join(client.protocol.data_to_send()))
        await client.wait_closed()
        without = await row(monitor)
    assert (vanished.close_code, vanished.initiator, vanished.cause) == (
        1006,
        None,
        "peer vanished",
    )
    assert (without.close_code, without.initiator, without.cause) == (1005, "remote", "closed")


async def test_a_handler_that_only_sends_still_has_its_peers_close_code() -> None:
    """Where the application never asks why its peer left, the probe does; that is no error."""

    async def push(websocket: WebSocket) -> None:
        await websocket.accept()
        while True:
            await websocket.send_text("tick")
            await asyncio.sleep(0.005)

    async with watched(WebSocketRoute("/", push)) as (monitor, where):
        async with connect(f"ws://{where}/") as client:
            await client.recv()
            await client.close(4001, "gone")
        info = await row(monitor)
    assert (info.close_code, info.reason_received, info.initiator) == (4001, "gone", "remote")
    assert info.errors == 0
    assert info.messages_out >= 1  # type: ignore[operator]


async def test_messages_that_a_handler_leaves_unread_were_received_all_the_same() -> None:
    """What the peer sent before it closed counts, though the handler ended without reading it."""
    go_on = asyncio.Event()

    async def deaf(websocket: WebSocket) -> None:
        await websocket.accept()
        await go_on.wait()

    async with watched(WebSocketRoute("/", deaf)) as (monitor, where):
        async with connect(f"ws://{where}/") as client:
            await client.send("unread")
            await client.close(1000)  # answered only once the message before it has been read
            go_on.set()
        info = await row(monitor)
    assert (info.messages_in, info.bytes_in) == (1, 6)


async def test_an_exception_of_a_handler_reaches_the_server_unchanged() -> None:
    """What a handler raises is an error and an Event, has its traceback kept, and goes on as the
    very same object; without a close frame the connection ends with 1006, as the peer sees too.
    """
    raised = LookupError("no such room")
    seen: list[BaseException] = []

    async def handler(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        raise raised

    monitor = Monitor(interval=1000)
    probe = ASGIProbe(handler, monitor=monitor)

    async def server_side(scope: Any, receive: Any, send: Any) -> None:
        try:
            await probe(scope, receive, send)
        except BaseException as exc:
            seen.append(exc)
            raise

    async with serving(server_side, lifespan="off") as where:
        async with connect(f"ws://{where}/") as client:
            with pytest.raises(ConnectionClosed):
                await client.recv()
        info = await row(monitor)
    assert seen == [raised]
    assert client.protocol.close_code == 1006
    assert (info.close_code, info.cause, info.errors) == (1006, "handler failed", 1)
    assert "LookupError: no such room" in str(info.traceback)
    (event,) = events(monitor, "error")
    assert event.detail == "the handler raised LookupError: no such room"
    assert event.code is None, "nobody closed with 1011"


async def test_a_peer_leaving_is_no_error_of_the_handler() -> None:
    """What frameworks raise because the peer has left is no failure, alone or in a group."""

    async def alone(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.receive_text()

    async def grouped(websocket: WebSocket) -> None:
        await websocket.accept()
        async with asyncio.TaskGroup() as group:
            group.create_task(websocket.receive_text())

    for handler in (alone, grouped):
        async with watched(WebSocketRoute("/", handler)) as (monitor, where):
            async with connect(f"ws://{where}/"):
                pass
            info = await row(monitor)
            assert (info.errors, info.close_code) == (0, 1000)


async def test_what_the_server_raises_for_a_lost_peer_is_no_error_of_the_application() -> None:
    """An application that lets the server's own exception pass has not failed; one that raises
    such an exception by itself has.
    """
    gone: list[OSError] = []

    async def push(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        try:
            while True:
                await send({"type": "websocket.send", "text": "tick"})
                await asyncio.sleep(0.005)
        except OSError as exc:
            gone.append(exc)
            if scope["path"] == "/own":
                raise OSError("no such file") from None
            raise

    for path, errors in (("/", 0), ("/own", 1)):
        async with watched(push, wrap=True, lifespan="off") as (monitor, where):
            client = await connect(f"ws://{where}{path}")
            await client.close(1000)
            assert (await row(monitor)).errors == errors
    assert len(gone) == 2


async def test_refused_handshakes_say_with_what() -> None:
    """A close before accept is a 403, a denial response has its status, a failure is a 500, and
    none of them was ever open.
    """

    async def close(websocket: WebSocket) -> None:
        await websocket.close()

    async def deny(websocket: WebSocket) -> None:
        await websocket.send_denial_response(PlainTextResponse("later", status_code=429))

    async def fail(websocket: WebSocket) -> None:
        raise LookupError("x")

    async def forget(websocket: WebSocket) -> None:
        pass

    expected = [403, 429, 500, 500, 403]
    routes = [
        WebSocketRoute(f"/{number}", handler)
        for number, handler in enumerate([close, deny, fail, forget])
    ]
    async with watched(*routes) as (monitor, where):
        for number, status in enumerate(expected):
            with pytest.raises(InvalidStatus) as refused:
                await connect(f"ws://{where}/{number}")
            assert refused.value.response.status_code == status
            await until(lambda n=number: monitor.snapshot().rejected == n + 1)
        rejected = events(monitor, "rejected")
        snapshot = monitor.snapshot()
    assert [event.code for event in rejected] == expected
    assert [event.detail for event in rejected[1:4]] == [
        "refused with HTTP 429",
        "the application failed before it accepted",
        "the application neither accepted nor refused",
    ]
    assert (snapshot.opened, snapshot.rejected, snapshot.errors) == (0, 5, 1)
    assert monitor.collector.connections() == []


async def test_a_peer_that_leaves_during_the_handshake_is_rejected_without_a_status() -> None:
    """A connection lost before it was accepted was never open, and nobody refused it."""
    asked = asyncio.Event()

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        asked.set()
        assert (await receive())["type"] == "websocket.disconnect"
        await send({"type": "websocket.accept"})

    async with watched(slow, wrap=True, lifespan="off") as (monitor, where):
        _, writer = await asyncio.open_connection(*where.split(":"))
        writer.write(
            b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        await asked.wait()
        writer.transport.abort()
        await until(lambda: monitor.snapshot().rejected == 1)
        (event,) = events(monitor, "rejected")
    assert (event.code, event.detail) == (None, "the connection was lost during the handshake")


async def test_shutting_the_server_down_is_a_1012_of_this_side() -> None:
    """When uvicorn stops, its 1012 is told from one that a peer would send."""
    async with watched(WebSocketRoute("/", echo)) as (monitor, where):
        client = await connect(f"ws://{where}/")
    info = await row(monitor)
    await client.wait_closed()
    assert client.close_code == CloseCode.SERVICE_RESTART
    assert (info.close_code, info.code_sent, info.initiator) == (1012, 1012, "local")
    assert info.cause == "server shutdown"


async def test_a_message_that_is_too_big_ends_with_1009_of_nobody() -> None:
    """ASGI does not tell who said that the protocol was broken, so the probe does not either."""
    async with watched(WebSocketRoute("/", echo), ws_max_size=100) as (monitor, where):
        async with connect(f"ws://{where}/") as client:
            await client.send("x" * 101)
            with pytest.raises(ConnectionClosed):
                await client.recv()
        info = await row(monitor)
    assert client.close_code == 1009
    assert (info.close_code, info.initiator, info.cause) == (1009, None, "protocol error")
    assert (info.code_sent, info.code_received) == (None, None)
    assert "text" not in str(info.last_frames)


async def test_an_abnormal_death_keeps_the_last_messages() -> None:
    """The black box of a connection that vanished has its last messages, sizes and directions."""
    async with watched(WebSocketRoute("/", echo)) as (monitor, where):
        client = await connect(f"ws://{where}/")
        await client.send("four")
        await client.recv()
        client.transport.abort()
        await client.wait_closed()
        info = await row(monitor)
    lines = str(info.last_frames).split("; ")
    assert [line.split(" ", 1)[1] for line in lines] == ["in text 4", "out text 4"]


async def test_a_handler_can_name_its_connection() -> None:
    """The meter in the scope has a name that an application may set."""

    async def handler(websocket: WebSocket) -> None:
        await websocket.accept()
        websocket.scope["rtmon.meter"].name = "ada"
        await websocket.receive()

    async with watched(WebSocketRoute("/", handler)) as (monitor, where):
        async with connect(f"ws://{where}/"):
            pass
        assert (await row(monitor)).name == "ada"


async def test_handlers_are_timed_from_message_to_next_receive() -> None:
    """Handler time is what passes between a message being handed over and the next being asked
    for.
    """

    async def handler(websocket: WebSocket) -> None:
        await websocket.accept()
        async for _ in websocket.iter_text():
            await asyncio.sleep(0.02)
            await websocket.send_text("done")

    async with watched(WebSocketRoute("/", handler)) as (monitor, where):
        async with connect(f"ws://{where}/") as client:
            for _ in range(2):
                await client.send("x")
                await client.recv()
        await row(monitor)
        sample = monitor.collector.history.latest()
    assert sample is not None
    assert sample.handler.count == 2
    assert 0.04 <= sample.handler.sum < 0.4


# Event streams


async def numbers(count: int) -> AsyncIterator[str]:
    """An event stream: each event has two lines of data, and a comment before it."""
    for number in range(count):
        yield f": alive\n\nid: {number}\nevent: n\ndata: {number}\ndata: grüße\n\n"


async def test_an_event_stream_is_a_connection_whose_messages_are_its_events() -> None:
    """Events and their data are counted as an event stream's client counts them, comments are
    not, and a finished stream ends in an orderly way.
    """

    async def stream(request: Any) -> StreamingResponse:
        return StreamingResponse(numbers(3), media_type="text/event-stream")

    async with watched(Route("/ticks/{what}", stream)) as (monitor, where):
        async with httpx.AsyncClient() as client:
            answer = await client.get(f"http://{where}/ticks/slow?q=secret")
        info = await row(monitor)
        snapshot = monitor.snapshot()
    data = [block.split("\n") for block in answer.text.split("\n\n") if "data:" in block]
    payloads = [
        "\n".join(x.removeprefix("data: ") for x in lines if x.startswith("data")) for lines in data
    ]
    assert payloads == ["0\ngrüße", "1\ngrüße", "2\ngrüße"]
    size = sum(len(payload.encode()) for payload in payloads)
    assert (info.messages_out, info.bytes_out) == (3, size)
    assert (info.messages_in, info.bytes_in) == (0, 0)
    assert (info.transport, info.path, info.wire_out) == ("sse", "/ticks/{what}", None)
    assert (info.initiator, info.cause) == ("local", "closed")
    assert str(info.user_agent).startswith("python-httpx")
    assert snapshot.http_requests == 0


async def test_a_client_leaving_an_event_stream_closes_it() -> None:
    """A stream without an end is open until its client leaves, which is no error."""
    monitor = Monitor(interval=1000)
    app = FastAPI()
    app.add_middleware(ASGIProbe, monitor=monitor)

    @app.get("/endless")
    async def endless() -> StreamingResponse:
        async def events() -> AsyncIterator[bytes]:
            while True:
                yield b"data: x\r\n\r\n"
                await asyncio.sleep(0.005)

        return StreamingResponse(events(), media_type="text/event-stream")

    async with serving(app) as where:
        async with (
            httpx.AsyncClient() as client,
            client.stream("GET", f"http://{where}/endless") as answer,
        ):
            received = 0
            async for line in answer.aiter_lines():
                received += line == ""
                if received == 3:
                    break
            assert monitor.snapshot().open == 1
        info = await row(monitor)
    assert (info.initiator, info.cause, info.errors) == ("remote", "closed", 0)
    assert info.messages_out is not None
    assert info.messages_out >= 3
    assert info.bytes_out == info.messages_out


async def test_an_event_stream_that_fails_is_an_error() -> None:
    """An exception in a stream is counted, and ends the connection by this side."""

    async def broken() -> AsyncIterator[str]:
        yield "data: 1\n\n"
        raise LookupError("dry")

    async def stream(request: Any) -> StreamingResponse:
        return StreamingResponse(broken(), media_type="text/event-stream")

    async with watched(Route("/", stream)) as (monitor, where):
        async with httpx.AsyncClient() as client:
            with pytest.raises(httpx.RemoteProtocolError):
                await client.get(f"http://{where}/")
        info = await row(monitor)
    assert (info.messages_out, info.errors, info.cause) == (1, 1, "handler failed")
    assert "LookupError: dry" in str(info.traceback)


async def test_fastapis_own_event_streams_are_counted() -> None:
    """A route that yields under FastAPI's EventSourceResponse is an event stream as well."""
    monitor = Monitor(interval=1000)
    app = FastAPI()
    app.add_middleware(ASGIProbe, monitor=monitor)

    @app.get("/items/{kind}", response_class=EventSourceResponse)
    async def items(kind: str) -> Any:
        for number in range(2):
            yield {"n": number}

    async with serving(app) as where:
        async with httpx.AsyncClient() as client:
            answer = await client.get(f"http://{where}/items/all")
        info = await row(monitor)
    data = [line.removeprefix("data: ") for line in answer.text.splitlines() if "data" in line]
    assert [json.loads(text) for text in data] == [{"n": 0}, {"n": 1}]
    assert (info.transport, info.path, info.messages_out) == ("sse", "/items/{kind}", 2)
    assert info.bytes_out == len("".join(data))


def reference(stream: bytes) -> list[int]:
    """Sizes of the events of a whole stream, as the HTML Standard reads it."""
    sizes = []
    data: list[bytes] | None = None
    lines = stream.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    for line in lines[:-1]:
        if not line:
            if data is not None:
                sizes.append(len(b"\n".join(data)))
            data = None
            continue
        field, _, value = line.partition(b":")
        if field == b"data":
            data = [*(data or []), value.removeprefix(b" ")]
    return sizes


LINES = st.sampled_from(
    [b"data: x", b"data:", b"data", b"data:  y", b"datax: 1", b": c", b"id: 7", b"", b"", b"da"]
)
ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])


@given(
    st.lists(st.tuples(LINES, ENDS), max_size=20),
    st.lists(st.integers(1, 9), min_size=1, max_size=30),
)
def test_events_are_found_wherever_the_stream_is_cut(
    lines: list[tuple[bytes, bytes]], cuts: list[int]
) -> None:
    """Any stream of any line ends gives the same events, in whatever pieces it comes."""
    stream = b"".join(line + end for line, end in lines)
    events = EventStream()
    found = []
    at = 0
    for number in range(len(stream)):
        if at >= len(stream):
            break
        size = cuts[number % len(cuts)]
        found += list(events.feed(stream[at : at + size]))
        at += size
    assert found == reference(stream)


# Plain HTTP, lifespan, templates


async def test_plain_http_is_counted_as_such() -> None:
    """Answers that are no event streams are requests; the one that a server gives in place of
    an application that failed is too; none is a connection.
    """

    async def fine(request: Any) -> PlainTextResponse:
        return PlainTextResponse("data: no\n\n")

    async def broken(request: Any) -> PlainTextResponse:
        raise LookupError("x")

    routes = [Route("/", fine, methods=["GET", "HEAD"]), Route("/broken", broken)]
    async with watched(*routes) as (monitor, where):
        async with httpx.AsyncClient(base_url=f"http://{where}") as client:
            statuses = [
                (await client.get("/")).status_code,
                (await client.head("/")).status_code,
                (await client.get("/broken")).status_code,
                (await client.get("/nothing")).status_code,
            ]
        snapshot = monitor.snapshot()
    assert statuses == [200, 200, 500, 404]
    assert (snapshot.http_requests, snapshot.opened, snapshot.errors) == (4, 0, 0)


async def test_what_only_looks_like_an_event_stream_is_plain_http() -> None:
    """An error, a HEAD request and a compressed stream open no connection."""

    async def stream(request: Any) -> PlainTextResponse:
        return PlainTextResponse(
            "data: x\n\n",
            status_code=int(request.query_params.get("status", 200)),
            headers={"content-encoding": request.query_params.get("encoding", "identity")},
            media_type="text/event-stream",
        )

    async with watched(Route("/", stream, methods=["GET", "HEAD"])) as (monitor, where):
        async with httpx.AsyncClient(base_url=f"http://{where}") as client:
            await client.get("/", params={"status": 503})
            await client.head("/")
            async with client.stream("GET", "/", params={"encoding": "br"}):
                pass
        snapshot = monitor.snapshot()
    assert (snapshot.http_requests, snapshot.opened) == (3, 0)


async def test_the_lifespan_passes_through() -> None:
    """Startup and shutdown reach the application."""
    steps = []

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        steps.append("up")
        yield
        steps.append("down")

    monitor = Monitor(interval=1000)
    async with serving(ASGIProbe(Starlette(lifespan=lifespan), monitor=monitor), lifespan="on"):
        assert steps == ["up"]
    assert steps == ["up", "down"]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/v1/api/rooms/blue", "/v1/api/rooms/{room}"),
        ("/v1/api/stream/7", "/v1/api/stream/{number}"),
        ("/orgs/acme/members", "/orgs/{org}/members"),
        ("/tenants/7/inner/8", "/tenants/{tenant}/inner/{i}"),
        ("/files/a/b/c", "/files/{where}"),
        ("/raw/9/x", "/raw/{id}"),
    ],
)
async def test_paths_are_templates(path: str, expected: str) -> None:
    """Included routers, their prefixes and mounted applications give one template for a route,
    for WebSockets and event streams alike.
    """
    monitor = Monitor(interval=1000)
    app = FastAPI()
    api, orgs, inner = APIRouter(prefix="/api"), APIRouter(), FastAPI()

    async def socket(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.close()

    async def stream() -> StreamingResponse:
        return StreamingResponse(numbers(1), media_type="text/event-stream")

    async def raw(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close"})

    api.add_api_websocket_route("/rooms/{room}", socket)
    api.add_api_route("/stream/{number}", stream)
    orgs.add_api_websocket_route("/members", socket)
    inner.add_api_websocket_route("/inner/{i}", socket)
    app.include_router(api, prefix="/v1")
    app.include_router(orgs, prefix="/orgs/{org}")
    app.add_api_websocket_route("/files/{where:path}", socket)
    app.mount("/tenants/{tenant}", inner)
    app.router.routes.append(Mount("/raw/{id}", app=raw))
    app.add_middleware(ASGIProbe, monitor=monitor)
    async with serving(app) as where:
        if "stream" in path:
            async with httpx.AsyncClient() as client:
                await client.get(f"http://{where}{path}")
        else:
            async with connect(f"ws://{where}{path}") as client:
                await client.wait_closed()
        assert (await row(monitor)).path == expected


def test_without_a_route_the_path_stays_what_it_is() -> None:
    """Where no framework tells a route, the raw path is all there is."""
    assert template({"path": "/a/b"}) == "/a/b"


# Beside others, and when something goes wrong


async def test_of_two_probes_on_one_connection_the_inner_one_counts() -> None:
    """Two probes of one Monitor count a connection, a stream and a request once; probes of two
    Monitors count for each.
    """
    outer, inner = Monitor(interval=1000), Monitor(interval=1000)

    async def stream(request: Any) -> StreamingResponse:
        return StreamingResponse(numbers(2), media_type="text/event-stream")

    async def plain(request: Any) -> PlainTextResponse:
        return PlainTextResponse("hi")

    app: Any = Starlette(
        routes=[WebSocketRoute("/", echo), Route("/s", stream), Route("/p", plain)]
    )
    for monitor in (inner, inner, outer, inner):
        app = ASGIProbe(app, monitor=monitor)
    async with serving(app) as where:
        async with connect(f"ws://{where}/") as websocket:
            await websocket.send("x")
            await websocket.recv()
        async with httpx.AsyncClient(base_url=f"http://{where}") as client:
            await client.get("/s")
            await client.get("/p")
        for monitor in (inner, outer):
            await until(lambda m=monitor: m.snapshot().closed == 2)
            snapshot = monitor.snapshot()
            assert (snapshot.opened, snapshot.messages_in, snapshot.messages_out) == (2, 1, 3)
            assert (snapshot.http_requests, snapshot.open) == (1, 0)


@pytest.mark.parametrize(
    "hook", ["meter", "opened", "closed", "rejected", "http_request", "mark", "event"]
)
async def test_a_failing_probe_breaks_nothing(
    hook: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever goes wrong inside the probe, messages flow and answers come; it is counted."""
    from rtmon.metrics import collector, meter

    def broken(*args: Any, **kwargs: Any) -> Any:
        raise ZeroDivisionError

    owner: Any = meter.Meter if hook == "mark" else collector.Collector
    monkeypatch.setattr(owner, hook, broken)
    monitor = Monitor(interval=1000)

    async def stream(request: Any) -> StreamingResponse:
        return StreamingResponse(numbers(2), media_type="text/event-stream")

    async def plain(request: Any) -> PlainTextResponse:
        return PlainTextResponse("hi")

    async def push(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text("x")

    routes = [
        WebSocketRoute("/", echo),
        WebSocketRoute("/push", push),
        Route("/s", stream),
        Route("/p", plain),
    ]
    app = Starlette(routes=routes)
    app.add_middleware(ASGIProbe, monitor=monitor)
    async with serving(app) as where:
        async with connect(f"ws://{where}/") as websocket:
            await websocket.send("x")
            assert await websocket.recv() == "x"
        async with connect(f"ws://{where}/push") as websocket:
            assert await websocket.recv() == "x"
        with pytest.raises(InvalidStatus, match="403"):
            await connect(f"ws://{where}/nowhere")
        async with httpx.AsyncClient(base_url=f"http://{where}") as client:
            assert (await client.get("/s")).text.count("event: n") == 2
            assert (await client.get("/p")).text == "hi"
        await until(lambda: monitor.probe_failures)
    assert sum("a probe failed" in record.message for record in caplog.records) == 1


async def test_a_cancelled_application_leaves_no_open_connection() -> None:
    """A handler that is cancelled, even while it ends, closes its row; cancelling goes on."""
    monitor = Monitor(interval=1000)
    cancelled = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().call_soon(task.cancel)
        await asyncio.Event().wait()

    probe = ASGIProbe(app, monitor=monitor)

    async def server_side(scope: Any, receive: Any, send: Any) -> None:
        try:
            await probe(scope, receive, send)
        except asyncio.CancelledError:
            cancelled.append(True)

    async with serving(server_side, lifespan="off") as where:
        async with connect(f"ws://{where}/") as client:
            await client.wait_closed()
        info = await row(monitor)
    assert cancelled == [True]
    assert (info.state, info.errors) == ("closed", 0)


def test_the_probe_needs_no_framework() -> None:
    """The probe imports neither Starlette nor FastAPI, which an application may not have."""
    code = "import sys, rtmon; rtmon.ASGIProbe; print({'starlette', 'fastapi'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
