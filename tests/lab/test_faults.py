"""Faults of the proxy on the bytes that pass: latency, bandwidth, freezing."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosedError

from rtmon.errors import OptionError
from rtmon.lab.proxy_direction import BUFFER
from rtmon.testing import FaultProxy, until
from tests.lab.bench import LOOK, Bench, End, set_up


async def test_proxy_is_transparent_without_faults(bench: Bench) -> None:
    """Fault proxy without faults forwards each byte and each end of stream in both directions."""
    client, server = await bench.pair()
    assert bench.proxy.url == f"ws://127.0.0.1:{bench.proxy.port}/path?x=1"
    data = bytes(range(256)) * 20_000
    sending = asyncio.gather(client.send(data), server.send(data[::-1]))
    assert await server.get(len(data)) == data
    assert await client.get(len(data)) == data[::-1]
    await sending
    [link] = bench.proxy.links
    assert (link.bytes_up, link.bytes_down) == (len(data), len(data))
    assert link.remote == "{}:{}".format(*server.writer.get_extra_info("peername"))
    client.writer.write_eof()
    assert await server.rest() == b""
    await server.send(b"still here")  # Only one direction has ended.
    server.writer.write_eof()
    assert await client.rest() == b"still here"
    await until(lambda: not bench.proxy.links)


async def test_websocket_works_through_the_proxy_and_ends_with_1006_when_cut() -> None:
    """WebSocket works through the fault proxy, and ends with 1006 at both ends when the proxy
    cuts it.
    """
    ended = asyncio.Event()

    async def echo(connection: Any) -> None:
        with contextlib.suppress(ConnectionClosedError):
            async for message in connection:
                await connection.send(message)
        assert connection.close_code == 1006
        ended.set()

    async with serve(echo, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with FaultProxy(f"ws://127.0.0.1:{port}") as proxy:
            client = await connect(proxy.url, proxy=None)
            await client.send("hello")
            assert await client.recv() == "hello"
            proxy.cut()
            with pytest.raises(ConnectionClosedError):
                await client.recv()
            assert client.close_code == 1006
            await asyncio.wait_for(ended.wait(), 60)


async def test_proxy_delays_bytes_by_the_latency_and_keeps_their_order(bench: Bench) -> None:
    """Fault proxy delays bytes by at least the latency, and keeps their order with any jitter."""
    client, server = await bench.pair()
    bench.proxy.set("up", latency=0.05, jitter=0.05)
    clock = asyncio.get_running_loop().time
    began = clock()
    for number in range(50):
        await client.send(bytes([number]))
        await asyncio.sleep(0)
    assert await server.get(50) == bytes(range(50))
    assert clock() - began >= 0.05
    assert bench.proxy.conditions("down").latency == 0
    bench.proxy.latency = 3600.0
    await server.send(b"never")
    assert await client.silent()
    bench.proxy.calm()  # A change applies to delayed bytes too.
    assert await client.get(5) == b"never"


async def test_proxy_limits_the_average_bandwidth(bench: Bench) -> None:
    """Fault proxy limits the average bandwidth in bytes per second, and forwards data in small
    portions.
    """
    client, server = await bench.pair()
    [link] = bench.proxy.links
    bench.proxy.bandwidth = 100_000
    clock = asyncio.get_running_loop().time
    began = clock()
    await client.send(b"x" * 30_000)
    await server.get(30_000)
    assert clock() - began >= 0.3
    bench.proxy.bandwidth = 1_000
    await client.send(b"x" * 600_000)
    await server.get(20)
    assert link.under_way, "all of it would take ten minutes"
    bench.proxy.bandwidth = None
    await server.get(600_000 - 20)


@pytest.mark.parametrize("direction", ["up", "down"])
async def test_frozen_direction_forwards_nothing_and_loses_nothing(
    bench: Bench, direction: Any
) -> None:
    """Frozen direction of the fault proxy forwards nothing and loses nothing, while the other
    direction works.
    """
    client, server = await bench.pair()
    held, free = (client, server) if direction == "up" else (server, client)
    bench.proxy.freeze(direction)
    await held.send(b"held")
    held.writer.write_eof()
    await free.send(b"free")
    assert await held.get(4) == b"free"
    assert await free.silent()
    assert bench.proxy.frozen
    bench.proxy.thaw()
    assert await free.get(4) == b"held"
    assert await free.rest() == b""


async def test_frozen_proxy_holds_bytes_that_are_already_delayed(bench: Bench) -> None:
    """Fault proxy that is frozen holds bytes that are already delayed until it thaws."""
    client, server = await bench.pair()
    [link] = bench.proxy.links
    link.latency = 3600
    await client.send(b"delayed")
    await until(lambda: link.under_way == 7)
    link.freeze()
    link.latency = 0
    assert await server.silent()
    link.thaw()
    assert await server.get(7) == b"delayed"
    assert link.under_way == 0


async def taken(end: End, limit: int = 64 * BUFFER) -> int:
    """Return how many bytes one end can send until the socket would block."""
    sock = end.writer.get_extra_info("socket").dup()
    sock.setblocking(False)
    count, waits = 0, 0
    with sock:
        while waits < 5 and count < limit:
            try:
                count += sock.send(bytes(1 << 16))
                waits = 0
            except BlockingIOError:
                waits += 1  # The kernel may still move bytes on.
                await asyncio.sleep(LOOK / 5)
    return count


async def test_frozen_proxy_blocks_the_sender_after_a_limited_number_of_bytes(bench: Bench) -> None:
    """Frozen fault proxy accepts a limited number of bytes, then blocks the sender."""
    client, _ = await bench.pair()
    bench.proxy.freeze()
    assert await taken(client) < 64 * BUFFER


@pytest.mark.parametrize("direction", ["up", "down"])
async def test_frozen_proxy_with_small_buffers_blocks_the_sender_earlier(direction: Any) -> None:
    """Frozen fault proxy with buffers of 4 KiB accepts less than half as many bytes as with the
    default buffers, and loses none.
    """
    counts = []
    for buffer in (None, 4_096):
        async with set_up(buffer=buffer) as bench:
            client, server = await bench.pair()
            held, other = (client, server) if direction == "up" else (server, client)
            bench.proxy.freeze()
            counts.append(await taken(held))
            bench.proxy.thaw()
            assert await other.get(counts[-1]) == bytes(counts[-1])
    wide, small = counts
    assert small < wide / 2


async def test_fault_on_one_connection_does_not_affect_another(bench: Bench) -> None:
    """Fault set on one connection of the proxy does not affect another connection."""
    (ada, ada_there), (bo, bo_there) = await bench.pair(), await bench.pair()
    first, second = bench.proxy.links
    first.freeze()
    second.set("up", latency=0.01)
    await ada.send(b"ada")
    await bo.send(b"bo")
    assert await bo_there.get(2) == b"bo"
    assert await ada_there.silent()
    first.cut()
    with pytest.raises(ConnectionResetError):
        await ada.rest()
    assert bench.proxy.links == [second]


@pytest.mark.parametrize(
    "wrong",
    [{"latency": -1}, {"jitter": 1e9}, {"bandwidth": 0}, {"cut_after": -1}, {"lag": 1}],
)
async def test_proxy_raises_option_error_for_an_invalid_fault_and_changes_nothing(
    bench: Bench, wrong: dict[str, Any]
) -> None:
    """Fault proxy raises OptionError that names an invalid fault, and changes nothing."""
    with pytest.raises(OptionError, match=next(iter(wrong))):
        bench.proxy.set(frozen=True, **wrong)
    assert not bench.proxy.frozen


def test_proxy_raises_option_error_for_invalid_targets_and_directions() -> None:
    """Fault proxy raises OptionError for a target without host and port, and for an unknown
    direction.
    """
    for wrong in ("127.0.0.1:80", "ws://", "ws://x:y", None):
        with pytest.raises(OptionError, match="cannot be proxied"):
            FaultProxy(wrong)
    with pytest.raises(OptionError, match="sideways"):
        FaultProxy("ws://x").freeze("sideways")  # type: ignore[arg-type]
