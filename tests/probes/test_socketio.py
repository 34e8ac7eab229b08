from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
import socketio
from aiohttp import ClientSession, web
from starlette.applications import Starlette
from starlette.routing import Mount
from websockets.asyncio.client import ClientConnection, connect

from rtmon import ASGIProbe, Monitor
from rtmon.errors import OptionError
from rtmon.metrics.records import ConnectionInfo, Event
from rtmon.probes.socketio import Instrument, Stats, instrument
from rtmon.probes.socketio_stats import NAMES, OTHER, Statistics
from rtmon.testing import until
from tests.probes.serving import serving
from tests.transports.links import hang_up

WAYS = [["websocket"], ["polling"], ["polling", "websocket"]]
"""Transports that a client may use, one after the other."""


def chat(**options: Any) -> Any:
    """A Socket.IO server with a few handlers."""
    # A polling client that leaves waits, as python-socketio has it, for the next ping to be due.
    options = {"ping_interval": 0.2, "ping_timeout": 3, **options}
    sio = socketio.AsyncServer(async_mode="asgi", **options)

    @sio.event
    async def say(sid: str, *data: Any) -> Any:
        await sio.emit("said", data, to=sid)
        return "ok", len(data)

    @sio.event
    async def fail(sid: str, data: Any) -> None:
        raise LookupError("no such room")

    @sio.event
    async def join(sid: str, room: str) -> None:
        await sio.enter_room(sid, room)

    return sio


@asynccontextmanager
async def watched(
    sio: Any = None, *, settled: bool = True
) -> AsyncIterator[tuple[Any, Monitor, Instrument, str]]:
    """Serve a Socket.IO server with a probe on it."""
    monitor = Monitor(interval=1000)
    sio = sio or chat()
    probe = instrument(sio, monitor)
    async with serving(socketio.ASGIApp(sio)) as where:
        yield sio, monitor, probe, where
        await sio.shutdown()
    snapshot = monitor.snapshot()
    assert snapshot.opened - snapshot.closed == snapshot.open
    assert not settled or snapshot.open == 0
    assert monitor.probe_failures == 0


@asynccontextmanager
async def joined(
    where: str, ways: list[str], namespaces: list[str] | None = None, **options: Any
) -> AsyncIterator[Any]:
    """A real client, with what it received as ``client.got``."""
    # python-socketio leaves sessions of its own making unclosed when a connection is refused.
    async with ClientSession() as session:
        client: Any = socketio.AsyncClient(reconnection=False, http_session=session, **options)
        client.got = []

        @client.on("*")
        async def anything(event: str, *data: Any) -> str:
            client.got.append((event, *data))
            return f"read {event}"

        await client.connect(
            f"http://{where}", transports=ways, namespaces=namespaces, wait_timeout=60
        )
        try:
            yield client
        finally:
            await hang_up(client)


async def row(monitor: Monitor, closed: int = 1) -> ConnectionInfo:
    """The one connection's row, once it has closed."""
    await until(lambda: monitor.snapshot().closed == closed)
    monitor.tick()
    (info,) = monitor.collector.connections()
    return info


def events(monitor: Monitor, kind: str) -> list[Event]:
    """The Events of a kind."""
    monitor.tick()
    return [event for event in monitor.collector.history.events() if event.kind == kind]


def of(stats: Stats, event: str) -> tuple[int, int, int]:
    """What happened to an event: received, emitted, errors."""
    (found,) = [record for record in stats.events if record.event == event]
    return found.received, found.emitted, found.errors


@pytest.mark.parametrize("ways", WAYS, ids=" then ".join)
async def test_messages_are_what_a_real_client_sent_and_received(ways: list[str]) -> None:
    """Over each transport, and across an upgrade, events and acknowledgements agree with those
    of python-socketio's own client, and the row says how they travelled.
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
    assert monitor.snapshot().http_requests == 0


SENT = [
    '2["say","grüße"]',
    '27["say",{"n":1}]',
    '52-8["say",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]',
]
ATTACHMENTS = [b"\x00" * 70_000, b"yy"]


def payload(packets: list[str | bytes]) -> int:
    """Bytes of what is left of Socket.IO packets without Engine.IO's packet type."""
    return sum(len(p.encode()) if isinstance(p, str) else len(p) for p in packets)


def tell(received: list[str | bytes]) -> tuple[int, int]:
    """Messages and bytes of Socket.IO packets, as a client of its own making counts them."""
    whole = [p for p in received if isinstance(p, bytes) or p[0] in "2356"]
    return sum(isinstance(p, str) for p in whole), payload(whole)


async def test_bytes_agree_with_a_raw_websocket_client() -> None:
    """Payload agrees, to the byte, with a client that speaks Socket.IO by hand: texts that are
    not ASCII, acknowledgements, attachments; Engine.IO's own packets are left out.
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


async def test_bytes_agree_with_a_raw_polling_client() -> None:
    """The same over HTTP long-polling, where several packets share a body and binary ones travel
    as base64: neither is payload.
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


async def test_namespaces_rooms_and_reasons() -> None:
    """Who is in which namespace and room, who was refused and why clients left."""
    sio = chat(namespaces=["/", "/news"])
    sio.on("connect", lambda *_: False, namespace="/closed")

    async def turn_away(sid: str, environ: Any) -> None:
        raise socketio.exceptions.ConnectionRefusedError("not you")

    sio.on("connect", turn_away, namespace="/strict")
    async with watched(sio) as (_, monitor, probe, where):
        async with (
            joined(where, ["websocket"], ["/", "/news"]) as ada,
            joined(where, ["websocket"], ["/"]) as bob,
        ):
            await ada.call("join", "red")
            await ada.call("join", "blue")
            await bob.call("join", "red")
            stats = probe.stats()
            for refused in ("/closed", "/strict", "/unknown"):
                with pytest.raises(socketio.exceptions.ConnectionError):
                    async with joined(where, ["websocket"], [refused]):
                        pass
            await sio.disconnect(bob.get_sid())
            await until(lambda: not bob.connected)
        await until(lambda: monitor.snapshot().open == 0)
        after = {record.namespace: record for record in probe.stats().namespaces}
        reasons = probe.stats().reasons
    assert [(r.room, r.members) for r in stats.rooms] == [("red", 2), ("blue", 1)]
    here = {record.namespace: record for record in stats.namespaces}
    assert (here["/"].open, here["/"].connected, here["/"].rooms) == (2, 2, 2)
    assert (here["/news"].open, here["/news"].rooms) == (1, 0)
    assert (after["/closed"].refused, after["/strict"].refused) == (1, 1)
    assert "/unknown" not in after
    assert (after["/"].open, after["/"].disconnected, after["/"].rooms) == (0, 2, 0)
    assert reasons["server disconnect"] == 1
    assert sum(reasons.values()) == 3
    assert monitor.snapshot().errors == 0


async def test_why_connections_ended() -> None:
    """A transport that breaks, a ping without an answer, a page that is left, which closes only
    the WebSocket, and Engine.IO's own goodbye are told apart.
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


async def test_an_exception_in_a_handler_is_counted_and_goes_on() -> None:
    """What a handler raises is an error of its event and connection, and python-socketio is told
    of it as ever.
    """
    seen = []
    sio = chat(async_handlers=False)
    original = sio._trigger_event

    async def beneath(*args: Any) -> Any:
        try:
            return await original(*args)
        except LookupError as exc:
            seen.append(exc)
            raise

    sio._trigger_event = beneath
    async with watched(sio) as (_, monitor, probe, where):
        through = sio._trigger_event
        async with joined(where, ["websocket"]) as client:
            with pytest.raises(LookupError) as caught:
                await through("fail", "/", client.get_sid(), 1)
            assert caught.value is seen[0]
            await client.emit("fail", 1)
            await client.call("say", "still here")
        info = await row(monitor)
        stats = probe.stats()
    assert of(stats, "fail") == (2, 0, 2)
    assert info.errors == 2
    assert "LookupError: no such room" in str(info.traceback)
    assert len(events(monitor, "error")) == 2


async def test_old_connect_handlers_are_no_errors() -> None:
    """A connect handler without the auth argument, which python-socketio calls twice, is fine;
    so is a disconnect handler without a reason.
    """
    sio = chat()
    left = []
    sio.on("connect", lambda sid, environ: None)
    sio.on("disconnect", left.append)
    async with watched(sio) as (_, monitor, probe, where):
        async with joined(where, ["websocket"]):
            pass
        info = await row(monitor)
        (root,) = probe.stats().namespaces
    assert (info.errors, root.connected, root.disconnected, len(left)) == (0, 1, 1, 1)


async def test_class_namespaces_and_callbacks_work_as_before() -> None:
    """Namespaces as classes, callbacks that are coroutines, and emits to a room are counted."""
    acknowledged: asyncio.Queue[str] = asyncio.Queue()

    class News(socketio.AsyncNamespace):  # type: ignore[misc]
        async def on_ask(self, sid: str) -> None:
            async def done(answer: str) -> None:
                await acknowledged.put(answer)

            await self.emit("told", "x", to=sid, callback=done)

    sio = chat()
    sio.register_namespace(News("/news"))
    async with watched(sio) as (_, monitor, probe, where):
        async with joined(where, ["websocket"], ["/", "/news"]) as client:
            client.on("told", lambda data: data * 2, namespace="/news")
            await client.emit("ask", namespace="/news")
            assert await asyncio.wait_for(acknowledged.get(), 60) == "xx"
            await client.emit("nobody listens")
            await until(lambda: any(r.event == OTHER for r in probe.stats().events))
        await row(monitor)
        stats = probe.stats()
    assert stats.ack.count == 1
    assert {(r.namespace, r.event, r.received, r.emitted) for r in stats.events} == {
        ("/news", "ask", 1, 0),
        ("/news", "told", 0, 1),
        (OTHER, OTHER, 1, 0),
    }


async def test_a_connection_can_be_named() -> None:
    """An application finds the meter of a client by its id, until the client is gone."""
    async with watched() as (_, monitor, probe, where):
        async with joined(where, ["websocket"]) as client:
            sid = client.get_sid()
            meter = probe.meter(sid)
            assert meter is not None
            meter.name = "ada"
        assert (await row(monitor)).name == "ada"
        assert probe.meter(sid) is None


async def test_another_serializer_is_counted_too() -> None:
    """With MessagePack, where everything is binary, messages and bytes are those of the packets."""
    async with watched(chat(serializer="msgpack")) as (_, monitor, probe, where):
        async with joined(where, ["websocket"], serializer="msgpack") as client:
            assert await client.call("say", "x") == ("ok", 1)
        info = await row(monitor)
    assert info.messages_in == info.binary_in
    assert of(probe.stats(), "say") == (1, 0, 0)


async def test_under_an_asgi_probe_socketio_counts() -> None:
    """On one connection under both probes, the inner one counts; a request that leads to no
    session is the outer one's.
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
    # Of a session's last polls, those that are answered once it is over are plain requests.
    assert 1 <= snapshot.http_requests <= 3
    assert monitor.probe_failures == 0


async def test_on_aiohttp_it_counts_as_well() -> None:
    """The probe does not depend on ASGI; what the peer's address is, aiohttp tells."""
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


@pytest.mark.parametrize("hook", ["meter", "opened", "closed", "mark", "event", "rtt", "stats"])
@pytest.mark.parametrize("ways", [["websocket"], ["polling", "websocket"]], ids=" then ".join)
async def test_a_failing_probe_breaks_nothing(
    hook: str,
    ways: list[str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Whatever goes wrong inside the probe, events and acknowledgements flow; it is counted."""
    from rtmon.metrics import collector, meter

    def broken(*args: Any, **kwargs: Any) -> Any:
        raise ZeroDivisionError

    if hook == "stats":
        for name in ("received", "emitted", "connected", "disconnected"):
            monkeypatch.setattr(Statistics, name, broken)
    else:
        owner: Any = meter.Meter if hook == "mark" else collector.Collector
        monkeypatch.setattr(owner, hook, broken)
    monitor = Monitor(interval=1000)
    sio = chat(ping_interval=0.05)
    instrument(sio, monitor)
    async with serving(socketio.ASGIApp(sio)) as where:
        async with joined(where, ways) as client:
            await until(lambda: client.transport() == ways[-1])
            assert await client.call("say", "x") == ("ok", 1)
            assert await sio.call("question", sid=client.get_sid()) == "read question"
            if hook == "rtt":
                await until(lambda: monitor.probe_failures)
        await until(lambda: monitor.probe_failures)
        await sio.shutdown()
    assert sum("a probe failed" in record.message for record in caplog.records) == 1


async def test_names_from_clients_are_bounded() -> None:
    """Past a limit, names of events, namespaces and reasons are counted together, and long ones
    are cut: a hostile client can neither make the tables grow, nor crowd out a handler's name.
    """
    statistics = Statistics()
    for number in range(NAMES + 50):
        statistics.received("/", f"event {number}", named=False)
        statistics.connected(f"/{number}", refused=False)
        statistics.disconnected("/0", f"reason {number}")
    statistics.received("/", "\ud800" + "x" * 10_000, named=False)
    statistics.received("/", "said", named=True)
    rooms = [("/", f"room {number}", number) for number in range(NAMES + 50)]
    stats = statistics.stats(rooms, {}, upgrades=0)
    assert len(stats.namespaces) == len(stats.reasons) == NAMES + 1
    assert len(stats.events) == NAMES + 2
    assert sum(record.received for record in stats.events) == NAMES + 52
    assert (of(stats, OTHER)[0], of(stats, "said")[0]) == (51, 1)
    assert len(stats.rooms) == NAMES
    assert stats.rooms[0].members == NAMES + 49
    for number in range(5000):
        statistics.ack.record(number / 1e6)
    assert len(statistics.ack._recorder.steps) < 1001
    assert statistics.stats([], {}, upgrades=0).ack.count == 5000


def test_what_cannot_be_measured_is_said() -> None:
    """A server of another kind, one that lacks what is needed, and one that another Monitor
    measures are refused in a sentence; asking twice gives the same probe.
    """
    monitor = Monitor()
    with pytest.raises(OptionError, match="rtmon measures a"):
        instrument(socketio.Server(async_mode="threading"), monitor)
    with pytest.raises(OptionError, match="rtmon measures a"):
        instrument(object(), monitor)
    with pytest.raises(
        OptionError, match=r"no AsyncServer\.eio\.handle_request, which measuring needs"
    ):
        instrument(
            SimpleNamespace(
                is_asyncio_based=lambda: True,
                _trigger_event=1,
                handlers=1,
                namespace_handlers=1,
                not_handled=1,
            ),
            monitor,
        )
    sio = chat()
    assert instrument(sio, monitor) is instrument(sio, monitor)
    with pytest.raises(OptionError, match="another Monitor"):
        instrument(sio, Monitor())


async def test_a_subclass_of_ones_own_stays_what_it_is() -> None:
    """A server class with methods of its own is measured on the one object, not in the class."""

    class Mine(socketio.AsyncServer):  # type: ignore[misc]
        async def emit(self, event: str, *args: Any, **kwargs: Any) -> Any:
            return await super().emit(f"my {event}", *args, **kwargs)

    sio = Mine(async_mode="asgi")
    sio.on("hi", lambda sid: "there")
    async with watched(sio) as (_, monitor, probe, where):
        async with joined(where, ["websocket"]) as client:
            assert await client.call("hi") == "there"
            await sio.emit("x")
            await until(lambda: client.got)
        await row(monitor)
    assert client.got == [("my x",)]
    assert of(probe.stats(), "my x") == (0, 1, 0)
    assert "emit" not in vars(socketio.AsyncServer(async_mode="asgi").manager)
