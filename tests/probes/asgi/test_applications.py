"""The ASGI probe and the application that it wraps: lifespan, routes, failures, nesting."""

from __future__ import annotations

import asyncio
import functools
import subprocess
import sys
from array import array
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import trio
from fastapi import APIRouter, FastAPI, WebSocket
from fastapi.responses import StreamingResponse
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route, WebSocketRoute
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from rtmon import ASGIProbe, Monitor
from rtmon.errors import MonitorError, OptionError
from rtmon.metrics.collector import Collector
from rtmon.metrics.event_log import EventLog
from rtmon.metrics.meter import Meter
from rtmon.probes.asgi.path_templates import template
from rtmon.testing import until
from tests.probes.asgi.watching import echo, numbers, row
from tests.probes.serving import serving


async def test_asgi_probe_passes_lifespan_events_to_the_application() -> None:
    """Probe for ASGI passes startup and shutdown to the application."""
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
    "wrong", [FastAPI, "app:app", None, {}, lambda environ, start_response: None]
)
def test_asgi_probe_raises_option_error_for_anything_but_an_asgi_application(wrong: Any) -> None:
    """Probe for ASGI raises OptionError at its creation for a class, a name or a WSGI
    application, or without a Monitor.
    """
    with pytest.raises(OptionError, match=r"no ASGI application: give it a callable app\(scope"):
        ASGIProbe(wrong, monitor=Monitor())
    with pytest.raises(OptionError, match="give it a Monitor"):
        ASGIProbe(FastAPI(), monitor=wrong)


def test_asgi_probe_accepts_an_application_that_wraps_a_class() -> None:
    """Probe for ASGI accepts an application whose ``__wrapped__`` is a class without arguments,
    as that of a Django Channels consumer.
    """

    class Consumer:
        def __init__(self) -> None: ...

    @functools.partial(functools.update_wrapper, wrapped=Consumer, updated=())
    async def app(scope: Any, receive: Any, send: Any) -> None: ...

    assert ASGIProbe(app, monitor=Monitor()).app is app


@pytest.mark.parametrize("kind", ["lifespan", "http", "websocket"])
async def test_asgi_probe_returns_the_applications_return_value(kind: str) -> None:
    """Probe for ASGI returns the application's return value to the server or middleware around
    it.
    """

    async def app(scope: Any, receive: Any, send: Any) -> str:
        return "done"

    async def receive() -> Any:
        return {"type": "websocket.disconnect"}

    scope: Any = {"type": kind, "headers": [], "method": "GET"}
    assert await ASGIProbe(app, monitor=Monitor())(scope, receive, receive) == "done"


class _HypercornSend:
    """A ``send`` that the probe takes for Hypercorn's by the module of its class."""

    async def app_send(self, message: Any) -> None:
        """Ignore the message."""


_HypercornSend.__module__ = "hypercorn.protocol.ws_stream"


def test_monitor_raises_instead_of_showing_zeros_when_the_application_runs_on_trio() -> None:
    """Application with an ASGI probe runs on trio, and the Monitor raises MonitorError that
    names trio instead of showing zeros.
    """
    monitor, sent = Monitor(), []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message["type"])

    scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
    trio.run(ASGIProbe(PlainTextResponse("x"), monitor=monitor), scope, receive, send)
    assert sent == ["http.response.start", "http.response.body"]
    with pytest.raises(MonitorError, match="trio"):
        monitor.snapshot()
    assert "trio" in repr(monitor)


async def test_connection_row_has_no_close_code_under_hypercorn() -> None:
    """Monitor's connection row has null as close code and cause under Hypercorn, which reports
    1006 for every end.
    """
    told = iter(["websocket.connect", "websocket.disconnect"])

    async def receive() -> Any:
        return {"type": next(told), "code": 1006}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await receive()

    monitor = Monitor(interval=1000)
    scope: Any = {"type": "websocket", "headers": [], "path": "/"}
    await ASGIProbe(app, monitor=monitor)(scope, receive, _HypercornSend().app_send)
    info = await row(monitor)
    assert (info.close_code, info.cause, info.initiator, info.errors) == (None, None, None, 0)
    monitor.close()


async def test_connection_row_has_cause_handler_failed_when_the_framework_closes_with_1011() -> (
    None
):
    """Monitor's connection row has the cause ``handler failed`` when the framework closes with
    1011.
    """

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close", "code": 1011})

    async def send(message: Any) -> None:
        """Ignore the message."""

    monitor = Monitor(interval=1000)
    scope: Any = {"type": "websocket", "headers": [], "path": "/"}
    await ASGIProbe(app, monitor=monitor)(scope, send, send)
    info = await row(monitor)
    assert (info.close_code, info.cause, info.initiator) == (1011, "handler failed", "local")
    monitor.close()


async def test_asgi_probe_counts_the_bytes_of_a_memoryview_with_larger_items() -> None:
    """Probe for ASGI counts a memoryview of three 8-byte numbers as 24 bytes."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "bytes": memoryview(array("d", [1, 2, 3]))})
        await send({"type": "websocket.close"})

    async def send(message: Any) -> None:
        """Ignore the message."""

    monitor = Monitor(interval=1000)
    await ASGIProbe(app, monitor=monitor)({"type": "websocket", "headers": []}, send, send)
    assert monitor.snapshot().bytes_out == 24
    monitor.close()


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/v1/api/rooms/blue", "/v1/api/rooms/{room}"),
        ("/v1/api/stream/7", "/v1/api/stream/{number}"),
        ("/orgs/acme/members", "/orgs/{org}/members"),
        ("/tenants/7/inner/8", "/tenants/{tenant}/inner/{i}"),
        ("/files/a/b/c", "/files/{where}"),
        ("/raw/9/x", "/raw/{id}"),
        # Parameter values that equal another segment of the path.
        ("/v1/api/rooms/api", "/v1/api/rooms/{room}"),
        ("/orgs/orgs/members", "/orgs/{org}/members"),
        ("/tenants/tenants/inner/tenants", "/tenants/{tenant}/inner/{i}"),
        ("/raw/raw/x", "/raw/{id}"),
    ],
)
async def test_connection_row_has_the_path_template_of_nested_fastapi_routes(
    path: str, expected: str
) -> None:
    """Monitor's connection row has the path template of a FastAPI route with the prefixes of its
    routers and mounts, for WebSockets and event streams.
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


def test_path_template_is_the_raw_path_when_the_framework_gives_no_route() -> None:
    """Path template is the raw path when the framework does not report a route."""
    assert template({"path": "/a/b"}) == "/a/b"


async def test_nested_asgi_probes_of_one_monitor_count_each_connection_once() -> None:
    """Nested ASGI probes of one Monitor count each connection, stream and request once, and two
    Monitors each count them once.
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
    "hook", ["meter", "opened", "closed", "rejected", "http_request", "mark", "add"]
)
async def test_application_works_when_the_asgi_probe_fails(
    hook: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Application sends all messages and responses although code of the ASGI probe raises, and
    one failure is logged.
    """

    def broken(*args: Any, **kwargs: Any) -> Any:
        raise ZeroDivisionError

    owner: Any = {"mark": Meter, "add": EventLog}.get(hook, Collector)
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


@pytest.mark.parametrize(
    ("itself", "cause"), [(True, "handler failed"), (False, "handler cancelled")]
)
async def test_connection_row_ends_when_the_handler_is_canceled(
    itself: bool,  # noqa: FBT001 - a test parameter
    cause: str,
) -> None:
    """Monitor's connection row ends with ``handler cancelled`` when the handler is canceled, and
    with ``handler failed`` when a task it awaits is canceled.
    """
    monitor = Monitor(interval=1000)
    cancelled = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        waiting = asyncio.ensure_future(asyncio.Event().wait())
        task = waiting if itself else asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().call_soon(task.cancel)
        await waiting

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
    assert (info.state, info.errors, info.cause) == ("closed", int(itself), cause)


def test_asgi_probe_imports_neither_starlette_nor_fastapi() -> None:
    """Import of ``rtmon.ASGIProbe`` imports neither Starlette nor FastAPI."""
    code = "import sys, rtmon; rtmon.ASGIProbe; print({'starlette', 'fastapi'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
