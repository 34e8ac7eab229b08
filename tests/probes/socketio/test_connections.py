"""Connection rows of a python-socketio server: counters, causes of closing, names."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

import httpx
import pytest
import socketio
from aiohttp import web
from starlette.applications import Starlette
from starlette.routing import Mount
from websockets.asyncio.client import ClientConnection, connect

from rtmon import ASGIProbe, Monitor
from rtmon.probes.socketio import instrument
from rtmon.testing import until
from tests.probes.asgi.watching import row
from tests.probes.serving import serving
from tests.probes.socketio.chat import WAYS, chat, joined, of, watched


@pytest.mark.parametrize("ways", WAYS, ids=" then ".join)
async def test_socketio_row_and_statistics_equal_the_clients_counts_over_each_transport(
    ways: list[str],
) -> None:
    """Monitor's connection row and statistics of a Socket.IO server equal the counts of
    python-socketio's client over each transport and after an upgrade.
    """
    async with watched() as (sio, monitor, probe, where):
        async with joined(where, ways) as client:
            await until(lambda: client.transport() == ways[-1])
            for text in ("hello", "grüße 🎉"):
                assert await client.call("say", text) == ("ok", 1)
            assert await client.call("say", (b"\x00" * 5000, {"more": b"xyz"})) == ("ok", 2)
            answer = await sio.call("question", "?", sid=client.get_sid())
            monitor.tick()
            (live,) = monitor.collector.connections()
        info = await row(monitor)
        stats = probe.stats()
        sample = monitor.collector.history.latest()
    assert answer == "read question"
    assert [event for event, *_ in client.got] == ["said", "said", "said", "question"]
    assert (info.messages_in, info.messages_out) == (3 + 1, 3 + 3 + 1)
    assert (info.binary_in, info.binary_out) == (1, 1)
    assert live.transport == info.transport == f"socketio-{ways[-1]}"
    assert stats.upgrades == len(ways) - 1
    assert (info.path, info.initiator, info.cause) == ("/socket.io/", "remote", "closed")
    assert str(info.remote).startswith("127.0.0.1:")
    assert str(info.user_agent).startswith("Python/")
    assert (info.wire_in, info.wire_out, info.pings_in, info.send_queue) == (None,) * 4
    assert of(stats, "say") == (3, 0, 0)
    assert of(stats, "said") == (0, 3, 0)
    assert of(stats, "question") == (0, 1, 0)
    assert stats.ack.count == 1
    assert 0 < stats.ack.sum < 60
    assert stats.handler.count == 3
    assert sample is not None
    snapshot = monitor.snapshot()
    assert (snapshot.rejected, snapshot.http_requests) == (
        None,
        None,
    )  # This probe cannot know them.


SENT = [
    '2["say","grüße"]',
    '27["say",{"n":1}]',
    '52-8["say",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]',
]


ATTACHMENTS = [b"\x00" * 70_000, b"yy"]


def payload(packets: list[str | bytes]) -> int:
    """Return the number of bytes of Socket.IO packets, without Engine.IO's packet types."""
    return sum(len(p.encode()) if isinstance(p, str) else len(p) for p in packets)


def tell(received: list[str | bytes]) -> tuple[int, int]:
    """Return the number of messages and bytes in Socket.IO packets, counted without the library."""
    whole = [p for p in received if isinstance(p, bytes) or p[0] in "2356"]
    return sum(isinstance(p, str) for p in whole), payload(whole)


async def test_socketio_row_counts_the_bytes_of_a_raw_websocket_client() -> None:
    """Monitor's connection row counts the Socket.IO messages and bytes of a raw WebSocket
    client, without Engine.IO's own packets.
    """
    received: list[str | bytes] = []

    async def read(client: ClientConnection, enough: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not enough():
                data = await client.recv()
                if data == "2":
                    await client.send("3")
                elif isinstance(data, bytes) or data[0] == "4":
                    received.append(data[1:] if isinstance(data, str) else data)

    async with watched(chat(ping_interval=0.05)) as (_, monitor, _, where):
        async with connect(
            f"ws://{where}/socket.io/?EIO=4&transport=websocket", max_size=None
        ) as client:
            await client.send("40")
            for text in SENT:
                await client.send("4" + text)
            for data in ATTACHMENTS:
                await client.send(data)
            await read(client, lambda: len(received) >= 1 + 3 + 2 + 2)
            while not monitor.snapshot().rtt.count:
                async with asyncio.timeout(60):
                    assert await client.recv() == "2"
                    await client.send("3")
            await client.send("1")
        info = await row(monitor)
    messages, size = tell(received)
    assert messages == 3 + 2
    assert (info.messages_out, info.bytes_out) == (messages, size)
    assert (info.messages_in, info.bytes_in) == (3, payload([*SENT, *ATTACHMENTS]))
    assert (info.binary_in, info.binary_out) == (1, 1)
    assert info.user_agent is not None
    assert monitor.snapshot().rtt.count >= 1


async def test_socketio_row_counts_the_bytes_of_a_raw_polling_client() -> None:
    """Monitor's connection row counts the Socket.IO bytes of a raw polling client, without
    separators and base64.
    """
    import base64

    received: list[str | bytes] = []
    async with (
        watched() as (_, monitor, _, where),
        httpx.AsyncClient(base_url=f"http://{where}/socket.io/") as client,
    ):
        params = {"EIO": "4", "transport": "polling"}
        opened = await client.get("", params=params)
        params["sid"] = json.loads(opened.text[1:])["sid"]
        first = ["40", *("4" + text for text in SENT)]
        first += ["b" + base64.b64encode(data).decode() for data in ATTACHMENTS]
        await client.post("", params=params, content="\x1e".join(first).encode())
        while len(received) < 1 + 3 + 2 + 2:
            for packet in (await client.get("", params=params)).text.split("\x1e"):
                if packet[0] == "4":
                    received.append(packet[1:])
                elif packet[0] == "b":
                    received.append(base64.b64decode(packet[1:]))
        await client.post("", params=params, content="1")
        info = await row(monitor)
    messages, size = tell(received)
    assert (info.messages_out, info.bytes_out) == (messages, size)
    assert (info.messages_in, info.bytes_in) == (3, payload([*SENT, *ATTACHMENTS]))
    assert info.transport == "socketio-polling"


async def test_socketio_row_distinguishes_ping_timeout_vanished_client_and_close() -> None:
    """Monitor's connection row of a Socket.IO client has the cause of a ping timeout, a vanished
    client, a closed WebSocket or a close packet.
    """
    path = "/socket.io/?EIO=4&transport=websocket"
    async with watched(chat(ping_interval=0.05, ping_timeout=0.05)) as (_, monitor, _, where):
        async with connect(f"ws://{where}{path}") as mute:
            await mute.wait_closed()
        first = await row(monitor)
    async with watched() as (_, monitor, _, where):
        url = f"ws://{where}{path}"
        gone = await connect(url)
        gone.transport.abort()
        await gone.wait_closed()
        await until(lambda: monitor.snapshot().closed == 1)
        async with connect(url) as left:
            await left.close(1001, "page left")
        await until(lambda: monitor.snapshot().closed == 2)
        async with connect(url) as polite:
            await polite.send("1")
        await until(lambda: monitor.snapshot().closed == 3)
        monitor.tick()
        second, third, fourth = monitor.collector.connections()
    assert (first.cause, first.close_code, first.initiator) == ("ping timeout", 1006, None)
    assert (second.cause, second.close_code, second.initiator) == ("peer vanished", 1006, None)
    assert (third.cause, third.close_code, third.initiator) == ("closed", 1001, "remote")
    assert third.reason_received == "page left"
    assert (fourth.cause, fourth.close_code, fourth.initiator) == ("closed", None, "remote")
    assert fourth.reason_received == "client disconnect"


async def test_application_names_a_socketio_connection_by_its_sid() -> None:
    """Application names a Socket.IO connection by the meter that ``probe.meter(sid)`` returns,
    which is None after the disconnect.
    """
    async with watched() as (_, monitor, probe, where):
        async with joined(where, ["websocket"]) as client:
            sid = client.get_sid()
            meter = probe.meter(sid)
            assert meter is not None
            meter.name = "ada"
        assert (await row(monitor)).name == "ada"
        assert probe.meter(sid) is None


async def test_socketio_messages_are_counted_with_the_msgpack_serializer() -> None:
    """Socket.IO messages are counted, all as binary, with the ``msgpack`` serializer."""
    async with watched(chat(serializer="msgpack")) as (_, monitor, probe, where):
        async with joined(where, ["websocket"], serializer="msgpack") as client:
            assert await client.call("say", "x") == ("ok", 1)
        info = await row(monitor)
    assert info.messages_in == info.binary_in
    assert of(probe.stats(), "say") == (1, 0, 0)


async def test_socketio_connection_is_counted_once_when_an_asgi_probe_wraps_it() -> None:
    """Socket.IO connection is counted once when an ASGI probe wraps its server, and a request
    without a session counts as an HTTP request.
    """
    monitor = Monitor(interval=1000)
    sio = chat()
    instrument(sio, monitor)
    app = Starlette(routes=[Mount("/", app=socketio.ASGIApp(sio))])
    app.add_middleware(ASGIProbe, monitor=monitor)
    async with serving(app) as where:
        for ways in WAYS:
            async with joined(where, ways) as client:
                await until(lambda c=client, w=ways: c.transport() == w[-1])
                await client.call("say", "x")
        async with httpx.AsyncClient(base_url=f"http://{where}/socket.io/") as http:
            bad = await http.get("", params={"EIO": "3", "transport": "polling"})
        await until(lambda: monitor.snapshot().closed == len(WAYS))
        snapshot = monitor.snapshot()
        await sio.shutdown()
    assert bad.status_code == 400
    assert (snapshot.opened, snapshot.messages_in, snapshot.rejected) == (3, 3, 0)
    # A poll that is answered after its session has ended counts as an HTTP request.
    assert 1 <= snapshot.http_requests <= 3
    assert monitor.probe_failures == 0


async def test_socketio_probe_counts_connections_on_aiohttp() -> None:
    """Probe for Socket.IO on an aiohttp server counts the connection and its message, and records
    the client's address.
    """
    monitor = Monitor(interval=1000)
    sio = socketio.AsyncServer(async_mode="aiohttp")
    app = web.Application()
    sio.attach(app)
    instrument(sio, monitor)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        where = "{}:{}".format(*runner.addresses[0][:2])
        async with joined(where, ["polling", "websocket"]) as client:
            await until(lambda: client.transport() == "websocket")
            await client.emit("x")
            await until(lambda: monitor.snapshot().messages_in == 1)
        info = await row(monitor)
    finally:
        await sio.shutdown()
        await runner.cleanup()
    assert info.transport == "socketio-websocket"
    assert str(info.remote).startswith("127.0.0.1:")
    assert monitor.probe_failures == 0
