"""``rtmon.serve()``: Monitor, hub, compression, errors, shutdown, export."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory

import rtmon
from rtmon import Hub, Monitor, export, read_csv
from rtmon.errors import FeedError, MonitorError, OptionError, PortInUse
from rtmon.servers import server_base
from rtmon.testing import until

IPV4, IPV6 = ("0.0.0.0", 40_001), ("::", 40_002, 0, 0)  # noqa: S104 - compared, not bound


async def _echo(connection: ServerConnection) -> None:
    async for message in connection:
        await connection.send(message)


async def test_serve_counts_a_handlers_messages_and_closes_its_own_monitor() -> None:
    """``rtmon.serve()`` of a handler counts its messages in a Monitor of its own, which is
    closed with the server.
    """
    async with rtmon.serve(_echo, "127.0.0.1", 0) as server:
        async with connect(server.url) as client:
            await client.send("hello")
            assert await client.recv() == "hello"
        assert server.monitor.snapshot().messages_in == 1
        assert server.admin_url is None
    assert server.monitor.closed, "a Monitor that the server made ends with it"


async def test_compression_has_no_context_takeover_by_default() -> None:
    """Server compresses without context takeover by default, does not compress with
    ``compression=None``, and uses the extensions in ``extensions``.
    """
    own = ServerPerMessageDeflateFactory()
    cases: list[tuple[dict[str, Any], bool | None]] = [
        ({}, True),
        ({"compression": None}, None),
        ({"extensions": [own]}, False),
    ]
    for options, by_itself in cases:
        async with (
            rtmon.serve(_echo, "127.0.0.1", 0, **options) as server,
            connect(server.url) as client,
        ):
            await client.send("hello " * 100)
            assert await client.recv() == "hello " * 100
            deflate: Any = next(iter(client.protocol.extensions), None)
            assert (deflate and deflate.local_no_context_takeover) is by_itself
            assert (deflate and deflate.remote_no_context_takeover) is by_itself


async def test_samples_stay_correct_when_a_handler_blocks_the_loop() -> None:
    """Samples count each message once, with rates by real time and the event-loop lag, when a
    handler blocks the loop for three seconds.
    """

    async def stalls(connection: ServerConnection) -> None:
        async for message in connection:
            if message == "stall":
                time.sleep(3)  # noqa: ASYNC251 - blocks the loop on purpose
            await connection.send(message)

    monitor = Monitor(interval=0.2)
    async with rtmon.serve(stalls, "127.0.0.1", 0, monitor=monitor) as server:
        async with connect(server.url) as client:
            for text in ("before", "stall", "after"):
                await client.send(text)
                assert await client.recv() == text
        await until(lambda: monitor.snapshot().closed == 1)
        monitor.tick()
        samples = monitor.collector.history.samples()
        snapshot = monitor.snapshot()
    longest = max(samples, key=lambda sample: sample.elapsed)
    assert longest.elapsed >= 3
    assert (longest.rate("messages_in") or 0) <= 3 / longest.elapsed
    rates = [rate for each in samples if (rate := each.rate("messages_in")) is not None]
    assert all(math.isfinite(rate) and rate >= 0 for rate in rates)
    assert sum(each.messages_in or 0 for each in samples) == snapshot.messages_in == 3
    assert (snapshot.lag.quantile(1.0) or 0) >= 2.5
    monitor.close()


async def test_serve_does_not_close_a_monitor_that_was_passed_to_it() -> None:
    """Monitor passed to two servers, which run one after another, stays open and counts the
    connections of both servers.
    """
    monitor = Monitor()
    for _ in range(2):
        server = await rtmon.serve(_echo, "127.0.0.1", 0, monitor=monitor)
        async with connect(server.url):
            pass
        server.close()
        await server.wait_closed()
    assert not monitor.closed
    assert monitor.snapshot().opened == 2


async def test_serve_passes_subprotocols_create_connection_and_max_size_to_websockets() -> None:
    """``rtmon.serve()`` passes ``subprotocols``, ``create_connection`` and ``max_size`` to
    ``websockets``, and raises TypeError for unknown arguments.
    """

    class Mine(ServerConnection):
        pass

    seen: list[ServerConnection] = []

    async def handler(connection: ServerConnection) -> None:
        seen.append(connection)

    async with (
        rtmon.serve(
            handler, "127.0.0.1", 0, subprotocols=["a"], create_connection=Mine, max_size=10
        ) as server,
        connect(server.url, subprotocols=["a"]) as client,
    ):
        assert client.subprotocol == "a"
        await until(lambda: seen)
    assert isinstance(seen[0], Mine)
    protocol: Any = seen[0].protocol  # The attribute's name differs up to version 15.
    assert 10 in {getattr(protocol, name, 0) for name in ("max_message_size", "max_size")}
    with pytest.raises(TypeError, match="nonsense"):
        await rtmon.serve(handler, "127.0.0.1", 0, nonsense=1)


async def test_serve_of_a_hub_offers_its_subprotocols_and_health_check() -> None:
    """``rtmon.serve(hub)`` accepts clients with and without subprotocol, and answers
    ``/healthz`` as a plain HTTP request.
    """
    async with rtmon.serve(Hub(), "127.0.0.1", 0) as server:
        async with connect(server.url, subprotocols=["rtmon.v1.json"]) as client:
            assert client.subprotocol == "rtmon.v1.json"
            assert '"welcome"' in str(await client.recv())
        async with connect(server.url) as bare:
            assert bare.subprotocol is None
            assert '"welcome"' in str(await bare.recv())
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 200")
        writer.close()
        await until(lambda: server.monitor.snapshot().http_requests == 1)
        assert server.monitor.snapshot().rejected == 0


async def test_remote_feed_receives_the_last_tick_of_a_server_that_stops() -> None:
    """Remote feed receives the last tick of a server that stops, which counts the server's
    connection as closed.
    """
    async with rtmon.serve(_echo, "127.0.0.1", 0, admin=0) as server:
        assert server.admin_url is not None
        feed = rtmon.open_feed(server.admin_url)
        await feed.start()
        await until(lambda: server.admin is not None and server.admin.watchers == 1)
        client = await connect(server.url)
    await client.wait_closed()
    await until(lambda: (snapshot := feed.snapshot()) is not None and snapshot.closed == 1)
    await feed.aclose()


async def test_serve_raises_option_error_for_wrong_arguments_before_it_listens() -> None:
    """``rtmon.serve()`` raises OptionError for a wrong handler, admin port, ``stall_timeout`` or
    a second probe before it listens.
    """
    with pytest.raises(OptionError, match="cannot be served"):
        rtmon.serve("handler")  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="admin='x'"):
        rtmon.serve(_echo, admin="x")  # type: ignore[arg-type]
    for seconds in (0, -1, float("nan"), float("inf"), "x"):
        with pytest.raises(OptionError, match="stall_timeout="):
            rtmon.serve(_echo, stall_timeout=seconds)  # type: ignore[arg-type]
    monitor = Monitor()
    for target in (_echo, Hub()):
        with pytest.raises(OptionError, match="probed already"):
            rtmon.serve(target, create_connection=rtmon.probe(monitor))
    monitor.close()
    with pytest.raises(RuntimeError, match="not running"):
        _ = rtmon.serve(_echo).port


@pytest.mark.parametrize("which", ["server", "admin"])
async def test_serve_raises_port_in_use_and_leaves_no_task(which: str) -> None:
    """``rtmon.serve()`` raises PortInUse and leaves no task running when its own or its admin
    port is in use.
    """
    async with rtmon.serve(_echo, "127.0.0.1", 0, admin=0) as first:
        assert first.admin is not None
        ports = {"port": 0, "admin": first.admin.port}
        if which == "server":
            ports = {"port": first.port, "admin": 0}
        before = {task for task in asyncio.all_tasks() if not task.done()}
        with pytest.raises(PortInUse, match="in use; choose another one"):
            await rtmon.serve(_echo, "127.0.0.1", **ports)
        await until(lambda: {t for t in asyncio.all_tasks() if not t.done()} <= before)


def test_serve_raises_monitor_error_for_a_monitor_of_another_running_loop() -> None:
    """``rtmon.serve()`` raises MonitorError when its Monitor is already used on another running
    event loop.
    """
    monitor = Monitor()
    raised: list[str] = []

    async def second() -> None:
        try:
            await rtmon.serve(_echo, "127.0.0.1", 0, monitor=monitor)
        except MonitorError as exc:
            raised.append(str(exc))

    async def first() -> None:
        async with rtmon.serve(_echo, "127.0.0.1", 0, monitor=monitor):
            thread = threading.Thread(target=asyncio.run, args=(second(),))
            thread.start()
            await asyncio.to_thread(thread.join)

    asyncio.run(first())
    assert "give each loop a Monitor of its own" in raised[0]


async def test_canceled_serve_forever_closes_clients_with_1001_and_the_monitor() -> None:
    """Canceled ``serve_forever()`` closes clients with 1001, and closes the server's own
    Monitor.
    """
    server = await rtmon.serve(_echo, "127.0.0.1", 0)
    task = asyncio.create_task(server.serve_forever())
    client = await connect(server.url)
    task.cancel()
    await asyncio.wait([task])
    await client.wait_closed()
    assert client.close_code == 1001
    assert server.monitor.closed


async def test_exported_csv_files_equal_the_monitors_tables(tmp_path: Path) -> None:
    """CSV files exported from a Monitor or its admin address equal the Monitor's tables, and an
    unreachable address raises FeedError.
    """
    async with rtmon.serve(_echo, "127.0.0.1", 0, admin=0) as server:
        async with connect(f"{server.url}/room?secret=1") as client:
            await client.send("hello")
            await client.recv()
        await until(lambda: server.monitor.snapshot().closed == 1)
        server.monitor.tick()
        assert server.admin_url is not None
        for source in (server.admin_url, server.monitor):
            paths = await export(source, tmp_path / "out")
            assert [path.stem for path in paths] == ["samples", "connections", "events", "channels"]
            assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(
                path.name for path in paths
            )
            for table in ("connections", "events"):
                pd.testing.assert_frame_equal(
                    read_csv(tmp_path / "out" / f"{table}.csv"), getattr(server.monitor, table)()
                )
            samples = read_csv(tmp_path / "out" / "samples.csv")
            assert samples["messages_in"].sum() == 1
    with pytest.raises(FeedError, match="no feed from"):
        await export(server.admin_url, tmp_path / "nowhere", timeout=0.2)
    assert not (tmp_path / "nowhere").exists()


async def test_monitor_counts_publications_per_channel_and_fan_out_times() -> None:
    """Monitor counts a hub's publications and deliveries per channel, and measures fan-out
    times.
    """
    hub = Hub()
    async with rtmon.serve(hub, "127.0.0.1", 0) as server, connect(server.url) as client:
        await client.recv()
        await client.send('{"type": "subscribe", "payload": {"channel": "news"}}')
        await until(lambda: "channel:news" in {c.channel for c in hub.channels() if c.subscribers})
        await hub.publish("news", {"text": "hello"})
        await until(lambda: hub.channel_stats()["channel:news"].delivered)
        rows = {row.channel: row for row in server.monitor.collector.channels()}
        news = rows["channel:news"]
        assert (news.subscribers, news.published, news.delivered, news.dropped) == (1, 1, 1, 0)
        assert server.monitor.channels()["delivered"].sum() >= 1
        assert server.monitor.snapshot().fanout.count >= 1


@pytest.mark.parametrize("names", [[IPV6, IPV4], [IPV4, IPV6]])
def test_server_port_is_the_ipv4_port_when_ipv4_and_ipv6_differ(names: list[Any]) -> None:
    """Server's port is the IPv4 port when its IPv4 and IPv6 sockets have different ports."""
    sockets = [SimpleNamespace(getsockname=lambda name=name: name) for name in names]
    server: Any = SimpleNamespace(sockets=sockets)
    assert server_base.port_of(server) == IPV4[1]
