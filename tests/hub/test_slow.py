"""Slow readers, over real sockets whose buffers are small."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import Server as WebSocketServer
from websockets.asyncio.server import ServerConnection, broadcast, serve
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode

import rtmon
from rtmon import Monitor, guarding, probe
from rtmon.errors import OptionError
from rtmon.guarding import PINGS_AT_ONCE, PONGS_ABOVE
from rtmon.hub import ChannelOptions, Hub
from rtmon.hub.brokers.memory import MemoryBroker
from rtmon.hub.transports.base import PUBLISHERS_SHARE
from rtmon.server import Server
from rtmon.testing import until
from tests.fanout.members import open_pair

BUFFER = 16_384
PAD = "x" * 4_000
LONG = 60.0


def small(server: WebSocketServer) -> str:
    """Have the kernel hold little for a server's connections to come. Returns its address."""
    for listening in server.sockets:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
    host, port = next(iter(server.sockets)).getsockname()[:2]
    return f"ws://{host}:{port}"


@contextlib.asynccontextmanager
async def serving(target: Any, **options: Any) -> AsyncIterator[Server]:
    """A server whose side of the kernel holds little."""
    async with rtmon.serve(target, "127.0.0.1", 0, compression=None, **options) as server:
        small(server.websockets)
        yield server


async def come(url: str, name: str = "slow") -> ClientConnection:
    """A client whose side of the kernel holds little."""
    host, port = url.removeprefix("ws://").rstrip("/").split(":")
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, (host, int(port)))
    return await connect(f"{url}/?name={name}", sock=sock, compression=None, ping_interval=None)


async def subscribe(client: ClientConnection, channel: str = "c") -> None:
    """Subscribe, and know it."""
    await client.send(json.dumps({"type": "subscribe", "payload": {"channel": channel}, "id": "s"}))
    await wait(client, lambda message: message.get("reply_to") == "s")


async def wait(client: ClientConnection, wanted: Any) -> Any:
    """The next message that is wanted."""
    async with asyncio.timeout(LONG):
        while True:
            message = json.loads(await client.recv())
            if wanted(message):
                return message


async def publications(client: ClientConnection, *, last: Any) -> list[dict[str, Any]]:
    """All publications up to one that says so."""
    found: list[dict[str, Any]] = []
    while not found or found[-1]["data"]["n"] != last:
        message = await wait(client, lambda message: message["type"] == "publication")
        found.append(message["payload"])
    return found


def row(server: Server, name: str = "slow") -> Any:
    """A client's row as of now."""
    server.monitor.tick()
    return next(r for r in server.monitor.collector.connections() if r.name == name)


async def fill(hub: Hub) -> Any:
    """Publish what may be dropped until the only client takes nothing more. Returns its peer."""
    peer = next(iter(hub.audience.sessions.values())).peer
    assert peer.meter is not None
    refused = 0
    while refused < 20:
        before = peer.meter.dropped
        await hub.publish("c", {"n": -1, "pad": PAD}, slow="drop_newest")
        await asyncio.sleep(0.002)
        refused = refused + 1 if peer.meter.dropped > before else 0
    return peer


COUNT = 100
KEYS = 3


@pytest.mark.parametrize("policy", ["drop_oldest", "drop_newest", "keep_latest"])
async def test_what_a_reader_that_was_slow_gets(policy: Any) -> None:
    """A reader that stopped for a while stays, and gets in order what its policy kept: the newest,
    the oldest, or the latest of each key. Its row and the channel's count all the others as
    dropped, and as delivered just what it got.
    """
    hub = Hub(max_waiting_messages=10, slow=policy, announce=60.0)
    async with serving(hub) as server, await come(server.url) as client:
        await subscribe(client)
        client.transport.pause_reading()
        for n in range(COUNT):
            await hub.publish("c", {"n": n, "pad": PAD}, key=str(n % KEYS))
        await until(lambda: row(server).dropped > 0, timeout=LONG)
        assert 0 < row(server).send_queue <= hub.options.max_waiting
        client.transport.resume_reading()
        await hub.publish("c", {"n": "last"}, slow="block")
        got = await publications(client, last="last")
        offsets = [each["offset"] for each in got]
        numbers = [each["data"]["n"] for each in got[:-1]]
        assert offsets == sorted(offsets)
        assert row(server).dropped == COUNT - len(numbers) > 0
        stats = hub.channel_stats()["channel:c"]
        assert (stats.delivered, stats.dropped) == (len(got), COUNT - len(numbers))
        if policy == "drop_newest":
            assert numbers == list(range(len(numbers)))
        elif policy == "drop_oldest":
            assert numbers[-10:] == list(range(COUNT - 10, COUNT))
        else:
            assert numbers[-KEYS:] == list(range(COUNT - KEYS, COUNT))


async def test_a_channels_counts_say_what_became_of_each_message() -> None:
    """Of what waits for somebody, alone or in a batch of the client's own, nothing is counted
    until it was sent or given up; then it is, whichever it was, once.
    """
    hub = Hub(max_waiting_messages=10, slow="drop_oldest", announce=60.0)
    async with serving(hub) as server, await come(server.url) as client:
        await subscribe(client)
        stats = hub.channel_stats()["channel:c"]
        client.transport.pause_reading()
        await fill(hub)

        def unsettled() -> int:
            return stats.published - stats.delivered - stats.dropped

        assert 0 < unsettled() <= 10
        await client.send(json.dumps({"type": "connect", "payload": {"batch": {"size": 5}}}))
        (session,) = hub.audience.sessions.values()
        await until(lambda: session.batching, timeout=LONG)
        before = unsettled()
        for n in range(3):
            await hub.publish("c", {"n": n})
        assert unsettled() == before + 3
        client.transport.abort()
        await until(lambda: not hub.audience.sessions, timeout=LONG)
        assert unsettled() == 0


async def test_who_does_not_read_is_closed_and_the_others_get_everything() -> None:
    """By default, a reader for whom too much waits is closed with 1013, which is in its row with
    the cause; nobody else misses anything, and no more than the bound has waited.
    """
    hub = Hub(max_waiting=262_144, history=0)
    async with (
        serving(hub) as server,
        await come(server.url) as slow,
        await come(server.url, "ada") as ada,
        await come(server.url, "bo") as bo,
    ):
        for client in (slow, ada, bo):
            await subscribe(client)
        peers = [session.peer for session in hub.audience.sessions.values()]
        slow.transport.pause_reading()
        for n in range(60):
            await hub.publish("c", {"n": n, "pad": PAD * 5})
            for client in (ada, bo):
                found = await wait(client, lambda message: message["type"] == "publication")
                assert found["payload"]["data"]["n"] == n
            assert max(peer.waiting for peer in peers) <= 262_144 + 2 * PONGS_ABOVE
        assert row(server).dropped > 0
        slow.transport.resume_reading()
        with pytest.raises(ConnectionClosed):
            await wait(slow, lambda _: False)
        assert slow.close_code == 1013
        await until(lambda: row(server).state == "closed", timeout=LONG)
        assert (row(server).code_sent, row(server).cause) == (1013, "slow consumer")
        assert {row(server, name).dropped for name in ("ada", "bo")} == {0}


@pytest.mark.parametrize("policy", ["disconnect", "drop_oldest"])
async def test_a_reader_that_stalls_is_cut_though_nothing_more_comes(policy: Any) -> None:
    """Whatever the policy, a reader that takes nothing of what waits for it is gone after the time
    set for that, without a message more.
    """
    hub = Hub(stalled=0.2, slow=policy)
    async with serving(hub, ping_interval=None) as server, await come(server.url) as client:
        await subscribe(client)
        client.transport.pause_reading()
        for _ in range(50):
            await hub.publish("c", {"pad": PAD})
        await until(lambda: row(server).state == "closed", timeout=LONG)
        assert row(server).cause == "slow consumer"
        await until(lambda: not hub.audience.sessions, timeout=LONG)
        client.transport.abort()


async def test_a_reader_that_stalls_is_cut_under_any_handler() -> None:
    """A handler that waits in send() for a reader who has stalled learns that it is gone."""
    ended = asyncio.Event()

    async def handler(connection: ServerConnection) -> None:
        connection.meter.name = "slow"  # type: ignore[attr-defined]
        try:
            await connection.send(b"x" * 1_000_000)
        finally:
            ended.set()

    async with (
        serving(handler, stall_timeout=0.2, ping_interval=None) as server,
        await come(server.url) as client,
    ):
        client.transport.pause_reading()
        async with asyncio.timeout(LONG):
            await ended.wait()
        await until(lambda: row(server).state == "closed", timeout=LONG)
        assert row(server).cause == "slow consumer"
        client.transport.abort()


async def test_a_message_that_waited_too_long_ends_the_connection() -> None:
    """By default, a reader is closed for a message that has waited too long, however few wait."""
    hub = Hub(max_waiting_age=0.2)
    async with serving(hub) as server, await come(server.url) as client:
        await subscribe(client)
        client.transport.pause_reading()
        for _ in range(40):
            await hub.publish("c", {"pad": PAD})
        await until(lambda: row(server).dropped > 0, timeout=LONG)
        client.transport.resume_reading()
        with pytest.raises(ConnectionClosed):
            await wait(client, lambda _: False)
        assert client.close_code == 1013


async def test_a_publisher_that_blocks_is_as_fast_as_its_slowest_reader() -> None:
    """With ``block``, publish() waits for room, and nobody loses anything."""
    hub = Hub(max_waiting_messages=10, channels={"c": ChannelOptions(slow="block")})
    async with serving(hub) as server, await come(server.url) as client:
        await subscribe(client)
        client.transport.pause_reading()
        published = []

        async def publish() -> None:
            for n in range(COUNT):
                await hub.publish("c", {"n": n, "pad": PAD})
                published.append(n)

        task = asyncio.create_task(publish())
        peer = next(iter(hub.audience.sessions.values())).peer
        await until(lambda: not peer.has_room(PUBLISHERS_SHARE), timeout=LONG)
        assert not task.done()
        before = len(published)
        for n in range(3):  # whose answers find room behind what was published
            await client.send(json.dumps({"type": "ping", "id": f"p{n}"}))
        client.transport.resume_reading()
        got = await publications(client, last=COUNT - 1)
        await task
        assert before < COUNT
        assert [each["data"]["n"] for each in got] == list(range(COUNT))
        assert row(server).dropped == 0


class FarBroker(MemoryBroker):
    """As one that asks another machine: what is published arrives some turns of the loop later."""

    async def publish(self, *args: Any, **kwargs: Any) -> Any:
        for _ in range(3):
            await asyncio.sleep(0)
        return await super().publish(*args, **kwargs)


@pytest.mark.parametrize("broker", [MemoryBroker, FarBroker])
async def test_many_publishers_wait_for_the_same_room(broker: type[MemoryBroker]) -> None:
    """However many publishers wait when room comes, they go on as it lasts, also where publishing
    takes a while: the reader stays and gets everything in order.
    """
    hub = Hub(max_waiting_messages=10, slow="block", announce=60.0, broker=broker())
    async with serving(hub) as server, await come(server.url) as client:
        await subscribe(client)
        client.transport.pause_reading()
        peer = next(iter(hub.audience.sessions.values())).peer
        publishing = asyncio.gather(
            *[hub.publish("c", {"n": n, "pad": PAD}) for n in range(3 * COUNT)]
        )
        await until(lambda: not peer.has_room(PUBLISHERS_SHARE), timeout=LONG)
        queue = peer._queue  # type: ignore[attr-defined]
        assert len(queue) <= PUBLISHERS_SHARE * hub.options.max_waiting_messages
        client.transport.resume_reading()
        got = await publications(client, last=3 * COUNT - 1)
        await publishing
        assert [each["data"]["n"] for each in got] == list(range(3 * COUNT))
        assert row(server).dropped == 0


async def test_a_publisher_does_not_wait_for_somebody_who_is_gone() -> None:
    """A publisher that waits for a reader goes on when the reader leaves, or is cut."""
    hub = Hub(max_waiting_messages=5, slow="block", stalled=0.2)
    async with serving(hub) as server, await come(server.url) as client:
        await subscribe(client)
        client.transport.pause_reading()
        async with asyncio.timeout(LONG):
            for _ in range(COUNT):
                await hub.publish("c", {"pad": PAD})
        await until(lambda: not hub.audience.sessions, timeout=LONG)
        client.transport.abort()


async def test_answers_arrive_whatever_is_dropped() -> None:
    """Only what was published may be dropped: a client that asks gets its answer."""
    hub = Hub(max_waiting_messages=10, slow="drop_newest")
    async with serving(hub) as server, await come(server.url) as client:
        await subscribe(client)
        client.transport.pause_reading()
        for n in range(COUNT):
            await hub.publish("c", {"n": n, "pad": PAD})
        for n in range(5):
            await client.send(json.dumps({"type": "ping", "id": f"p{n}"}))
        await until(lambda: row(server).messages_in == 6, timeout=LONG)
        client.transport.resume_reading()
        for n in range(5):
            await wait(client, lambda message, to=f"p{n}": message.get("reply_to") == to)


async def test_the_policy_can_be_changed_while_running() -> None:
    """What is given up is decided anew with each message: by the hub, the channel, the call."""
    hub = Hub(max_waiting_messages=5, slow="drop_newest", announce=60.0)
    async with serving(hub) as server, await come(server.url) as client:
        await subscribe(client)
        client.transport.pause_reading()
        await fill(hub)
        await hub.publish("c", {"n": "refused"})
        await asyncio.sleep(0)  # what is published goes out when the turn of the loop ends
        hub.change(slow="drop_oldest")
        await hub.publish("c", {"n": "refused"}, slow="drop_newest")
        await asyncio.sleep(0)
        hub.change(max_waiting_messages=6)
        await hub.publish("c", {"n": "kept"}, slow="drop_newest")
        await asyncio.sleep(0)
        hub.change(channels={"c": ChannelOptions(slow="block")})
        last = asyncio.create_task(hub.publish("c", {"n": "last"}))
        client.transport.resume_reading()
        numbers = [each["data"]["n"] for each in await publications(client, last="last")]
        await last
        assert "refused" not in numbers
        assert numbers[-2:] == ["kept", "last"]
        with pytest.raises(OptionError, match="'files' cannot be changed"):
            hub.change(files="here")
        with pytest.raises(OptionError, match="drop_oldest"):
            hub.change(slow="forget")


async def test_without_a_probe_too(start: Any) -> None:
    """A hub behind the library's own serve() keeps messages for a reader that was slow."""
    place = await start(slow="drop_oldest", max_waiting_messages=10, announce=60.0)
    async with await come(small(place.server)) as client:
        await subscribe(client)
        client.transport.pause_reading()
        for n in range(COUNT):
            await place.hub.publish("c", {"n": n, "pad": PAD})
        client.transport.resume_reading()
        got = await publications(client, last=COUNT - 1)
        assert [each["data"]["n"] for each in got[-10:]] == list(range(COUNT - 10, COUNT))
        assert len(got) < COUNT


def pings(count: int) -> bytes:
    """Frames of pings, numbered, as a client sends them."""
    return b"".join(
        Frame(Opcode.PING, str(number).encode()).serialize(mask=True) for number in range(count)
    )


@pytest.mark.parametrize("how", ["serve", "probe"])
async def test_pongs_that_nobody_reads_do_not_pile_up(how: str) -> None:
    """While much waits for a client, only its last ping is answered, once it reads again."""
    connections = []

    async def handler(connection: ServerConnection) -> None:
        connections.append(connection)
        broadcast((connection,), b"x" * 1_000_000)
        await connection.wait_closed()

    context: Any = serving(handler)
    if how == "probe":
        context = serve(handler, "127.0.0.1", 0, create_connection=probe(Monitor()))
    async with contextlib.AsyncExitStack() as stack:
        server = await stack.enter_async_context(context)
        url = small(getattr(server, "websockets", server))
        async with await come(url) as client:
            client.transport.pause_reading()
            await until(lambda: connections, timeout=LONG)
            connection = connections[0]
            waiting = connection.transport.get_write_buffer_size()
            assert waiting > PONGS_ABOVE
            for turn in range(20):
                client.transport.write(pings(100))
                await until(lambda turn=turn: connection.meter.pings_in == 100 * (turn + 1))
            assert connection.transport.get_write_buffer_size() <= waiting
            assert connection.meter.pongs_out == 0
            client.transport.resume_reading()
            assert len(await client.recv()) == 1_000_000
            await until(lambda: connection.meter.pongs_out, timeout=LONG)
            assert connection.meter.pongs_out == 1
            async with asyncio.timeout(LONG):
                await (await client.ping(b"and now"))
            assert connection.meter.pongs_out == 2


@pytest.mark.parametrize("kind", ["fast", "guarded"])
async def test_nothing_is_left_of_a_pause(kind: str) -> None:
    """After a pause, whether it ended before the connection or with it, nothing holds back what a
    protocol sends any more.
    """
    monitor = Monitor(interval=3600)
    for resumes in (True, False):
        pair = await open_pair(kind, "none", monitor)
        protocol = pair.connection.protocol
        before = protocol.send_frame
        pair.connection.pause_writing()
        if resumes:
            pair.connection.resume_writing()
            assert protocol.send_frame == before
        pair.transport.closing = True
        pair.connection.connection_lost(None)
        assert not isinstance(getattr(protocol.send_frame, "__self__", None), guarding._Guard)
    monitor.close()


async def test_a_flood_of_pings_ends_its_connection() -> None:
    """A client that sends thousands of pings at once breaks off with itself alone."""

    async def handler(connection: ServerConnection) -> None:
        connection.meter.name = connection.request.path  # type: ignore[attr-defined,union-attr]
        with contextlib.suppress(ConnectionClosed):
            async for message in connection:
                await connection.send(message)

    async with serving(handler) as server:
        client = await come(server.url, "flood")
        other = await come(server.url, "other")
        client.transport.write(pings(3 * PINGS_AT_ONCE))
        async with asyncio.timeout(LONG):
            await client.wait_closed()
        assert (client.close_code, client.close_reason) == (1002, "too many pings at once")
        await other.send("still here")
        assert await other.recv() == "still here"
        await other.close()


async def test_a_flood_of_pings_behind_much_that_waits() -> None:
    """A flood ends its connection even when nobody would read that it is a flood."""
    came = asyncio.Event()

    async def handler(connection: ServerConnection) -> None:
        connection.meter.name = "slow"  # type: ignore[attr-defined]
        came.set()
        broadcast((connection,), b"x" * 1_000_000)
        await connection.wait_closed()

    async with serving(handler) as server, await come(server.url) as client:
        client.transport.pause_reading()
        async with asyncio.timeout(LONG):
            await came.wait()
        await until(lambda: row(server).send_queue > PONGS_ABOVE, timeout=LONG)
        client.transport.write(pings(3 * PINGS_AT_ONCE))
        await until(lambda: row(server).state == "closed", timeout=LONG)
        assert row(server).pongs_out == 0
        client.transport.abort()


async def test_publishing_while_people_come_and_go(caplog: pytest.LogCaptureFixture) -> None:
    """Whoever is there all the time gets everything, while others join and leave at any moment."""
    hub = Hub()
    caplog.set_level(logging.WARNING, "rtmon")
    async with serving(hub) as server, await come(server.url, "ada") as ada:
        await subscribe(ada)
        done = False

        async def guest(number: int) -> None:
            while not done:
                client = await come(server.url, f"guest{number}")
                await subscribe(client)
                if number % 2:
                    client.transport.abort()
                else:
                    await client.close()

        guests = [asyncio.create_task(guest(number)) for number in range(6)]
        got = asyncio.create_task(publications(ada, last=299))
        for n in range(300):
            await hub.publish("c", {"n": n})
            await asyncio.sleep(0)
        assert [each["data"]["n"] for each in await got] == list(range(300))
        done = True
        await asyncio.gather(*guests)
        assert not [record for record in caplog.records if record.name == "rtmon.hub"]


async def test_a_thousand_joins_are_not_a_million_frames(start: Any) -> None:
    """When a thousand come at once, what each is told is a few messages, not one for each other;
    the same when they leave.
    """
    place = await start(history=0, announce=60.0)
    tell_all = place.hub.reception.arrivals._flush_all
    crowd = [await place.connect(f"user{number}", over="memory") for number in range(1_000)]
    tell_all()
    told = sum(client.peer.inbox.qsize() for client in crowd)
    assert told == len(crowd)
    ada = await place.connect("ada", over="memory")
    for client in crowd:
        await client.leave()
    tell_all()
    assert 0 < ada.peer.inbox.qsize() < 30
