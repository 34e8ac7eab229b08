"""The ASGI probe for WebSockets: close codes, initiators and causes of closing."""

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


async def test_asgi_connection_row_has_the_applications_close_code_and_reason() -> None:
    """Monitor's connection row of an ASGI WebSocket has close code, reason and initiator
    ``local`` when the application closes.
    """

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
    """Close codes of an application, as an Enum."""

    ENOUGH = 4000


async def test_close_codes_and_statuses_that_are_enum_members_are_stored_as_numbers(
    tmp_path: Path,
) -> None:
    """Close code or HTTP status that is an Enum member is stored as its number in rows and CSV
    files.
    """

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
async def test_close_code_is_1006_for_lost_tcp_and_1005_for_close_frame_without_code(
    ws: str,
) -> None:
    """Monitor's connection row has 1006 when the TCP connection is lost, and 1005 with initiator
    ``remote`` when the client's close frame has no code.
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


async def test_asgi_connection_row_has_the_clients_close_code_when_the_handler_only_sends() -> None:
    """Monitor's connection row has the client's close code and reason, and no error, although
    the handler only sends.
    """

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


async def test_asgi_probe_counts_a_handler_exception_and_raises_it_unchanged() -> None:
    """Probe for ASGI counts a handler's exception, records it with its traceback, and raises the
    same object to the server.
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
    assert event.code is None, "no close frame with 1011 was sent"


async def test_disconnect_exceptions_of_frameworks_count_as_no_handler_error() -> None:
    """Monitor's connection row has no error when Starlette raises WebSocketDisconnect, alone or
    in an exception group.
    """

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


async def test_servers_exception_for_a_lost_client_counts_as_no_handler_error() -> None:
    """Monitor's connection row has no error when the server's exception for a lost client leaves
    the application, and one error for an exception of its own.
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


async def test_rejected_handshake_is_recorded_with_its_http_status() -> None:
    """Handshake that the application closes, denies, ignores or answers with an exception is
    recorded as rejected with its HTTP status, and has no row.
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


async def test_handshake_is_recorded_as_rejected_without_status_when_the_client_disconnects() -> (
    None
):
    """Handshake is recorded as rejected without HTTP status when the client disconnects before
    the application accepts.
    """
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


async def test_asgi_connection_row_has_1012_and_server_shutdown_when_uvicorn_stops() -> None:
    """Monitor's connection row has close code 1012, initiator ``local`` and the cause ``server
    shutdown`` when uvicorn stops.
    """
    async with watched(WebSocketRoute("/", echo)) as (monitor, where):
        client = await connect(f"ws://{where}/")
    info = await row(monitor)
    await client.wait_closed()
    assert client.close_code == CloseCode.SERVICE_RESTART
    assert (info.close_code, info.code_sent, info.initiator) == (1012, 1012, "local")
    assert info.cause == "server shutdown"


async def test_asgi_connection_row_has_1009_and_no_initiator_when_a_message_is_too_big() -> None:
    """Monitor's connection row of an ASGI WebSocket has close code 1009 and null as initiator
    when a client's message is too big.
    """
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
