"""The ASGI probe for event streams (SSE) and for plain HTTP requests."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from fastapi.sse import EventSourceResponse
from hypothesis import given
from hypothesis import strategies as st
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from rtmon import ASGIProbe, Monitor
from rtmon.probes.asgi.sse_parser import EventStream
from tests.probes.asgi.watching import numbers, row, watched
from tests.probes.serving import serving


async def test_event_stream_row_counts_events_and_their_data_as_messages() -> None:
    """Monitor's connection row of an event stream counts events as messages and their data as
    payload, and ignores comments.
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


async def test_event_stream_row_ends_without_error_when_the_client_disconnects() -> None:
    """Monitor's connection row of an endless event stream ends with initiator ``remote`` and no
    error when its client disconnects.
    """
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


async def test_event_stream_row_has_handler_failed_when_its_generator_raises() -> None:
    """Monitor's connection row of an event stream has one error and the cause ``handler failed``
    when its generator raises.
    """

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


async def test_fastapi_event_source_response_is_counted_as_an_event_stream() -> None:
    """Route with FastAPI's EventSourceResponse is counted as an event stream, with its events
    and data.
    """
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
    """Return the data sizes of a whole stream's events, parsed by the rules of the HTML
    Standard.
    """
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
def test_event_stream_parser_finds_the_same_events_for_any_chunks(
    lines: list[tuple[bytes, bytes]], cuts: list[int]
) -> None:
    """Event stream parser finds the same events for any line endings and however the stream is
    split into chunks.
    """
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


async def test_plain_http_responses_are_counted_as_requests_not_connections() -> None:
    """Plain HTTP responses, error responses included, are counted as HTTP requests and open no
    connection row.
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


async def test_error_head_and_compressed_event_streams_are_counted_as_requests() -> None:
    """Event stream response that is an error, answers a HEAD request or is compressed is counted
    as an HTTP request.
    """

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
