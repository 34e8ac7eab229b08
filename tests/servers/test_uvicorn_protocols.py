"""Uvicorn with the protocol classes of ``guarded()``, which limit slow or flooding clients."""

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
"""Number of bytes above the size of all socket buffers."""


class Application:
    """An ASGI application whose behavior depends on the request's path."""

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
        """Number of bytes in uvicorn's write buffers."""
        return sum(transport.get_write_buffer_size() for transport in self.transports)


@asynccontextmanager
async def served(**options: Any) -> AsyncIterator[tuple[Application, int]]:
    """Serve the application by uvicorn with rtmon's limits, and yield application and port."""
    application = Application()
    async with serving(application, lifespan="off", **{**guarded(), **options}) as where:
        yield application, int(where.partition(":")[2])


async def test_uvicorn_with_limits_echoes_messages_of_any_size_and_fragmentation() -> None:
    """Uvicorn with rtmon's limits echoes text and binary messages of any size, whole or
    fragmented, and answers pings.
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


async def test_uvicorn_with_limits_reads_all_connection_header_lines_of_a_handshake() -> None:
    """Uvicorn with rtmon's limits accepts a handshake when any of several Connection header
    lines contains ``upgrade``.
    """
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


async def test_uvicorn_with_limits_answers_only_the_latest_ping_of_a_client_that_did_not_read() -> (
    None
):
    """Uvicorn with rtmon's limits buffers no pongs for a client that does not read, and answers
    the client's latest ping when the client reads again.
    """
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


async def test_uvicorn_with_limits_drops_a_client_that_floods_pings_without_reading() -> None:
    """Uvicorn with rtmon's limits drops a client that floods pings and reads nothing."""
    async with served() as (application, port), Wire.to(port, upgrade(path="/large")) as wire:
        await wire.upgraded()
        wire.writer.transport.pause_reading()
        await until(lambda: application.unsent > PONGS_ABOVE)
        wire.writer.write(frame(9) * (20 * PINGS_AT_ONCE))
        await until(lambda: not application.unsent)


@pytest.mark.parametrize("path", ["/large", "/large over HTTP"])
async def test_uvicorn_with_limits_drops_a_stalled_client_and_its_buffer(path: str) -> None:
    """Uvicorn with rtmon's limits drops a WebSocket or HTTP client that reads nothing for
    ``stall_timeout``, and frees the client's write buffer.
    """
    async with served(**guarded(stall_timeout=0.4)) as (application, port):
        said = upgrade(path="/large")
        if "HTTP" in path:
            said = b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n"
        async with Wire.to(port, said) as wire:
            wire.writer.transport.pause_reading()
            await until(lambda: application.unsent)
            await until(lambda: not application.unsent)


class Patient(guarded()["ws"]):  # type: ignore[misc] # The class is created at run time.
    """A server protocol that waits an hour for the client's close frame."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.close_timeout = 3_600.0


@pytest.mark.parametrize("path", ["/flooded", "/closed"])
async def test_uvicorn_with_limits_drops_a_client_that_floods_after_the_close_frame(
    path: str,
) -> None:
    """Uvicorn with rtmon's limits drops a client that sends a flood after uvicorn's close
    frame, without waiting for the client's close frame.
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


async def test_uvicorn_with_limits_drops_the_buffer_of_a_client_that_closes_without_reading() -> (
    None
):
    """Uvicorn with rtmon's limits frees the write buffer of a client that sends a close frame
    and does not read.
    """
    async with served() as (application, port), Wire.to(port, upgrade(path="/large")) as wire:
        await wire.upgraded()
        wire.writer.transport.pause_reading()
        await until(lambda: application.unsent)
        wire.writer.write(frame(8, b"\x03\xe8"))
        await until(lambda: not application.unsent)


async def test_uvicorn_with_limits_stops_although_a_client_closed_without_reading() -> None:
    """Uvicorn with rtmon's limits stops although a client has sent a close frame and reads
    nothing.
    """
    async with served() as (application, port), Wire.to(port, upgrade(path="/large")) as wire:
        await wire.upgraded()
        wire.writer.transport.pause_reading()
        await until(lambda: application.unsent)
        wire.writer.write(frame(8, b"\x03\xe8"))
        await until(application.transports[0].is_closing)


@pytest.mark.parametrize("rest", ["Content-Length: 100", "Transfer-Encoding: chunked"])
async def test_uvicorn_with_limits_answers_408_when_the_request_body_does_not_arrive(
    rest: str,
) -> None:
    """Uvicorn with rtmon's limits answers 408 when a request's body does not arrive, and the
    application gets ``http.disconnect``.
    """
    said = f"POST / HTTP/1.1\r\nHost: x\r\n{rest}\r\n\r\n".encode()
    async with served(**guarded(header_timeout=0.3)) as (application, port):
        async with Wire.to(port, said) as wire:
            assert await wire.status() == 408
        async with asyncio.timeout(LONG):
            await application.left.wait()


async def test_uvicorn_with_limits_closes_connection_answered_before_the_request_body_arrived() -> (
    None
):
    """Uvicorn with rtmon's limits closes a connection when the application has answered a
    request whose body has not arrived.
    """
    said = b"POST /unread HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n"
    async with served() as (_, port), Wire.to(port, said) as wire:
        assert await wire.status() == 200


async def test_uvicorn_with_limits_keeps_the_connection_and_answers_half_a_request_with_408() -> (
    None
):
    """Uvicorn with rtmon's limits answers several requests on one connection, and answers an
    incomplete request with 408.
    """
    request = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi"
    async with served(**guarded(header_timeout=0.3)) as (_, port), Wire.to(port) as wire:
        for _ in range(2):
            wire.writer.write(request)
            assert (await wire.reader.readuntil(b"xx")).startswith(b"HTTP/1.1 200")
            await asyncio.sleep(0.6)  # Longer than the header timeout.
        wire.writer.write(request[:20])
        assert await wire.status() == 408


async def test_uvicorn_with_limits_answers_431_or_414_to_oversized_headers_or_request_line() -> (
    None
):
    """Uvicorn with rtmon's limits answers 431 to request headers of 64 KiB, and 414 to a
    request line of that size.
    """
    async with served() as (_, port):
        for said, status in ((b"\r\nX: ".join([b"x" * 5_000] * 15), 431), (b"x" * 70_000, 414)):
            async with Wire.to(port, b"GET /") as wire:
                whole = (b" HTTP/1.1\r\nX: " if status == 431 else b"") + said
                for start in range(0, len(whole), 10_000):
                    wire.writer.write(whole[start : start + 10_000])
                    await wire.writer.drain()
                    await asyncio.sleep(0.01)
                assert await wire.status() == status


async def test_uvicorn_loads_the_guarded_http_protocol_by_its_name(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Uvicorn loads rtmon's HTTP protocol class from the name ``rtmon.asgi:GuardedHTTP``, and
    the class applies rtmon's limits to WebSockets too.
    """
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


def test_guarded_raises_option_error_for_invalid_timeouts_or_unsupported_uvicorn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """``guarded()`` raises OptionError for an invalid timeout, and when uvicorn's internals are
    not the expected ones.
    """
    for options in ({"header_timeout": 0}, {"header_timeout": None}, {"stall_timeout": -1}):
        with pytest.raises(OptionError, match="seconds above 0"):
            guarded(**options)  # type: ignore[arg-type]
    monkeypatch.setattr(H11Protocol, "on_response_complete", lambda self, more: None)
    with pytest.raises(OptionError, match=r"uvicorn \d.*on_response_complete.*pip install"):
        guarded()


async def test_client_gets_the_applications_close_code_under_uvicorn_with_limits() -> None:
    """Client gets close code 1000 when the application closes the WebSocket under uvicorn with
    rtmon's limits.
    """
    async with served() as (_, port):
        client = await connect(f"ws://127.0.0.1:{port}/closed", proxy=None)
        with pytest.raises(ConnectionClosed):
            await client.recv()
        assert client.close_code == 1000
