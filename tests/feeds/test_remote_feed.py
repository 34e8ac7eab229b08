"""The remote feed, and the admin listener that it reads."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import InvalidStatus
from websockets.http11 import Request, Response

import rtmon
from rtmon import Backoff, Monitor, open_feed, serve_admin
from rtmon.errors import FeedError, OptionError, PortInUse
from rtmon.feeds import remote_feed, wire_format
from rtmon.feeds.remote_feed import RemoteFeed
from rtmon.servers.admin_listener import ROWS, WATCHER_BYTES, Admin
from rtmon.testing import FakeClock, until

QUICK = Backoff(base=0.01, max=0.02)


@pytest.mark.parametrize("source", [None, 8766, object()])
def test_open_feed_raises_when_its_source_has_a_wrong_type(source: Any) -> None:
    """Function open_feed() raises OptionError when its source is not a Monitor, feed, address or
    recording.
    """
    with pytest.raises(OptionError, match="cannot be watched"):
        open_feed(source)


async def test_remote_feed_has_every_sample_after_the_listener_was_away(
    reserve_port: Callable[[], int],
) -> None:
    """Remote feed says that it is disconnected while the admin listener is away, and has each
    sample once after the listener has returned.
    """
    monitor, port = Monitor(interval=1000), reserve_port()
    async with serve_admin(monitor, port=port) as admin:
        feed = RemoteFeed(admin.url, backoff=QUICK)
        await feed.start()
        await feed.complete()
        monitor.tick()
        await until(lambda: feed.status.state == "live")
    await until(lambda: feed.status.state == "disconnected")
    assert feed.status.detail
    assert feed.latest() is not None
    monitor.event("note", "while away")
    monitor.tick()
    monitor.tick()
    async with serve_admin(monitor, port=port):
        await until(lambda: feed.status.state == "live")
        monitor.tick()
        await until(lambda: len(feed.samples()) == 4)
        assert [sample.seq for sample in feed.samples()] == [1, 2, 3, 4]
        assert [event.detail for event in feed.events()] == ["while away"]
        await feed.aclose()


async def test_remote_feed_drops_samples_and_rows_when_the_server_restarts(
    reserve_port: Callable[[], int],
) -> None:
    """Remote feed drops the samples and rows of the earlier server run when the server has
    restarted.
    """
    first, second = Monitor(interval=1000), Monitor(interval=1000)
    first.connection_opened(first.collector.meter())
    port = reserve_port()
    async with serve_admin(first, port=port) as admin:
        feed = RemoteFeed(admin.url, backoff=QUICK)
        await feed.start()
        await feed.complete()
        first.tick()
        await until(lambda: feed.connections().total == 1)
    second.tick()
    async with serve_admin(second, port=port):
        await until(lambda: {sample.epoch for sample in feed.samples()} == {second.epoch})
        await until(lambda: feed.connections().total == 0)
        await feed.aclose()


async def test_admin_listener_sends_history_in_pieces_and_each_tick_once() -> None:
    """Admin listener sends its history to a new reader in pieces of limited size, and sends ticks
    that occur during this transfer once and in order.
    """
    monitor = Monitor(interval=1000)
    for _ in range(3000):
        monitor.tick()
    pieces: list[int] = []
    async with serve_admin(monitor, port=0) as admin, connect(f"{admin.url}/feed") as reader:
        decoder, seqs, done = wire_format.Decoder(), [], False
        while len(seqs) < 3005 or not done:
            data = await reader.recv()
            if not pieces:
                for _ in range(5):
                    monitor.tick()
            pieces.append(len(data))
            message = decoder.message(data)
            done = done or bool(message.get("done"))
            seqs += [sample.seq for sample in message.get("samples", [])]
            if message["type"] == "tick":
                seqs.append(message["sample"].seq)
    assert seqs == list(range(1, 3006))
    assert len(pieces) > 3
    assert max(pieces) <= wire_format.PIECE_BYTES


async def test_admin_listener_disconnects_a_reader_that_stops_reading() -> None:
    """Admin listener disconnects a reader that stops reading, and other readers continue to receive
    ticks.
    """
    monitor = Monitor(interval=1000)
    async with serve_admin(monitor, port=0) as admin:
        feed = RemoteFeed(admin.url)
        await feed.start()
        await feed.complete()
        async with connect(f"{admin.url}/feed", max_queue=1, compression=None) as stalled:
            await until(lambda: admin.watchers == 2)
            stalled.transport.pause_reading()
            sent = 0
            while admin.watchers == 2:
                for _ in range(1000):
                    monitor.event("note", "x" * 250)
                monitor.tick()
                sent += 250_000
                assert sent < 20 * WATCHER_BYTES
                await asyncio.sleep(0)
            seq = monitor.tick().sample.seq
            await until(lambda: (latest := feed.latest()) is not None and latest.seq == seq)
            stalled.transport.abort()
        await feed.aclose()


async def test_monitor_builds_no_feed_frames_without_readers() -> None:
    """Monitor builds feed frames only while at least one reader is connected to the admin
    listener.
    """
    monitor = Monitor(interval=1000)
    async with serve_admin(monitor, port=0) as admin:
        assert not monitor._measurement.outputs.listening
        async with connect(f"{admin.url}/feed"):
            await until(lambda: monitor._measurement.outputs.listening)
        await until(lambda: not monitor._measurement.outputs.listening)


async def test_admin_listener_answers_403_to_a_request_with_an_origin_header() -> None:
    """Admin listener answers 403 to a request with an Origin header, so that no web page can read
    the feed.
    """
    async with serve_admin(Monitor(), port=0) as admin:
        with pytest.raises(InvalidStatus, match="403"):
            await connect(f"{admin.url}/feed", origin="http://127.0.0.1")  # type: ignore[arg-type]


async def test_admin_listener_beyond_loopback_requires_a_token() -> None:
    """Admin listener refuses to listen beyond loopback without a token, and refuses readers whose
    token is wrong.
    """
    monitor = Monitor(interval=1000)
    with pytest.raises(OptionError, match="token"):
        serve_admin(monitor, host="0.0.0.0", port=0)  # noqa: S104 - must be refused
    # Token of this test.
    async with serve_admin(monitor, port=0, token="s3cret") as admin:  # noqa: S106
        for wrong in (None, "guess"):
            feed = RemoteFeed(admin.url, token=wrong, backoff=QUICK)
            await feed.start()
            await until(lambda f=feed: "needs a token" in f.status.detail)
            with pytest.raises(FeedError, match="needs a token"):
                await feed.complete(timeout=0.3)
            await feed.aclose()
        feed = RemoteFeed(admin.url, token="s3cret")  # noqa: S106 - token of this test
        await feed.start()
        await feed.complete()
        await feed.aclose()


async def test_admin_listener_names_its_address_when_the_port_is_in_use() -> None:
    """Admin listener raises PortInUse with its address and a remedy when its port is in use."""
    async with serve_admin(Monitor(), port=0) as admin:
        port = admin.port
        with pytest.raises(PortInUse) as caught:
            await serve_admin(Monitor(), port=port)
    assert str(caught.value) == (
        f"the admin listener cannot listen on 127.0.0.1:{port}: "
        "the port is in use; choose another one"
    )


async def test_admin_listener_answers_healthz_with_json() -> None:
    """Admin listener answers an HTTP request for /healthz with JSON: status, open connections and
    readers.
    """
    monitor = Monitor(interval=1000)
    monitor.connection_opened(monitor.collector.meter())
    async with serve_admin(monitor, port=0) as admin:
        reader, writer = await asyncio.open_connection("127.0.0.1", admin.port)
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        head, body = (await reader.read()).split(b"\r\n\r\n")
        writer.close()
    assert head.startswith(b"HTTP/1.1 200")
    health = json.loads(body)
    assert (health["status"], health["open"], health["watchers"]) == ("ok", 1, 0)


async def test_remote_feed_says_what_to_check_when_nothing_listens(
    reserve_port: Callable[[], int],
) -> None:
    """Remote feed's status and error say that nothing listens at the address and what to check."""
    port = reserve_port()
    feed = RemoteFeed(f"ws://127.0.0.1:{port}", backoff=QUICK)
    await feed.start()
    await until(lambda: feed.status.detail.startswith("nothing listens there: check the port"))
    why = rf"no feed from ws://127\.0\.0\.1:{port} .*nothing listens"
    with pytest.raises(FeedError, match=why):
        await feed.complete(timeout=0.2)
    await feed.aclose()


@pytest.mark.parametrize(
    ("message", "complaint"),
    [
        (b"hi", "does not look like a feed"),
        (b"[]", "does not look like a feed"),
        (b'{"type":"hello"}', "does not look like a feed"),
        (b'{"type":"history","samples":[[1]],"done":true}', "does not look like a feed"),
        (
            wire_format.encode_hello(node="n", epoch="e", interval=1, reset=False).replace(
                b'"protocol":1', b'"protocol":2'
            ),
            "version 2",
        ),
    ],
)
async def test_remote_feed_gives_a_reason_and_retries_when_messages_are_wrong(
    message: bytes, complaint: str
) -> None:
    """Remote feed gives the reason in its status and reconnects when the server sends messages that
    are not messages of a feed.
    """
    greeted: list[int] = []

    async def other(connection: ServerConnection) -> None:
        greeted.append(1)
        await connection.send(message, text=True)
        await connection.wait_closed()

    async with serve(other, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        feed = RemoteFeed(f"127.0.0.1:{port}", backoff=QUICK)
        await feed.start()
        await until(lambda: len(greeted) > 1)
        await until(lambda: complaint in feed.status.detail)
        assert feed.status.state == "connecting"
        await feed.aclose()


def test_feed_decoder_ignores_unknown_columns_and_sets_missing_ones_to_null() -> None:
    """Feed decoder ignores columns that this release does not know, and sets columns that the
    server does not send to null.
    """
    monitor = Monitor()
    sample = monitor.tick().sample
    hello = msgspec.json.decode(
        wire_format.encode_hello(node="n", epoch="e", interval=1, reset=False)
    )
    names = hello["columns"]["samples"]
    hello["columns"]["samples"] = ["future", *(name for name in names if name != "bytes_in")]
    tick = msgspec.json.decode(wire_format.encode_tick(sample, [], [], {}, None))
    row = dict(zip(names, tick["sample"], strict=True))
    tick["sample"] = ["?", *(value for name, value in row.items() if name != "bytes_in")]
    decoder = wire_format.Decoder()
    decoder.message(msgspec.json.encode(hello))
    received = decoder.message(msgspec.json.encode(tick))["sample"]
    assert (received.seq, received.bytes_in) == (sample.seq, None)


async def _resumed(admin: Admin, epoch: str, seq: int) -> tuple[list[int], list[int]]:
    """Connect a reader again that has seen this tick; return the sequence numbers of the samples
    and events that it gets.
    """
    samples: list[int] = []
    events: list[int] = []
    decoder = wire_format.Decoder()
    async with connect(f"{admin.url}/feed?since={epoch}:{seq}") as connection:
        async for data in connection:
            message = decoder.message(data)
            samples += [sample.seq for sample in message.get("samples", ())]
            events += [event.seq for event in message.get("events", ())]
            if message.get("done"):
                return samples, events
    raise AssertionError


@pytest.mark.parametrize("jump", [0.0, 3600.0, -3600.0])
async def test_reconnected_reader_gets_the_missed_ticks_when_the_wall_clock_jumped(
    jump: float,
) -> None:
    """Reader that reconnects gets exactly the samples and events of the time without connection,
    even when the server's wall clock was set in that time.
    """
    clock = FakeClock()
    monitor = Monitor(interval=1000, clock=clock)

    def happen(*, until: int) -> None:
        for seq in range(monitor.snapshot().seq + 1, until + 1):
            monitor.event("before", "a jump")
            if seq == 4:
                clock.set_wall_clock(clock.time() + jump)
            monitor.event("after", "a jump")
            clock.advance(1)
            monitor.tick()

    async with serve_admin(monitor, port=0) as admin:
        happen(until=6)
        for seen in range(1, 7):
            samples, events = await _resumed(admin, monitor.epoch, seen)
            assert samples == list(range(seen + 1, 7))
            assert events == list(range(2 * seen + 1, 13))
        assert await _resumed(admin, "another", 3) == (list(range(1, 7)), list(range(1, 13)))
    monitor.close()


async def test_remote_feed_is_disconnected_when_ticks_stop() -> None:
    """Remote feed's status is "disconnected" with the time of silence when no tick arrives,
    although the connection is open.
    """
    clock = FakeClock()
    monitor = Monitor(interval=0.2)
    async with serve_admin(monitor, port=0) as admin:
        feed = RemoteFeed(admin.url, clock=clock)
        await feed.start()
        await until(lambda: feed.status.state == "live")
        connected = feed.status.since
        await until(lambda: feed.now() > connected)
        clock.advance(10)
        assert feed.status.state == "disconnected"
        assert feed.status.detail == "nothing received for 10 s"
        assert feed.status.since == feed.now() - 10 > connected
        await feed.aclose()


async def test_changed_rows_above_the_limit_arrive_with_the_next_ticks() -> None:
    """Admin listener sends a limited number of changed connection rows per tick, and sends the
    remaining rows with the following ticks.
    """
    monitor = Monitor(interval=1000)
    meters = [monitor.collector.meter() for _ in range(3 * ROWS)]
    for meter in meters:
        monitor.connection_opened(meter)
    monitor.tick()
    async with serve_admin(monitor, port=0) as admin:
        feed = RemoteFeed(admin.url)
        await feed.start()
        await feed.complete()
        assert feed.connections().total == len(meters)
        for meter in meters:
            meter.received(10)
        for ticks in range(1, 4):
            monitor.tick()
            told = min(ticks * ROWS, len(meters))
            await until(lambda: _messages(feed) >= told)  # noqa: B023 - awaited at once
            assert _messages(feed) == told
        await feed.aclose()


def _messages(feed: RemoteFeed) -> int:
    return sum(row.messages_in or 0 for row in feed.connections().rows)


async def test_remote_feed_keeps_the_path_of_its_address_and_sends_the_token_in_a_header() -> None:
    """Remote feed requests /feed below the path of its address, and sends the address's token in
    the Authorization header.
    """
    asked: list[tuple[str, str | None]] = []

    def process(connection: ServerConnection, request: Request) -> Response:
        asked.append((request.path, request.headers.get("Authorization")))
        return connection.respond(404, "enough")

    async with serve(lambda _: asyncio.sleep(0), "127.0.0.1", 0, process_request=process) as server:
        port = server.sockets[0].getsockname()[1]
        feed = RemoteFeed(f"http://127.0.0.1:{port}/admin?token=t0ken", backoff=QUICK)
        await feed.start()
        await until(lambda: bool(asked))
        await feed.aclose()
        assert feed.status.source == f"ws://127.0.0.1:{port}/admin"
    assert asked[0] == ("/admin/feed", "Bearer t0ken")


async def test_remote_feed_says_that_its_address_is_the_public_port_of_a_hub() -> None:
    """Remote feed says that its address is a hub's public port, and the hub counts a rejected and
    no opened connection.
    """
    hub = rtmon.Hub()
    async with rtmon.serve(hub, port=0) as server:
        feed = RemoteFeed(server.url, backoff=QUICK)
        await feed.start()
        await until(lambda: "a hub's public port" in feed.status.detail)
        assert "rtmon serve has its admin listener on 8766" in feed.status.detail
        await feed.aclose()
        counted = server.monitor.snapshot()
    assert (counted.opened, counted.rejected > 0) == (0, True)


@pytest.mark.parametrize("sends", ["welcome", "nothing"])
async def test_remote_feed_says_that_another_server_answers(
    monkeypatch: pytest.MonkeyPatch, sends: str
) -> None:
    """Remote feed's status says "no admin listener" when the WebSocket server at the address sends
    no first message, or one that an admin listener never sends.
    """
    monkeypatch.setattr(remote_feed, "HELLO_TIMEOUT", 0.2)

    async def handle(connection: ServerConnection) -> None:
        if sends != "nothing":
            await connection.send(json.dumps({"type": sends, "payload": {}}))
        await connection.wait_closed()

    async with serve(handle, "127.0.0.1", 0, select_subprotocol=lambda *_: None) as server:
        port = server.sockets[0].getsockname()[1]
        feed = RemoteFeed(f"ws://127.0.0.1:{port}", backoff=QUICK)
        await feed.start()
        await until(lambda: "no admin listener" in feed.status.detail)
        await feed.aclose()
