"""How a client comes to a server, and what it says when it does not."""

from __future__ import annotations

import asyncio
import contextlib
import email.utils
import http
import ssl
import time
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.server import serve

import rtmon
from rtmon.backoff import Backoff
from rtmon.client import ClientClosed
from rtmon.errors import OptionError
from rtmon.testing import until
from tests.client.conftest import QUICK


@pytest.mark.parametrize(("status", "retries"), [(503, True), (429, True), (403, False)])
async def test_http_refusals(status: int, retries: bool) -> None:  # noqa: FBT001
    """A server that is busy is asked again, not before Retry-After; one that forbids is not."""
    times: list[float] = []

    def refuse(connection: Any, _: Any) -> Any:
        times.append(time.monotonic())
        response = connection.respond(http.HTTPStatus(status), "no\n")
        if retries and len(times) == 1:
            response.headers["Retry-After"] = "1"
        elif retries:
            date = email.utils.formatdate(time.time() - 3_600, usegmt=True)
            response.headers["Retry-After"] = date
        return response

    changes: list[Any] = []
    async with serve(lambda _: None, "127.0.0.1", 0, process_request=refuse) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        backoff = Backoff(base=0.01, max=0.02, attempts=2)
        client = rtmon.connect(f"ws://127.0.0.1:{port}", proxy=None, backoff=backoff)
        client.on_error(changes.append)
        client.on_gave_up(changes.append)
        with pytest.raises(ClientClosed, match=str(status)):
            await client
    assert len(times) == (3 if retries else 1)
    assert changes[-1].what == "gave_up"
    assert client.state == "closed"
    if retries:
        assert times[1] - times[0] >= 1.0
        # That moment has passed, an hour ago.
        assert times[2] - times[1] < 15


async def test_nobody_there() -> None:
    """Entering says after start_timeout that there is no server, and why."""
    client = rtmon.connect("ws://127.0.0.1:9", proxy=None, start_timeout=1.0, backoff=QUICK)
    with pytest.raises(ClientClosed, match=r"127\.0\.0\.1:9.*Connect call failed"):
        async with client:
            pass
    assert client.state == "closed"


async def test_a_server_that_is_no_hub() -> None:
    """A server that does not welcome is left again; one without MessagePack is told at once."""

    async def silent(connection: Any) -> None:
        await connection.wait_closed()

    async with serve(silent, "127.0.0.1", 0, select_subprotocol=lambda *_: None) as server:
        url = f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"
        with pytest.raises(ClientClosed, match="is it a hub"):
            await rtmon.connect(url, proxy=None, open_timeout=0.5, backoff=Backoff(attempts=0))
        with pytest.raises(ClientClosed, match=r"rtmon\.v1\.msgpack"):
            await rtmon.connect(url, proxy=None, codec="msgpack")


Place = Any


async def test_a_connection_class_of_ones_own(place: Place) -> None:
    """Every connection, also after a reconnect, is of the class that create_connection names."""
    made: list[Any] = []

    class Mine(ClientConnection):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            made.append(self)

    client = await place.connect(create_connection=Mine)
    place.proxy.cut()
    await until(lambda: client.stats.reconnects == 1)
    assert len(made) == client.stats.attempts == 2


async def test_arguments_go_to_websockets(start: Any) -> None:
    """What connect() does not know itself is an argument of the library's connect, or an error."""
    place = await start()
    client = await place.connect(additional_headers={"X-Mine": "1"}, name="ada", user="u")
    connection = next(iter(place.hub.audience.sessions.values())).peer.connection
    assert connection.request.headers["X-Mine"] == "1"
    (member,) = (await client.request("presence")).payload["members"]
    assert (member["name"], member["user"]) == ("ada", "u")
    for wrong in ({"heartbeat": 5}, {"ssl": True}, {"compression": "zip"}):
        with pytest.raises(OptionError):
            rtmon.connect("ws://127.0.0.1:1", **wrong)
    with pytest.raises(OptionError):
        rtmon.connect("http://127.0.0.1:1")
    assert "secret" not in repr(rtmon.connect("ws://me:secret@127.0.0.1:1/?token=secret"))


async def test_over_tls_and_through_a_proxy(tls: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    """What `websockets` can do the client can too: TLS, an HTTP proxy, headers of one's own."""
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
