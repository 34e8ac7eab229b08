"""Connection attempts of the Python client, and the errors when they fail."""

from __future__ import annotations

import asyncio
import contextlib
import email.utils
import http
import ssl
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.server import serve

import rtmon
from rtmon.client import Change, ClientClosed
from rtmon.core.backoff import Backoff
from rtmon.errors import OptionError
from rtmon.testing import FakeClock, until
from tests.client.conftest import QUICK

Place = Any


@contextlib.asynccontextmanager
async def refusing(status: int, *retry_after: str) -> AsyncIterator[tuple[str, list[float]]]:
    """A server that rejects every handshake; yields its URL, and the times of the requests."""
    asked: list[float] = []

    def refuse(connection: Any, _: Any) -> Any:
        response = connection.respond(http.HTTPStatus(status), "no\n")
        if len(asked) < len(retry_after):
            response.headers["Retry-After"] = retry_after[len(asked)]
        asked.append(time.monotonic())
        return response

    async with serve(lambda _: None, "127.0.0.1", 0, process_request=refuse) as server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}", asked


@pytest.mark.parametrize("status", [429, 503])
async def test_client_waits_for_retry_after_of_429_and_503(status: int) -> None:
    """Python client waits for ``Retry-After``, in seconds or as a date, when the server answers
    429 or 503.
    """
    now = time.time()
    dates = [email.utils.formatdate(now + away, usegmt=True) for away in (1_800, -1_800)]
    waits: list[float | None] = []
    async with refusing(status, "1800", *dates) as (url, asked):
        backoff = Backoff(base=0.01, max=0.02, attempts=3)
        client = rtmon.connect(url, proxy=None, backoff=backoff)

        @client.on_error
        def do_not_wait(change: Change) -> None:
            waits.append(change.delay)
            client.reconnect()

        with pytest.raises(ClientClosed, match=str(status)):
            await client
    seconds, later, past, last = waits
    assert 1_800 <= (seconds or 0) <= 1_800.02
    # HTTP dates have whole seconds, and some time has passed since.
    assert 1_600 < (later or 0) < 1_800.02
    assert past is not None
    assert past <= 0.02
    assert last is None
    assert len(asked) == 4


async def test_client_closes_after_http_403() -> None:
    """Python client closes and raises ClientClosed with the status when the server answers 403."""
    changes: list[str] = []
    async with refusing(403) as (url, asked):
        client = rtmon.connect(url, proxy=None, backoff=QUICK)
        client.on_error(lambda change: changes.append(change.what))
        client.on_gave_up(lambda change: changes.append(change.what))
        with pytest.raises(ClientClosed, match="403"):
            await client
    assert (len(asked), changes, client.state) == (1, ["error", "gave_up"], "closed")


async def test_client_raises_client_closed_when_no_server_listens_until_start_timeout(
    reserve_port: Callable[[], int],
) -> None:
    """Python client's ``async with`` raises ClientClosed with the last error when no server
    listens within ``start_timeout``.
    """
    url = f"ws://127.0.0.1:{reserve_port()}"
    client = rtmon.connect(url, proxy=None, start_timeout=1.0, backoff=QUICK)
    with pytest.raises(ClientClosed, match=rf"{url}.*Connect call failed"):
        async with client:
            pass
    assert client.state == "closed"


async def test_client_raises_client_closed_when_the_server_is_no_hub() -> None:
    """Python client raises ClientClosed when the server sends no welcome, or does not support
    MessagePack.
    """
    clock = FakeClock()

    async def silent(connection: Any) -> None:
        await connection.wait_closed()

    # The handshake uses nearly all of open_timeout, so the wait for the welcome is short.
    async with serve(
        silent,
        "127.0.0.1",
        0,
        process_request=lambda *_: clock.advance(29.9),
        select_subprotocol=lambda *_: None,
    ) as server:
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        options: Any = {"proxy": None, "backoff": Backoff(attempts=0), "clock": clock}
        with pytest.raises(ClientClosed, match=r"is it a hub.*protocol='plain'"):
            await rtmon.connect(url, open_timeout=30.0, **options)
        with pytest.raises(ClientClosed, match=r"rtmon\.v1\.msgpack"):
            await rtmon.connect(url, codec="msgpack", **options)


async def test_client_uses_create_connection_for_each_connection(place: Place) -> None:
    """Python client uses the class given as ``create_connection`` for its first connection and
    after a reconnect.
    """
    made: list[Any] = []

    class Mine(ClientConnection):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            made.append(self)

    client = await place.connect(create_connection=Mine)
    place.proxy.cut()
    await until(lambda: client.stats.reconnects == 1)
    assert len(made) == client.stats.attempts == 2


async def test_client_passes_other_arguments_to_websockets_and_rejects_unknown_ones(
    start: Any,
) -> None:
    """Python client passes ``additional_headers`` to ``websockets``, and ``rtmon.connect()``
    raises OptionError for invalid arguments.
    """
    place = await start()
    client = await place.connect(additional_headers={"X-Mine": "1"}, name="ada", user="u")
    connection = next(iter(place.hub.connections.values())).peer.connection
    assert connection.request.headers["X-Mine"] == "1"
    (member,) = (await client.request("presence")).payload["members"]
    assert (member["name"], member["user"]) == ("ada", "u")
    for wrong in ({"heartbeat": 5}, {"ssl": True}, {"compression": "zip"}):
        with pytest.raises(OptionError):
            rtmon.connect("ws://127.0.0.1:1", **wrong)
    with pytest.raises(OptionError):
        rtmon.connect("http://127.0.0.1:1")
    assert "secret" not in repr(rtmon.connect("ws://me:secret@127.0.0.1:1/?token=secret"))


async def test_client_connects_over_tls_through_an_http_proxy_with_extra_headers(
    tls: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    """Python client connects over TLS through an HTTP proxy, with additional headers."""
    asked: list[bytes] = []

    async def tunnel(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        asked.append(head.split(b"\r\n")[0])
        host, _, port = head.split()[1].decode().rpartition(":")
        upstream = await asyncio.open_connection(host, int(port))
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await asyncio.gather(pump(reader, upstream[1]), pump(upstream[0], writer))

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                writer.write(data)
        writer.close()

    server_side, client_side = tls
    seen: list[Any] = []

    def look(connection: Any, request: Any) -> None:
        seen.append(request.headers.get("X-Team"))

    async with (
        rtmon.serve(rtmon.Hub(), "127.0.0.1", 0, ssl=server_side, process_request=look) as server,
        await asyncio.start_server(tunnel, "127.0.0.1", 0) as proxy,
    ):
        port = server.url.rpartition(":")[2].strip("/")
        through = proxy.sockets[0].getsockname()[1]
        async with rtmon.connect(
            f"wss://127.0.0.1:{port}",
            ssl=client_side,
            server_hostname="localhost",
            proxy=f"http://127.0.0.1:{through}",
            additional_headers={"X-Team": "blue"},
        ) as client:
            answer = await client.request("ping", {"timestamp": 1})
            assert answer.payload == {"timestamp": 1}
        assert asked == [f"CONNECT 127.0.0.1:{port} HTTP/1.1".encode()]
        assert seen == ["blue"]
