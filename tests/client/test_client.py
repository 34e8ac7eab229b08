from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import email.utils
import http
import json
import ssl
import time
from typing import Any

import msgspec
import pytest
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.server import serve

import rtmon
from rtmon import Monitor
from rtmon.backoff import Backoff
from rtmon.client import Batch, ClientClosed, QueueFull
from rtmon.errors import OptionError, ProtocolError
from rtmon.protocol.incoming import Position
from rtmon.protocol.outgoing import ChatMessage
from rtmon.testing import until
from tests.client.conftest import QUICK

Place = Any


@pytest.mark.parametrize("codec", ["json", "msgpack"])
async def test_publish_and_subscribe(place: Place, codec: Any) -> None:
    """What is published, bytes too, comes to who subscribes, with its position."""
    client = await place.connect(name="ada", codec=codec)
    async with client.subscribe("news") as news:
        position = await client.publish("news", {"text": "hi"}, ack=True)
        await news.publish(b"\x00\xff")
        one, two = await anext(news), await anext(news)
    assert (one.payload, one.channel, one.name) == ({"text": "hi"}, "news", "ada")
    assert one.position == position
    assert one.client_id == client.client_id
    assert two.payload == b"\x00\xff"
    assert not one.gap


async def test_bytes_go_everywhere(place: Any) -> None:
    """What is said in a room, to one client, and answered by the application may be bytes."""
    content = bytes(range(256))

    @place.hub.on("mirror")
    async def mirror(_: Any, __: dict[str, Any]) -> bytes:
        return content

    ada, bo = await place.connect(name="ada"), await place.connect(name="bo")
    heard: list[Any] = []
    for kind in ("room_message", "private_message"):
        bo.on(kind)(lambda message: heard.append(message.payload["data"]))
    for client in (ada, bo):
        await client.request("join_room", {"room": "raw"})
    await ada.send("room_message", {"room": "raw", "data": content})
    await ada.send("private_message", {"to": bo.client_id, "data": content})
    answer = await ada.request("mirror", {})
    assert answer.payload["data"] == content
    await until(lambda: len(heard) == 2)
    assert heard == [content, content]


async def test_handlers_are_typed_and_in_order(place: Place) -> None:
    """Handlers of a message type get its payload as they asked; async ones one at a time."""
    client = await place.connect(name="ada")
    heard: list[Any] = []

    @client.on("chat_message", ChatMessage)
    async def typed(message: Any) -> None:
        await asyncio.sleep(0.001)
        heard.append(message.payload)

    @client.on("*")
    def anything(message: Any) -> None:
        if message.type == "chat_message":
            heard.append(message.payload["text"])

    @client.on("chat_message")
    def fails(_: Any) -> None:
        raise ZeroDivisionError

    for text in ("one", "two"):
        await client.send("chat_message", {"text": text})
    await until(lambda: len(heard) == 4)
    assert [h if isinstance(h, str) else h.text for h in heard] == ["one", "one", "two", "two"]
    assert isinstance(heard[0], ChatMessage)


async def test_iterating_gives_everything(place: Place) -> None:
    """Who iterates over a client gets all messages from the welcome on, until it is closed."""
    client = await place.connect(name="ada")
    await client.request("chat_message", {"text": "hi"})
    await client.close()
    kinds = [message.type async for message in client]
    assert kinds[0] == "welcome"
    assert "chat_message" in kinds
    assert "ack" not in kinds


async def test_requests(place: Place) -> None:
    """A request returns its answer, or raises what the server said, or that it said nothing."""
    client = await place.connect()
    with pytest.raises(OptionError, match="dict"):
        await client.request("publish", 5)
    with pytest.raises(OptionError, match="file_offer"):
        await client.receive_file(None, "nowhere")

    @place.hub.on("double")
    async def double(_: Any, payload: dict[str, int]) -> Any:
        return payload["n"] * 2

    @place.hub.on("ignore")
    async def ignore(_: Any, payload: dict[str, Any]) -> None:
        return None

    assert (await client.request("double", {"n": 4})).payload["data"] == 8
    with pytest.raises(ProtocolError) as refused:
        await client.request("room_message", {"room": "nowhere", "text": "x"})
    assert refused.value.code == "unknown_room"
    with pytest.raises(TimeoutError):
        await client.request("ignore", timeout=0.05)
    with pytest.raises(ProtocolError, match="pattern"):
        async with client.subscribe("a**b"):
            pass
    errors: list[Any] = []
    client.on_error(errors.append)
    await client.send("no_such_type")
    await until(lambda: errors)
    assert errors[0].error.code == "unknown_type"


async def test_what_was_sent_offline_comes_in_order(place: Place) -> None:
    """What is sent during an outage goes out in order once back; states and callbacks say so."""
    seen: list[Any] = []
    client = place.client()
    for register in (client.on_open, client.on_close, client.on_reconnect, client.on_error):
        register(lambda change: seen.append((change.what, change.state)))
    assert client.state == "connecting"
    heard: list[int] = []
    place.hub.subscribe("log", lambda publication: heard.append(publication.data))
    async with client:
        assert client.state == "open"
        place.proxy.refusing = True
        place.proxy.cut()
        await until(lambda: client.state == "reconnecting" and client.stats.attempts > 2)
        for number in range(300):
            await client.publish("log", number)
        assert client.stats.queued == 300
        place.proxy.refusing = False
        await client.flush()
        stats = client.stats
    assert heard == list(range(300))
    assert client.state == "closed"
    whats = [what for what, _ in seen]
    assert whats[:2] == ["open", "close"]
    assert whats[-2:] == ["reconnect", "close"]
    assert set(whats[2:-2]) == {"error"}
    assert dict(seen)["reconnect"] == "open"
    assert (stats.reconnects, stats.queued, stats.unconfirmed) == (1, 0, 0)
    assert stats.downtime > 0


async def test_closing_sends_what_waits(place: Place) -> None:
    """close() gives what was sent before it the time to arrive."""
    heard: list[int] = []
    place.hub.subscribe("log", lambda publication: heard.append(publication.data))
    async with place.client(batch=Batch(size=100, delay=0.2)) as client:
        for number in range(50):
            await client.publish("log", number)
    assert heard == list(range(50))


async def test_a_full_queue_makes_senders_wait(place: Place) -> None:
    """By default who sends more than fits waits for room; with another policy it is told."""
    heard: list[int] = []
    place.hub.subscribe("log", lambda publication: heard.append(publication.data))
    client = await place.connect(queue_size=5)
    for number in range(60):
        await client.publish("log", number)
    await client.flush()
    assert heard == list(range(60))
    other = await place.connect(queue_size=5, queue_policy="refuse")
    place.proxy.refusing = True
    place.proxy.cut()
    await until(lambda: other.state == "reconnecting")
    for number in range(5):
        await other.publish("log", number)
    with pytest.raises(QueueFull):
        await other.publish("log", 5)


async def test_batches_both_ways(place: Place) -> None:
    """With batch= messages travel several at a time, and come out one by one."""
    sent: list[Any] = []
    received: list[Any] = []

    class Wire(ClientConnection):
        async def send(self, message: Any, *args: Any) -> None:
            sent.append(json.loads(message))
            await super().send(message, *args)

        async def recv(self, *args: Any) -> Any:
            message = await super().recv(*args)
            received.append(json.loads(message))
            return message

    client = await place.connect(
        batch=Batch(size=10, delay=0.05), server_batch=Batch(size=10), create_connection=Wire
    )
    async with client.subscribe("news") as news:
        for number in range(25):
            await news.publish(number)
        got = [(await anext(news)).payload for _ in range(25)]
    assert got == list(range(25))
    for frames in (sent, received):
        batches = [m["payload"]["messages"] for m in frames if m["type"] == "batch"]
        assert max(map(len, batches)) > 1


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


async def test_when_it_gives_up_everybody_is_told(place: Place) -> None:
    """A close code that says to stay away ends iterating, requests and subscriptions with it."""
    client = await place.connect()
    session = next(iter(place.hub.audience.sessions.values()))
    async with client.subscribe("news") as news:
        session.peer.close(4500, "banned")
        with pytest.raises(ClientClosed, match="banned") as ended:
            await anext(news)
    assert ended.value.code == 4500
    with pytest.raises(ClientClosed, match="banned"):
        async for _ in client:
            pass
    with pytest.raises(ClientClosed):
        await client.request("presence")
    assert place.proxy.accepted == 1


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


async def test_closing_ends_iterating(place: Place) -> None:
    """For who iterates over a subscription, an explicit close is an end, no error."""
    client = await place.connect()
    async with client.subscribe("news") as news:
        await client.publish("news", 1, ack=True)
        await client.close()
        assert [message.payload async for message in news] == [1]


async def test_a_pattern_without_room(place: Place) -> None:
    """What a pattern's reader was too slow for is gone: counted, and said by the next message."""
    client = await place.connect(buffer=3)
    async with client.subscribe("news.*") as news:
        for number in range(5):
            await client.publish("news.a", number, ack=True)
        got = [await anext(news) for _ in range(3)]
        await client.publish("news.a", 5)
        got.append(await anext(news))
    assert [(m.payload, m.gap) for m in got] == [(0, False), (1, False), (2, False), (5, True)]
    assert client.stats.dropped == 2


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


async def test_two_subscriptions_and_a_pattern(place: Place) -> None:
    """Several subscriptions of one client each get a publication once, and end apart."""
    client = await place.connect()
    async with client.subscribe("news.a") as one, client.subscribe("news.*") as many:
        async with client.subscribe("news.a") as two:
            await client.publish("news.a", 1)
            assert [(await anext(s)).payload for s in (one, two, many)] == [1, 1, 1]
        await client.publish("news.a", 2)
        assert [(await anext(s)).payload for s in (one, many)] == [2, 2]
        assert [m.payload async for m in two] == []
    await until(lambda: not place.hub.channel_stats()["channel:news.a"].subscribers)
    start = one.position
    assert start is not None
    await place.hub.publish("news.a", 3)
    async with client.subscribe("news.a", since=start) as again:
        assert (await anext(again)).payload == 3


async def test_a_position_that_never_was(place: Place) -> None:
    """Who asks for a position that the server never reached is told of the loss, and hears on."""
    client = await place.connect()
    known = await client.publish("news", 1, ack=True)
    assert known is not None
    async with client.subscribe("news", since=Position(epoch=known.epoch, offset=99)) as news:
        await client.publish("news", 2)
        async with asyncio.timeout(60):
            message = await anext(news)
    assert (message.payload, message.gap) == (2, True)


async def test_close_in_a_callback(place: Place) -> None:
    """A handler may close the client, or ask the server something and wait for the answer."""
    client = await place.connect()

    @client.on("chat_message")
    async def close(_: Any) -> None:
        await client.request("presence")
        await client.close()

    await client.send("chat_message", {"text": "bye"})
    await until(lambda: client.state == "closed")


async def test_stats_are_a_record(place: Place) -> None:
    """A client's numbers are a frozen record that can be written down."""
    client = await place.connect()
    await client.publish("c", 1)
    await client.flush()
    stats = client.stats
    assert stats.rtt is not None
    assert stats.rtt > 0
    assert msgspec.to_builtins(stats)["state"] == "open"
    with pytest.raises(AttributeError):
        stats.sent = 0


async def test_a_monitor_shows_clients_beside_the_server(place: Any) -> None:
    """A client's numbers are in its Monitor under the role client, its loss and return are in the
    events, and the totals stay those of servers.
    """
    monitor = Monitor(interval=1000)
    client = await place.connect(name="ada", monitor=monitor, heartbeat_interval=0.05)
    await client.publish("news", 1, ack=True)
    await until(lambda: client.stats.rtt is not None)
    place.proxy.cut()
    await until(lambda: client.stats.reconnects == 1)
    await client.close()
    monitor.tick()
    (row,) = monitor.clients().to_dict("records")
    assert row == dataclasses.asdict(client.stats)
    assert (row["name"], row["state"], row["reconnects"]) == ("ada", "closed", 1)
    connections = monitor.connections()
    assert set(connections["role"]) == {"client"}
    assert set(connections["name"]) == {"ada"}
    assert len(connections) == 2
    assert connections["rtt"].notna().any()
    assert connections["messages_out"].sum() >= 3
    told = [kind for kind in monitor.events()["kind"] if kind.startswith("client")]
    assert told == ["client open", "client close", "client reconnect", "client close"]
    snapshot = monitor.snapshot()
    assert (snapshot.opened, snapshot.messages_out) == (0, 0)


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


async def test_nobody_overtakes(place: Place) -> None:
    """Who sends when there is room again stands behind those who wait for it already."""
    heard: list[str] = []
    place.hub.subscribe("log", lambda publication: heard.append(publication.data))
    client = await place.connect(queue_size=1)
    place.proxy.refusing = True
    place.proxy.cut()
    await until(lambda: client.state == "reconnecting")
    first = asyncio.create_task(client.publish("log", "first", ack=True))
    await until(lambda: client.stats.queued == 1)
    waiting = asyncio.create_task(client.publish("log", "waiting"))
    await asyncio.sleep(0)
    first.cancel()
    late = asyncio.create_task(client.publish("log", "late"))
    await asyncio.wait([first])
    place.proxy.refusing = False
    await asyncio.gather(waiting, late)
    await client.flush()
    assert heard == ["waiting", "late"]


async def test_who_iterates_too_slowly_is_told(place: Any) -> None:
    """Who iterates over a client has room for `buffer` messages; what had to go is a gap."""
    client = await place.connect(buffer=1_500)
    last: list[Any] = []
    client.on("tick")(lambda message: last.append(message.payload["data"]))
    reader = aiter(client)
    assert (await anext(reader)).type == "welcome"
    session = next(iter(place.hub.audience.sessions.values()))

    async def hear(first: int, number: int) -> list[Any]:
        """What a reader who is away for so many messages finds."""
        for each in range(first, first + number):
            session.send("tick", {"data": each})
            if each % 100 == 99:
                await until(lambda: last[-1:] == [each])  # noqa: B023 - waited for here
        ticks: list[Any] = []
        while not ticks or ticks[-1].payload["data"] != first + number - 1:
            message = await anext(reader)
            ticks += [message] * (message.type == "tick")
        return ticks

    held = await hear(0, 1_200)
    assert [message.payload["data"] for message in held] == list(range(1_200))
    assert not any(message.gap for message in held)
    cut = await hear(2_000, 1_600)
    assert len(cut) == 1_500
    assert [message.gap for message in cut] == [True] + [False] * 1_499
    assert client.stats.dropped >= 100


@pytest.mark.parametrize("policy", ["wait", "refuse", "drop_oldest"])
async def test_leaving_with_a_full_queue(place: Place, policy: Any) -> None:
    """A room is left whatever waits to be sent: neither does it raise, nor is anything dropped."""
    client = await place.connect(queue_size=1, queue_policy=policy)
    await client.join("r")
    assert place.hub.channel_stats()["room:r"].subscribers == 1
    await client.send("room_message", {"room": "r", "text": "bye"})
    await client.leave("r")
    await client.flush()
    await until(lambda: not place.hub.channel_stats()["room:r"].subscribers)
    assert client.stats.dropped == 0
