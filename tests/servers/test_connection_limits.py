"""``rtmon.serve()`` of a handler with a connection limit and an idle timeout."""

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
    """Return 101 when the handshake is accepted, else the HTTP status of the rejection."""
    try:
        async with connect(url):
            return 101
    except InvalidStatus as refused:
        return refused.response.status_code


async def test_server_rejects_handshake_with_503_above_max_connections() -> None:
    """Server rejects a handshake with HTTP 503 above ``max_connections``, counts it as
    rejected, and accepts clients again once other clients leave.
    """
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


async def test_server_accepts_no_more_than_max_connections_when_clients_connect_at_once() -> None:
    """Server accepts five of forty simultaneous handshakes with ``max_connections=5``, even
    while ``process_request`` waits.
    """

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
async def test_failed_handshakes_do_not_count_against_max_connections(more: str) -> None:
    """Server accepts a client after three failed handshakes with ``max_connections=1``."""
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


async def test_handshakes_refused_by_process_request_do_not_count_against_max_connections() -> None:
    """Server sends the 401 of ``process_request``, and accepts the next client with
    ``max_connections=1``.
    """
    statuses = iter([401, 401, None])

    def ask(connection: ServerConnection, _: Any) -> Any:
        status = next(statuses)
        return None if status is None else connection.respond(status, "no\n")

    async with _serve(max_connections=1, process_request=ask) as server:
        assert [await _status(server.url) for _ in range(3)] == [401, 401, 101]
        assert server.pool.refused == 0
        assert server.pool.peak == 1


async def test_server_answers_health_check_at_max_connections() -> None:
    """Server at ``max_connections`` still answers an HTTP request that ``process_request``
    handles.
    """

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


async def test_server_accepts_a_client_after_another_vanished_at_max_connections() -> None:
    """Server at ``max_connections`` accepts another client after a client has vanished without
    a close frame.
    """
    async with _serve(max_connections=1) as server:
        client = await connect(server.url)
        client.transport.abort()
        await until(lambda: server.pool.open == 0)
        assert await _status(server.url) == 101


async def test_server_closes_a_client_with_4502_after_the_idle_timeout() -> None:
    """Server closes a client that sends no message for ``idle_timeout`` with 4502, and keeps a
    client that sends messages.
    """
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
        # The second client stops sending too. Its pongs to keepalive pings are no messages.
        async with asyncio.timeout(LONG):
            await busy.wait_closed()
        assert busy.close_code == 4502


async def test_server_closes_a_client_with_4502_when_it_sends_only_pings() -> None:
    """Server closes a client with 4502 when it sends only ping frames for ``idle_timeout``."""
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
def test_serve_raises_option_error_for_invalid_max_connections_or_idle_timeout(
    option: str, value: Any
) -> None:
    """``rtmon.serve()`` raises OptionError that names ``max_connections`` or ``idle_timeout``
    when it is not a positive number.
    """
    with pytest.raises(OptionError, match=option):
        _serve(**{option: value})


@pytest.mark.parametrize("option", ["max_connections", "idle_timeout"])
def test_serve_of_a_hub_raises_option_error_for_options_that_the_hub_has(option: str) -> None:
    """``rtmon.serve()`` of a hub raises OptionError for ``max_connections`` and
    ``idle_timeout``, and names the hub's option.
    """
    with pytest.raises(OptionError, match=rf"Hub\({option}=…\)"):
        rtmon.serve(Hub(), "127.0.0.1", 0, **{option: 5})
