"""The ASGI probe on WebSockets: how they end, who ended them, and whose fault that was."""

from __future__ import annotations

import asyncio
import enum
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from fastapi import WebSocket
from starlette.responses import PlainTextResponse
from starlette.routing import WebSocketRoute
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import CloseCode

from rtmon import ASGIProbe, CSVSink, Monitor, read_csv
from rtmon.testing import until
from tests.probes.asgi.watching import echo, events, row, watched
from tests.probes.serving import serving


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


class Code(int, enum.Enum):
    """Close codes of an application, named."""

    ENOUGH = 4000


async def test_codes_that_have_names_are_numbers_everywhere(tmp_path: Path) -> None:
    """A close code or a status that is a member of an Enum is its number in every file."""

    async def close(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.close(Code.ENOUGH)

    async def deny(websocket: WebSocket) -> None:
        await websocket.send_denial_response(PlainTextResponse("", HTTPStatus.UNAUTHORIZED))

    async with watched(WebSocketRoute("/", close), WebSocketRoute("/no", deny)) as (monitor, where):
        monitor.attach(CSVSink(tmp_path))
        with pytest.raises(InvalidStatus):
            await connect(f"ws://{where}/no")
        async with connect(f"ws://{where}/") as client:
            await client.wait_closed()
        await row(monitor)
    connections, told = (read_csv(tmp_path / f"{name}.csv") for name in ("connections", "events"))
    assert connections[["close_code", "code_sent"]].to_numpy().tolist() == [[4000, 4000]]
    assert told["code"].dropna().tolist() == [401, 4000]


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
        "refused with HTTP 429 at /1",
        "the application failed before it accepted at /2",
        "the application neither accepted nor refused at /3",
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
    assert (event.code, event.detail) == (None, "the connection was lost during the handshake at /")


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
