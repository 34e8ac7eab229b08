"""Guarded protocol classes under a uvicorn and an application that are not rtmon's."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from rtmon.asgi import GuardedHTTP, GuardedWebSocket, guarded
from rtmon.core.flood_protection import PINGS_AT_ONCE, PONGS_ABOVE
from rtmon.errors import OptionError
from rtmon.servers.uvicorn_websocket_limits import LEFTOVER
from rtmon.testing import until
from tests.probes.serving import serving
from tests.transports.raw_sockets import LONG, Wire, frame, upgrade

LARGE = 30_000_000
"""Bytes that no socket's buffers hold."""


class Application:
    """An ASGI application that acts by the path of the request."""

    def __init__(self) -> None:
        self.transports: list[Any] = []
        self.left = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.transports.append(receive.__self__.transport)
        if scope["type"] == "http":
            await self._http(scope["path"], receive, send)
            return
        await receive()
        await send({"type": "websocket.accept"})
        if scope["path"] == "/large":
            await send({"type": "websocket.send", "bytes": b"x" * LARGE})
        if scope["path"] == "/flooded":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["path"] == "/closed":
            await send({"type": "websocket.close", "code": 1000})
            return
        while (message := await receive())["type"] == "websocket.receive":
            await send({**message, "type": "websocket.send"})
        self.left.set()

    async def _http(self, path: str, receive: Any, send: Any) -> None:
        if path != "/unread":
            while (message := await receive()).get("more_body"):
                pass
            if message["type"] == "http.disconnect":
                self.left.set()
                return
        body = b"x" * (LARGE if path == "/large" else 2)
        head = [(b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        await send({"type": "http.response.body", "body": body})

    @property
    def unsent(self) -> int:
        """Bytes that uvicorn holds for clients that do not read."""
        return sum(transport.get_write_buffer_size() for transport in self.transports)


@asynccontextmanager
async def served(**options: Any) -> AsyncIterator[tuple[Application, int]]:
    """Serve an application under a guarded uvicorn."""
    application = Application()
    async with serving(application, lifespan="off", **{**guarded(), **options}) as where:
        yield application, int(where.partition(":")[2])


async def test_guarded_server_echoes_as_without_guard() -> None:
    """Messages of any size, fragmented, text and binary, and request bodies come back as sent,
    over a kept connection.
    """
    async with served() as (_, port), connect(f"ws://127.0.0.1:{port}/", proxy=None) as client:
        for message in (
            "",
            "grüße",
            b"",
            b"\x00\xff" * 300_000,
            ["gr", "", "ü", "ße"],
            [b"a", b"b"],
        ):
            await client.send(message)
            whole = message if not isinstance(message, list) else message[0][:0].join(message)  # type: ignore[arg-type]
            assert await client.recv() == whole
        async with asyncio.timeout(LONG):
            await (await client.ping())


async def test_handshake_succeeds_when_connection_header_has_two_lines() -> None:
    """All lines ``Connection`` of a handshake count, in whichever order, as RFC 9110 has it."""
    before = upgrade("Connection: keep-alive", path="/")
    after = before.replace(b"Connection: Upgrade", b"Connection: close, TE").replace(
        b"Connection: keep-alive", b"Connection: upgrade"
    )
    other = upgrade(path="/").replace(b"Connection: Upgrade", b"Connection: close")
    async with served() as (_, port):
        for request in (before, after):
            async with Wire.to(port, request) as wire:
                await wire.upgraded()
        async with Wire.to(port, other) as wire:
            assert await wire.status() == 200


async def test_latest_ping_is_answered_when_client_reads_again() -> None:
    """While a client reads nothing its pings cost nothing; the latest is answered afterwards."""
    async with served() as (application, port):
        url = f"ws://127.0.0.1:{port}/large"
        async with connect(url, proxy=None, max_size=None, compression=None) as client:
            client.transport.pause_reading()
            await until(lambda: application.unsent > PONGS_ABOVE)
            before = application.unsent
            for number in range(200):
                client.transport.write(frame(9, b"%d" % number) + frame(9, b"x" * 100) * 4)
                await asyncio.sleep(0)
            last = await client.ping(b"last")
            await asyncio.sleep(0.2)
            assert application.unsent <= before
            client.transport.resume_reading()
            assert len(await client.recv()) == LARGE
            async with asyncio.timeout(LONG):
                await last


async def test_flood_of_pings_behind_unread_data_ends_connection() -> None:
    """A client that reads nothing and floods with pings is dropped without a close frame."""
    async with served() as (application, port), Wire.to(port, upgrade(path="/large")) as wire:
        await wire.upgraded()
        wire.writer.transport.pause_reading()
        await until(lambda: application.unsent > PONGS_ABOVE)
        wire.writer.write(frame(9) * (20 * PINGS_AT_ONCE))
        await until(lambda: not application.unsent)


@pytest.mark.parametrize("path", ["/large", "/large over HTTP"])
async def test_stalled_reader_is_dropped(path: str) -> None:
    """A client that reads nothing is dropped with all its waiting data."""
    async with served(**guarded(stall_timeout=0.4)) as (application, port):
        said = upgrade(path="/large")
        if "HTTP" in path:
            said = b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n"
        async with Wire.to(port, said) as wire:
            wire.writer.transport.pause_reading()
            await until(lambda: application.unsent)
            await until(lambda: not application.unsent)


class Patient(guarded()["ws"]):  # type: ignore[misc]  # made while running
    """A client that waits an hour for a close frame."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.close_timeout = 3_600.0


@pytest.mark.parametrize("path", ["/flooded", "/closed"])
async def test_client_that_floods_after_close_frame_is_dropped(path: str) -> None:
    """A client that sends on after a close frame is dropped: soon if it was closed for
    flooding, otherwise once more has come than could have been under way.
    """
    async with served(ws=Patient) as (_, port), Wire.to(port, upgrade(path=path)) as wire:
        await wire.upgraded()
        sent = 0
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(LONG):
                while True:
                    wire.writer.write(frame(1, b"x" * 100) * 1_000)
                    sent += 1_000
                    await wire.writer.drain()
                    await asyncio.sleep(0.01 if path == "/flooded" else 0)
        if path == "/closed":
            assert sent * 106 > LEFTOVER


async def test_connection_ends_when_its_client_closes_without_reading() -> None:
    """A WebSocket whose client closes without reading the waiting data is dropped."""
    async with served() as (application, port), Wire.to(port, upgrade(path="/large")) as wire:
        await wire.upgraded()
        wire.writer.transport.pause_reading()
        await until(lambda: application.unsent)
        wire.writer.write(frame(8, b"\x03\xe8"))
        await until(lambda: not application.unsent)


async def test_server_stops_although_client_that_closed_reads_nothing() -> None:
    """A WebSocket that its client closed without reading does not delay the server's stop."""
    async with served() as (application, port), Wire.to(port, upgrade(path="/large")) as wire:
        await wire.upgraded()
        wire.writer.transport.pause_reading()
        await until(lambda: application.unsent)
        wire.writer.write(frame(8, b"\x03\xe8"))
        await until(application.transports[0].is_closing)


@pytest.mark.parametrize("rest", ["Content-Length: 100", "Transfer-Encoding: chunked"])
async def test_missing_body_is_answered_with_408(rest: str) -> None:
    """A request whose body does not come is answered, and its application is told."""
    said = f"POST / HTTP/1.1\r\nHost: x\r\n{rest}\r\n\r\n".encode()
    async with served(**guarded(header_timeout=0.3)) as (application, port):
        async with Wire.to(port, said) as wire:
            assert await wire.status() == 408
        async with asyncio.timeout(LONG):
            await application.left.wait()


async def test_rest_of_answered_body_is_not_waited_for() -> None:
    """A connection whose request was answered before its body came ends when the body does not
    come.
    """
    said = b"POST /unread HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n"
    async with served() as (_, port), Wire.to(port, said) as wire:
        assert await wire.status() == 200


async def test_kept_connection_takes_another_request_and_ends_half_of_one() -> None:
    """A connection serves one request after another; half a request is answered with 408."""
    request = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi"
    async with served(**guarded(header_timeout=0.3)) as (_, port), Wire.to(port) as wire:
        for _ in range(2):
            wire.writer.write(request)
            assert (await wire.reader.readuntil(b"xx")).startswith(b"HTTP/1.1 200")
            await asyncio.sleep(0.6)  # longer than the head of a request may take
        wire.writer.write(request[:20])
        assert await wire.status() == 408


async def test_head_of_http_request_is_bounded() -> None:
    """A head of 64 KiB in pieces is answered with 431, or 414 if it is one line."""
    async with served() as (_, port):
        for said, status in ((b"\r\nX: ".join([b"x" * 5_000] * 15), 431), (b"x" * 70_000, 414)):
            async with Wire.to(port, b"GET /") as wire:
                whole = (b" HTTP/1.1\r\nX: " if status == 431 else b"") + said
                for start in range(0, len(whole), 10_000):
                    wire.writer.write(whole[start : start + 10_000])
                    await wire.writer.drain()
                    await asyncio.sleep(0.01)
                assert await wire.status() == status


async def test_protocol_classes_are_loaded_by_name(caplog: pytest.LogCaptureFixture) -> None:
    """Uvicorn loads the HTTP protocol by its name, which brings the WebSocket protocol."""
    config = uvicorn.Config(Application(), http="rtmon.asgi:GuardedHTTP", log_config=None)
    config.load()
    assert config.http_protocol_class is GuardedHTTP
    with caplog.at_level(logging.WARNING):
        async with (
            serving(Application(), lifespan="off", http="rtmon.asgi:GuardedHTTP") as where,
            Wire.to(int(where.partition(":")[2]), upgrade("Content-Length: 1")) as wire,
        ):
            assert await wire.status() == 400
    assert issubclass(guarded()["ws"], GuardedWebSocket)


def test_wrong_options_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A malformed timeout, and a uvicorn with unknown internals, raise with the reason."""
    for options in ({"header_timeout": 0}, {"header_timeout": None}, {"stall_timeout": -1}):
        with pytest.raises(OptionError, match="seconds above 0"):
            guarded(**options)  # type: ignore[arg-type]
    monkeypatch.setattr(H11Protocol, "on_response_complete", lambda self, more: None)
    with pytest.raises(OptionError, match=r"uvicorn \d.*on_response_complete.*pip install"):
        guarded()


async def test_connection_closed_by_application_is_closed_in_both_directions() -> None:
    """A client that answers a close frame sees the connection end with its code."""
    async with served() as (_, port):
        client = await connect(f"ws://127.0.0.1:{port}/closed", proxy=None)
        with pytest.raises(ConnectionClosed):
            await client.recv()
        assert client.close_code == 1000
