"""The fault proxy cuts, refuses and half-opens connections."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidMessage

from rtmon.errors import OptionError, PortInUse
from rtmon.testing import FaultProxy, until
from tests.lab.bench import Bench


async def test_proxy_cuts_with_reset_or_end_of_stream(bench: Bench) -> None:
    """Fault proxy's ``cut()`` resets both ends of a connection, or ends the stream with
    ``reset=False``.
    """
    client, server = await bench.pair()
    bench.proxy.cut()
    for end in (client, server):
        with pytest.raises(ConnectionResetError):
            await end.rest()
    client, server = await bench.pair()
    bench.proxy.cut(reset=False)
    assert await client.rest() == await server.rest() == b""


async def test_proxy_forwards_a_tcp_reset(bench: Bench) -> None:
    """Fault proxy forwards a TCP reset of one end to the other end as a reset."""
    client, server = await bench.pair()
    linger = b"\1\0\0\0\0\0\0\0"
    client.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    client.writer.transport.abort()
    with pytest.raises(ConnectionResetError):
        await server.rest()
    await until(lambda: not bench.proxy.links)


@pytest.mark.parametrize("gone", ["server", "client"])
async def test_half_open_resets_one_end_and_drops_bytes_of_the_other(
    bench: Bench, gone: Any
) -> None:
    """Fault proxy's ``half_open()`` resets one end of a connection, and drops the bytes that
    the other end sends, without an error.
    """
    client, server = await bench.pair()
    left, lost = (client, server) if gone == "server" else (server, client)
    bench.proxy.half_open(gone)
    with pytest.raises(ConnectionResetError):
        await lost.rest()
    await left.send(b"hello?" * 1_000_000)
    assert await left.silent()
    assert bench.proxy.links
    left.writer.close()
    await until(lambda: not bench.proxy.links)


async def test_proxy_cuts_after_exact_number_of_bytes(bench: Bench) -> None:
    """Fault proxy cuts a connection after exactly ``cut_after`` bytes."""
    bench.proxy.set("down", cut_after=1_000)
    client, server = await bench.pair()
    await server.send(b"x" * 600)
    assert await client.get(600)
    await server.send(b"y" * 600)
    assert await client.rest() == b"y" * 400
    await until(lambda: not bench.proxy.links)


async def test_proxy_resets_new_connections_when_refusing(bench: Bench) -> None:
    """Fault proxy with ``refusing`` resets new connections, keeps open ones, and counts both."""
    client, server = await bench.pair()
    bench.proxy.refusing = True
    with pytest.raises(ConnectionResetError):
        await (await bench.dial()).rest()
    await client.send(b"on")
    assert await server.get(2) == b"on"
    bench.proxy.calm()
    await bench.pair()
    assert (bench.proxy.accepted, bench.proxy.refused) == (3, 1)
    assert list(bench.proxy.arrivals) == sorted(bench.proxy.arrivals)


async def test_proxy_ends_and_counts_the_connection_when_the_server_is_unreachable(
    reserve_port: Callable[[], int],
) -> None:
    """Fault proxy ends a client's connection, and counts it in ``refused``, when the server is
    unreachable.
    """
    port = reserve_port()
    async with FaultProxy(f"ws://127.0.0.1:{port}") as proxy:
        with pytest.raises((OSError, InvalidMessage)):
            await connect(proxy.url, proxy=None)
        assert proxy.refused == 1


async def test_proxy_with_small_buffers_tries_every_address_of_the_host() -> None:
    """Fault proxy with small buffers connects to a host that has several addresses, and refuses
    clients when none of the addresses listens.
    """
    bench = Bench()
    server = await asyncio.start_server(bench.met, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with FaultProxy(f"ws://localhost:{port}", buffer=8_192) as bench.proxy:
        await bench.pair()
        server.close()
        with contextlib.suppress(ConnectionResetError):
            await (await bench.dial()).rest()
        assert bench.proxy.refused == 1
        await bench.close()
    with pytest.raises(OptionError, match="buffer"):
        FaultProxy("ws://x", buffer=0)


async def test_stopped_proxy_ends_all_connections_and_can_be_restarted() -> None:
    """Fault proxy that is stopped ends its connections, even frozen ones, and can be started
    again on the same port.
    """
    bench = Bench()
    server = await asyncio.start_server(bench.met, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    bench.proxy = FaultProxy(f"http://127.0.0.1:{port}")
    async with bench.proxy:
        client, there = await bench.pair()
        bench.proxy.freeze()
        await client.send(b"x" * 100_000)
        first = bench.proxy.port
        with pytest.raises(PortInUse):
            await FaultProxy(f"http://127.0.0.1:{port}", port=first).start()
    for end in (client, there):
        with contextlib.suppress(ConnectionResetError):
            await end.rest()
    bench.proxy.calm()
    async with bench.proxy:
        assert bench.proxy.port == first
        await bench.pair()
        await bench.close()
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize("turns", range(5))
async def test_stopping_proxy_ends_connections_that_are_being_accepted(turns: int) -> None:
    """Fault proxy that is stopped ends a connection that it was just accepting."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        async with FaultProxy("ws://{}:{}".format(*server.getsockname())) as proxy:
            with socket.create_connection(("127.0.0.1", proxy.port)) as client:
                for _ in range(turns):
                    await asyncio.sleep(0)
                await asyncio.gather(proxy.stop(), proxy.stop())
                client.setblocking(False)
                with contextlib.suppress(ConnectionResetError):
                    async with asyncio.timeout(60):
                        assert await asyncio.get_running_loop().sock_recv(client, 1) == b""
            assert not proxy.links
