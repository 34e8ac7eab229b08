"""The ASGI probe for WebSockets: counters, handler time, names, last messages."""

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
async def test_asgi_connection_row_equals_the_clients_own_counts(ws: str) -> None:
    """Monitor's connection row of an ASGI WebSocket equals the client's own counts of messages
    and bytes, and has null where ASGI gives no data.
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


async def test_asgi_totals_of_unknown_columns_are_null_before_the_first_connection() -> None:
    """Totals of wire bytes and pings, which ASGI does not give, are null before the first
    connection.
    """
    async with watched(WebSocketRoute("/", echo)) as (monitor, _):
        assert {name: getattr(monitor.snapshot(), name) for name in ("wire_in", "pings_out")} == {
            "wire_in": None,
            "pings_out": None,
        }


async def test_messages_that_the_handler_does_not_read_are_counted() -> None:
    """Monitor's connection row counts messages that the client sent although the handler ended
    without reading them.
    """
    go_on = asyncio.Event()

    async def deaf(websocket: WebSocket) -> None:
        await websocket.accept()
        await go_on.wait()

    async with watched(WebSocketRoute("/", deaf)) as (monitor, where):
        async with connect(f"ws://{where}/") as client:
            await client.send("unread")
            await client.close(1000)  # uvicorn answers after it has read the message.
            go_on.set()
        info = await row(monitor)
    assert (info.messages_in, info.bytes_in) == (1, 6)


async def test_connection_row_has_the_last_messages_of_a_vanished_client() -> None:
    """Monitor's connection row of a vanished client has its last messages with direction, type
    and size.
    """
    async with watched(WebSocketRoute("/", echo)) as (monitor, where):
        client = await connect(f"ws://{where}/")
        await client.send("four")
        await client.recv()
        client.transport.abort()
        await client.wait_closed()
        info = await row(monitor)
    lines = str(info.last_frames).split("; ")
    assert [line.split(" ", 1)[1] for line in lines] == ["in text 4", "out text 4"]


async def test_asgi_handler_names_its_connection_by_the_meter_in_the_scope() -> None:
    """Handler sets the name in the Monitor's connection row by the meter in
    ``scope["rtmon.meter"]``.
    """

    async def handler(websocket: WebSocket) -> None:
        await websocket.accept()
        websocket.scope["rtmon.meter"].name = "ada"
        await websocket.receive()

    async with watched(WebSocketRoute("/", handler)) as (monitor, where):
        async with connect(f"ws://{where}/"):
            pass
        assert (await row(monitor)).name == "ada"


async def test_handler_time_runs_from_message_to_next_receive() -> None:
    """Handler time is measured from the delivery of a message to the next call of ``receive``."""
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
