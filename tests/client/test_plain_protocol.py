"""The Python client with ``protocol="plain"``, for servers that are no hub and send no welcome."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from websockets.asyncio.server import Server, ServerConnection, serve

import rtmon
from rtmon.client import Change, ClientClosed
from rtmon.client.wire_formats import Ping
from rtmon.core.backoff import Backoff
from rtmon.errors import OptionError
from rtmon.metrics import round_trips
from rtmon.testing import FaultProxy, until
from tests.client.conftest import QUICK
from tests.client.wire import Wire

Place = Any


class Rooms:
    """A simple chat server that sends each message to all clients.

    Attributes:
        heard: all messages received from clients, in order.
        said: messages that each new client is sent first.
    """

    def __init__(self) -> None:
        self.heard: list[str | bytes] = []
        self.said: list[str | bytes] = []
        self.clients: set[ServerConnection] = set()

    async def __call__(self, client: ServerConnection) -> None:
        self.clients.add(client)
        try:
            for message in self.said:
                await client.send(message)
            async for data in client:
                self.heard.append(data)
                if data == "leave":
                    return
                for each in list(self.clients):
                    await each.send(data)
        finally:
            self.clients.discard(client)


@contextlib.asynccontextmanager
async def serving(rooms: Rooms, port: int = 0) -> AsyncIterator[Server]:
    """Serve on 127.0.0.1."""
    async with serve(rooms, "127.0.0.1", port) as server:
        yield server


def url_of(server: Server) -> str:
    """Return the URL of a server."""
    return f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def plain(url: str, **options: Any) -> rtmon.Client:
    """Return a client with ``protocol="plain"``."""
    return rtmon.connect(url, protocol="plain", proxy=None, **{"backoff": QUICK, **options})


async def test_plain_client_exchanges_typed_and_raw_messages_with_a_server_without_welcome() -> (
    None
):
    """Python client with ``protocol="plain"`` exchanges typed and raw messages with a server
    that sends no welcome.
    """
    rooms = Rooms()
    rooms.said = [
        '{"type":"welcome","payload":{"client_id":7}}',
        '{"type":"ticker","symbol":"X","price":3}',
        '{"type":"pubsub","channel":"news","payload":{"n":1}}',
        '{"no":"type"}',
        "[1",
        b"\x00\xff",
    ]
    got: list[Any] = []
    async with serving(rooms) as server, plain(url_of(server)) as client:
        client.on("chat_message")(got.append)
        await client.send("chat_message", {"text": "hi"})
        await client.send("list", [1, 2])
        await client.send_raw("hello")
        await client.send_raw(b"\x01")
        await until(lambda: len(rooms.heard) == 4)
        await client.flush()
        assert client.stats.unconfirmed == 0
        assert client.stats.rtt is not None
        messages = [await anext(aiter(client)) for _ in range(8)]
    assert [json.loads(data) for data in rooms.heard[:2]] == [
        {"type": "chat_message", "payload": {"text": "hi"}},
        {"type": "list", "payload": [1, 2]},
    ]
    assert rooms.heard[2:] == ["hello", b"\x01"]
    assert [(m.type, m.payload, m.channel) for m in messages] == [
        ("welcome", {"client_id": 7}, None),
        ("ticker", {"symbol": "X", "price": 3}, None),
        ("pubsub", {"n": 1}, "news"),
        ("raw", '{"no":"type"}', None),
        ("raw", "[1", None),
        ("raw", b"\x00\xff", None),
        ("chat_message", {"text": "hi"}, None),
        ("list", [1, 2], None),
    ]
    assert [m.payload for m in got] == [{"text": "hi"}]


async def test_plain_client_sends_messages_queued_while_offline_in_order(
    reserve_port: Callable[[], int],
) -> None:
    """Python client with ``protocol="plain"`` reconnects to a restarted server, and sends the
    messages queued meanwhile in order.
    """
    rooms, port = Rooms(), reserve_port()
    changes: list[Change] = []
    async with contextlib.AsyncExitStack() as stack:
        async with serving(rooms, port):
            client = await stack.enter_async_context(plain(f"ws://127.0.0.1:{port}"))
            for what in (client.on_close, client.on_reconnect):
                what(changes.append)
            await client.send("n", 0)
            await client.flush()
        await until(lambda: client.state == "reconnecting")
        for number in range(1, 4):
            await client.send("n", number)
        async with serving(rooms, port):
            await until(lambda: len(rooms.heard) == 4)
            await until(lambda: client.stats.rtt is not None)
            await client.close()
    assert [json.loads(data)["payload"] for data in rooms.heard] == [0, 1, 2, 3]
    assert [change.what for change in changes] == ["close", "reconnect", "close"]


async def test_plain_client_raises_client_closed_after_its_maximum_of_attempts(
    reserve_port: Callable[[], int],
) -> None:
    """Python client with ``protocol="plain"`` raises ClientClosed after its maximum number of
    failed attempts.
    """
    url = f"ws://127.0.0.1:{reserve_port()}"
    client = plain(url, backoff=Backoff(base=0.01, max=0.02, jitter=0.5, attempts=2))
    with pytest.raises(ClientClosed, match="failures in a row: 3"):
        await client


async def test_plain_client_reconnects_when_its_connection_is_frozen() -> None:
    """Python client with ``protocol="plain"`` closes a frozen connection, on which no pong
    arrives, and reconnects.
    """
    rooms = Rooms()
    async with (
        serving(rooms) as server,
        FaultProxy(url_of(server)) as proxy,
        plain(proxy.url, heartbeat_interval=0.1, heartbeat_timeout=0.3) as client,
    ):
        await until(lambda: client.stats.rtt is not None)
        proxy.freeze()
        await until(lambda: client.state == "reconnecting")
        proxy.thaw()
        await until(lambda: client.state == "open")
        assert client.stats.reconnects >= 1


async def test_plain_client_reconnects_after_close_code_1000() -> None:
    """Python client with ``protocol="plain"`` reconnects after close code 1000, which servers
    send by default.
    """
    rooms = Rooms()
    async with serving(rooms) as server, plain(url_of(server)) as client:
        closed: list[int | None] = []
        client.on_close(lambda change: closed.append(change.code))
        await client.send_raw("leave")
        await until(lambda: client.stats.reconnects == 1)
        assert closed == [1000]


@pytest.mark.parametrize(
    ("code", "back"), [(1000, True), (1008, False), (1009, False), (4001, True), (4500, True)]
)
def test_plain_client_reconnects_after_1000_and_private_codes_but_not_1008_or_1009(
    code: int, *, back: bool
) -> None:
    """Python client with ``protocol="plain"`` reconnects after close codes 1000, 4001 and 4500,
    but not after 1008 or 1009.
    """
    wire = Wire(protocol="plain")
    wire.session.connecting()
    wire.session.opened(wire.now)
    assert (wire.lose(code) is not None) is back
    lost = next(change for change in wire.changes() if change.what == "close")
    assert (lost.code, "token" in lost.reason) == (code, False)


async def test_plain_client_receives_a_hubs_messages_under_their_types(place: Place) -> None:
    """Python client with ``protocol="plain"`` connected to a hub receives the welcome and
    replies as ordinary messages under their own types.
    """
    async with plain(place.proxy.url) as client:
        await client.send("chat_message", {"text": "hi"})
        kinds: list[str] = []
        while "chat_message" not in kinds:
            kinds.append((await anext(aiter(client))).type)
    assert kinds[0] == "welcome"


async def test_plain_client_raises_option_error_for_features_that_need_a_hub() -> None:
    """Python client with ``protocol="plain"`` raises OptionError for rooms, channels, requests,
    files and options that need a hub.
    """
    client = plain("ws://127.0.0.1:1")
    for call in (client.request("x"), client.join("a"), client.leave("a"), client.send_file(b"x")):
        with pytest.raises(OptionError, match="needs a hub"):
            await call
    with pytest.raises(OptionError, match="needs a hub"):
        client.subscribe("news")
    for options in ({"user": "u"}, {"info": {"a": 1}}, {"codec": "msgpack"}):
        with pytest.raises(OptionError, match="is for a hub"):
            plain("ws://127.0.0.1:1", **options)
    with pytest.raises(OptionError, match="protocol"):
        rtmon.connect("ws://127.0.0.1:1", protocol="mqtt")
    for payload in (b"x", {"a": float("nan")}):
        with pytest.raises(OptionError, match="cannot be sent"):
            await client.send("x", payload)
    with pytest.raises(OptionError, match="protocol='plain'"):
        await rtmon.connect("ws://127.0.0.1:1").send_raw("x")


async def test_monitor_counts_each_round_trip_of_a_plain_client_once() -> None:
    """Monitor counts each pong to a Python client with ``protocol="plain"`` as one round-trip
    time.
    """
    rooms, monitor = Rooms(), rtmon.Monitor(interval=0.05)
    async with serving(rooms) as server, plain(url_of(server), monitor=monitor) as client:
        for number in range(3):
            await client.send("n", number)
            await client.flush()
        await until(monitor.collector.meters)
        (meter,) = monitor.collector.meters()
        once = round_trips.added(b"", meter.rtt or 0)
        assert meter.pongs_in >= 3
        assert len(meter.round_trips) == meter.pongs_in * len(once)


async def test_plain_client_sends_two_messages_as_one_batch_and_a_single_one_unbatched() -> None:
    """Python client with ``protocol="plain"`` and ``batch`` sends two messages as one ``batch``
    message, and a single message without a batch around it.
    """
    rooms = Rooms()
    batch = rtmon.Batch(size=2, delay=0.01)
    async with serving(rooms) as server, plain(url_of(server), batch=batch) as client:
        await client.send("a", 1)
        await client.send("b", {"x": 2})
        await until(lambda: len(rooms.heard) == 1)
        await client.send("c")
        await until(lambda: len(rooms.heard) == 2)
    messages = [{"type": "a", "payload": 1}, {"type": "b", "payload": {"x": 2}}]
    assert json.loads(rooms.heard[0]) == {"type": "batch", "payload": {"messages": messages}}
    assert json.loads(rooms.heard[1]) == {"type": "c", "payload": {}}


def sent(wire: Wire) -> list[str | bytes | Ping]:
    """Return the messages that the client writes now, without pings."""
    written = iter(lambda: wire.session.next(wire.now), None)
    return [data for data in written if not isinstance(data, Ping)]


def test_plain_client_reports_unconfirmed_messages_and_does_not_resend_them() -> None:
    """Python client with ``protocol="plain"`` reports a message that was unconfirmed at a
    connection loss, and does not send it again.
    """
    wire = Wire(protocol="plain")
    for _ in range(2):
        wire.session.connecting()
        wire.session.opened(wire.now)
        if wire.session.stats(wire.now).attempts == 1:
            wire.send("publish", {"n": 1})
            assert sent(wire) == ['{"type":"publish","payload":{"n":1}}']
            wire.lose()
    assert sent(wire) == []
    assert "may not have arrived" in "".join(change.reason for change in wire.changes())
