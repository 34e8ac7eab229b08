"""Faults of the proxy on passing bytes: latency, bandwidth, freezes."""

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
    """Without faults each byte passes in both directions, and each end sees the end of the
    other.
    """
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
    await server.send(b"still here")  # only one direction has ended
    server.writer.write_eof()
    assert await client.rest() == b"still here"
    await until(lambda: not bench.proxy.links)


async def test_websocket_works_through_proxy() -> None:
    """A WebSocket works through the proxy, and a cut one ends with 1006 at both ends."""
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


async def test_latency_delays_and_jitter_keeps_order(bench: Bench) -> None:
    """Bytes arrive later by at least the latency, and in order whatever the jitter."""
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
    bench.proxy.calm()  # a change applies to waiting bytes, too
    assert await client.get(5) == b"never"


async def test_bandwidth_is_limited_on_average(bench: Bench) -> None:
    """A bandwidth in bytes per second holds on average, and bytes arrive in small pieces."""
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
async def test_frozen_direction_passes_nothing_and_loses_nothing(
    bench: Bench, direction: Any
) -> None:
    """A frozen direction passes nothing and loses nothing; the other one goes on."""
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


async def test_freeze_holds_delayed_bytes(bench: Bench) -> None:
    """Bytes that are still delayed when the link is frozen do not pass before it thaws."""
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
    """Bytes that are taken from one end until it has to wait, or all that there are."""
    sock = end.writer.get_extra_info("socket").dup()
    sock.setblocking(False)
    count, waits = 0, 0
    with sock:
        while waits < 5 and count < limit:
            try:
                count += sock.send(bytes(1 << 16))
                waits = 0
            except BlockingIOError:
                waits += 1  # bytes in the kernel make room once more
                await asyncio.sleep(LOOK / 5)
    return count


async def test_frozen_link_blocks_its_sender(bench: Bench) -> None:
    """Buffers behind a frozen link are bounded: the sender has to wait."""
    client, _ = await bench.pair()
    bench.proxy.freeze()
    assert await taken(client) < 64 * BUFFER


@pytest.mark.parametrize("direction", ["up", "down"])
async def test_small_buffers_block_the_sender_earlier(direction: Any) -> None:
    """With small buffers a frozen link takes far fewer bytes before its sender has to wait, and
    loses none of them.
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


async def test_fault_of_one_link_leaves_others_alone(bench: Bench) -> None:
    """A fault set on one connection does not change the others."""
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
async def test_proxy_rejects_invalid_faults(bench: Bench, wrong: dict[str, Any]) -> None:
    """An invalid fault is named in the error, and nothing is changed."""
    with pytest.raises(OptionError, match=next(iter(wrong))):
        bench.proxy.set(frozen=True, **wrong)
    assert not bench.proxy.frozen


def test_proxy_rejects_invalid_targets_and_directions() -> None:
    """Only what has a host and a port can be proxied, and directions are up, down or both."""
    for wrong in ("127.0.0.1:80", "ws://", "ws://x:y", None):
        with pytest.raises(OptionError, match="cannot be proxied"):
            FaultProxy(wrong)
    with pytest.raises(OptionError, match="sideways"):
        FaultProxy("ws://x").freeze("sideways")  # type: ignore[arg-type]
