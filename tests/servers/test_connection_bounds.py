"""A server with a limit of connections and an idle timeout."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed, InvalidStatus

import rtmon
from rtmon import Hub
from rtmon.errors import OptionError
from rtmon.testing import until

LONG = 10.0


async def _echo(connection: ServerConnection) -> None:
    async for message in connection:
        await connection.send(message)


def _serve(**options: Any) -> Any:
    return rtmon.serve(_echo, "127.0.0.1", 0, **options)


async def _status(url: str) -> int:
    """Return the HTTP status of a refused client; 101, and disconnect, if it is accepted."""
    try:
        async with connect(url):
            return 101
    except InvalidStatus as refused:
        return refused.response.status_code


async def test_server_refuses_connection_when_limit_is_reached() -> None:
    """The sixth client gets HTTP 503: it is rejected, and neither open nor in the peak."""
    async with _serve(max_connections=5) as server:
        clients = [await connect(server.url) for _ in range(5)]
        assert [await _status(server.url) for _ in range(3)] == [503, 503, 503]
        await until(lambda: server.monitor.snapshot().rejected == 3)
        seen, pool = server.monitor.snapshot(), server.pool
        assert (seen.open, seen.opened, seen.peak, seen.rejected) == (5, 5, 5, 3)
        assert (pool.limit, pool.open, pool.peak, pool.refused) == (5, 5, 5, 3)
        await clients[0].send("still connected")
        assert await clients[0].recv() == "still connected"
        for client in clients:
            await client.close()
        await until(lambda: pool.open == 0)
        assert await _status(server.url) == 101
        assert (pool.peak, pool.refused) == (5, 3)


async def test_server_never_exceeds_limit_when_clients_connect_at_once() -> None:
    """Of forty handshakes at once, five are accepted, even while process_request waits."""

    async def slowly(*_: Any) -> None:
        await asyncio.sleep(0.05)

    async with _serve(max_connections=5, process_request=slowly) as server:
        tries = [asyncio.create_task(connect(server.url).__aenter__()) for _ in range(40)]
        done = await asyncio.gather(*tries, return_exceptions=True)
        clients = [each for each in done if not isinstance(each, BaseException)]
        assert len(clients) == 5
        await until(lambda: server.monitor.snapshot().rejected == 35)
        assert server.monitor.snapshot().peak == server.pool.peak == 5
        for client in clients:
            await client.close()


@pytest.mark.parametrize(
    "more", ["", "Connection: Upgrade\r\nSec-WebSocket-Key: short\r\n"], ids=["no key", "bad key"]
)
async def test_server_frees_place_when_handshake_fails(more: str) -> None:
    """A failed handshake leaves its place to another client."""
    attempt = f"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n{more}\r\n".encode()
    async with _serve(max_connections=1) as server:
        for _ in range(3):
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(attempt)
            assert b" 4" in await reader.readline()
            writer.close()
        await until(lambda: server.monitor.snapshot().rejected == 3)
        assert await _status(server.url) == 101
        assert server.pool.refused == 0


async def test_server_frees_place_when_process_request_refuses() -> None:
    """The application's refusal is sent as it is, and its place is free again."""
    statuses = iter([401, 401, None])

    def ask(connection: ServerConnection, _: Any) -> Any:
        status = next(statuses)
        return None if status is None else connection.respond(status, "no\n")

    async with _serve(max_connections=1, process_request=ask) as server:
        assert [await _status(server.url) for _ in range(3)] == [401, 401, 101]
        assert server.pool.refused == 0
        assert server.pool.peak == 1


async def test_server_answers_http_request_when_it_is_full() -> None:
    """A health check that process_request answers is no connection, and is not refused."""

    def health(connection: ServerConnection, request: Any) -> Any:
        return connection.respond(200, "OK\n") if request.path == "/healthz" else None

    async with (
        _serve(max_connections=1, process_request=health) as server,
        connect(server.url),
    ):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"200" in await reader.readline()
        writer.close()


async def test_server_frees_place_when_client_vanishes() -> None:
    """A connection that ends without a close frame leaves its place free."""
    async with _serve(max_connections=1) as server:
        client = await connect(server.url)
        client.transport.abort()
        await until(lambda: server.pool.open == 0)
        assert await _status(server.url) == 101


async def test_server_closes_client_when_it_is_idle() -> None:
    """A client that sends nothing is closed with 4502; one that sends is not."""
    async with (
        _serve(idle_timeout=0.5) as server,
        connect(server.url) as idle,
        connect(server.url) as busy,
    ):
        began = asyncio.get_running_loop().time()

        async def talk() -> None:
            while True:
                await busy.send("")
                await busy.recv()
                await asyncio.sleep(0.05)

        talking = asyncio.create_task(talk())
        with pytest.raises(ConnectionClosed):
            async with asyncio.timeout(LONG):
                await idle.recv()
        assert asyncio.get_running_loop().time() - began >= 0.45
        assert (idle.close_code, idle.close_reason) == (4502, "you said nothing for 0.5 s")
        assert not talking.done()
        talking.cancel()
        assert (server.pool.closed_idle, server.pool.open) == (1, 1)
        # From now on it sends nothing either; pongs to the server's keepalive are no messages.
        async with asyncio.timeout(LONG):
            await busy.wait_closed()
        assert busy.close_code == 4502


async def test_server_closes_client_when_only_pings_come() -> None:
    """A client's pings, which the library answers, keep no idle connection open."""
    async with (
        _serve(idle_timeout=0.3) as server,
        connect(server.url, ping_interval=0.05) as client,
        asyncio.timeout(LONG),
    ):
        await client.wait_closed()
        assert client.close_code == 4502


@pytest.mark.parametrize(
    ("option", "value"),
    [("max_connections", 0), ("max_connections", "5"), ("idle_timeout", 0), ("idle_timeout", "x")],
)
def test_server_refuses_malformed_bound(option: str, value: Any) -> None:
    """A bound that is no positive number is an OptionError that names it."""
    with pytest.raises(OptionError, match=option):
        _serve(**{option: value})


@pytest.mark.parametrize("option", ["max_connections", "idle_timeout"])
def test_server_of_hub_refuses_bound_that_is_the_hubs(option: str) -> None:
    """The hub has both bounds itself; the message says where to set them."""
    with pytest.raises(OptionError, match=rf"Hub\({option}=…\)"):
        rtmon.serve(Hub(), "127.0.0.1", 0, **{option: 5})
