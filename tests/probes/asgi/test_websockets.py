"""The ASGI probe on WebSockets: counters and times."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest
from fastapi import WebSocket
from starlette.routing import WebSocketRoute
from websockets.asyncio.client import connect

from rtmon.testing import FakeClock, until
from tests.probes.asgi.watching import echo, row, watched

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


@pytest.mark.parametrize("ws", ["websockets-sansio", "wsproto", "websockets"])
@pytest.mark.filterwarnings(
    "ignore::uvicorn.config.UvicornDeprecationWarning", "ignore::DeprecationWarning"
)
async def test_counters_equal_the_clients_own_count(ws: str) -> None:
    """Messages and payload agree with the client's count to the byte under each WebSocket
    implementation of uvicorn, and columns that ASGI cannot give are null.
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


async def test_unknown_columns_are_null_before_first_connection() -> None:
    """Wire bytes, which ASGI cannot give, are null and not 0 before the first connection."""
    async with watched(WebSocketRoute("/", echo)) as (monitor, _):
        assert {name: getattr(monitor.snapshot(), name) for name in ("wire_in", "pings_out")} == {
            "wire_in": None,
            "pings_out": None,
        }


async def test_messages_are_counted_when_handler_leaves_them_unread() -> None:
    """Messages that the client sent before it closed are counted, though the handler ended without
    reading them.
    """
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


async def test_black_box_keeps_last_messages_of_vanished_client() -> None:
    """The black box of a vanished connection has its last messages with sizes and directions."""
    async with watched(WebSocketRoute("/", echo)) as (monitor, where):
        client = await connect(f"ws://{where}/")
        await client.send("four")
        await client.recv()
        client.transport.abort()
        await client.wait_closed()
        info = await row(monitor)
    lines = str(info.last_frames).split("; ")
    assert [line.split(" ", 1)[1] for line in lines] == ["in text 4", "out text 4"]


async def test_handler_sets_name_of_its_connection() -> None:
    """The meter in the scope has a name that an application may set."""

    async def handler(websocket: WebSocket) -> None:
        await websocket.accept()
        websocket.scope["rtmon.meter"].name = "ada"
        await websocket.receive()

    async with watched(WebSocketRoute("/", handler)) as (monitor, where):
        async with connect(f"ws://{where}/"):
            pass
        assert (await row(monitor)).name == "ada"


async def test_handler_time_runs_from_message_to_next_receive() -> None:
    """Handler time is the time from a message's delivery to the next call of receive, without the
    wait that follows.
    """
    clock = FakeClock()

    async def handler(websocket: WebSocket) -> None:
        await websocket.accept()
        async for _ in websocket.iter_text():
            clock.advance(0.25)
            await websocket.send_text("done")

    async with watched(WebSocketRoute("/", handler), clock=clock) as (monitor, where):

        def timed() -> int:
            histogram = monitor.snapshot().handler
            assert histogram is not None
            return histogram.count

        async with connect(f"ws://{where}/") as client:
            for number in (1, 2):
                await client.send("x")
                await client.recv()
                await until(lambda number=number: timed() == number)
                clock.advance(60.0)
        await row(monitor)
        sample = monitor.collector.history.latest()
    assert sample is not None
    assert sample.handler is not None
    assert sample.handler.count == 2
    assert sample.handler.sum == pytest.approx(0.5)
