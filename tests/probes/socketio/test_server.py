"""The Socket.IO probe: namespaces, rooms, handlers, limits on names."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
import socketio

from rtmon import Monitor
from rtmon.errors import OptionError
from rtmon.metrics.collector import Collector
from rtmon.metrics.event_log import EventLog
from rtmon.metrics.histogram import UNSORTED
from rtmon.metrics.meter import Meter
from rtmon.probes.socketio import instrument
from rtmon.probes.socketio.stats import NAMES, OTHER, Statistics
from rtmon.testing import until
from tests.probes.asgi.watching import events, row
from tests.probes.serving import serving
from tests.probes.socketio.chat import chat, joined, of, watched


async def test_socketio_statistics_count_namespaces_rooms_refusals_and_disconnect_reasons() -> None:
    """Socket.IO statistics count clients of namespaces, members of rooms, refused connections
    and reasons of disconnects.
    """
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


async def test_socketio_handler_exception_is_counted_and_raised_unchanged() -> None:
    """Exception of a Socket.IO handler is counted for its event and connection, and raised
    unchanged.
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


async def test_connect_and_disconnect_handlers_with_fewer_arguments_count_no_error() -> None:
    """Probe for Socket.IO counts no error for a connect handler without ``auth`` or a disconnect
    handler without ``reason``, which python-socketio first calls with this argument.
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


@pytest.mark.parametrize(
    "tried", [((), (None,)), ((None,), ())], ids=["up to 5.16", "from 5.17 on"]
)
async def test_connect_handler_with_auth_counts_no_error_for_a_client_without_auth(
    tried: tuple[tuple[None, ...], ...],
) -> None:
    """Socket.IO connect handler with ``auth`` counts no error for a client that sends no auth
    data, and a handler with a wrong signature counts one error.
    """
    sio = chat()
    sio.on("connect", lambda sid, environ, auth: None)
    sio.on("connect", lambda: None, namespace="/wrong")
    async with watched(sio) as (_, monitor, probe, where):
        for namespace in ("/", "/wrong"):  # Same order as in AsyncServer._handle_connect.
            for auth in tried:
                try:
                    await sio._trigger_event("connect", namespace, "a", {}, *auth)
                except TypeError:
                    continue
                break
        async with joined(where, ["websocket"]):
            pass
        info = await row(monitor)
        errors = {each.namespace: each.errors for each in probe.stats().events if each.errors}
    assert (info.errors, errors) == (0, {"/wrong": 1})


async def test_class_based_namespaces_and_acknowledgment_callbacks_are_counted() -> None:
    """Class-based namespaces and coroutine callbacks for acknowledgments work with the probe,
    and their events are counted.
    """
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
    seen = [r for r in stats.events if r.received or r.emitted]
    assert {(r.namespace, r.event, r.received, r.emitted) for r in seen} == {
        ("/news", "ask", 1, 0),
        ("/news", "told", 0, 1),
        (OTHER, OTHER, 1, 0),
    }


async def test_socketio_client_is_open_from_its_accepted_connect_to_its_disconnect() -> None:
    """Socket.IO client counts as open after its connect handler has accepted it, and no longer
    after the server has disconnected it.
    """
    asked, let_in = asyncio.Event(), asyncio.Event()
    sio = chat()

    @sio.event
    async def connect(sid: str, environ: Any, auth: Any) -> None:
        asked.set()
        await let_in.wait()

    async with watched(sio) as (_, monitor, probe, where):
        coming = asyncio.ensure_future(joined(where, ["websocket"]).__aenter__())
        await asyncio.wait_for(asked.wait(), 60)
        (root,) = probe.stats().namespaces
        assert (root.open, root.connected) == (0, 0)
        let_in.set()
        client = await coming
        async with joined(where, ["websocket"]):
            sio.manager.pre_disconnect(client.get_sid(), "/")
            sio.manager.pending_disconnect["/"].append("one that has gone")
            (root,) = probe.stats().namespaces
            assert (root.open, root.connected) == (1, 2)
        await client.disconnect()
        await until(lambda: monitor.snapshot().open == 0)


@pytest.mark.parametrize("hook", ["meter", "opened", "closed", "mark", "add", "rtt", "stats"])
@pytest.mark.parametrize("ways", [["websocket"], ["polling", "websocket"]], ids=" then ".join)
async def test_socketio_server_works_when_its_probe_fails(
    hook: str,
    ways: list[str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Socket.IO server delivers events and acknowledgments although code of the probe raises,
    and one failure is logged.
    """

    def broken(*args: Any, **kwargs: Any) -> Any:
        raise ZeroDivisionError

    if hook == "stats":
        for name in ("received", "emitted", "connected", "disconnected"):
            monkeypatch.setattr(Statistics, name, broken)
    else:
        owner: Any = {"mark": Meter, "add": EventLog}.get(hook, Collector)
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


def test_socketio_statistics_list_events_with_handlers_before_the_first_event() -> None:
    """Socket.IO statistics list events and namespaces that have handlers before any event was
    received.
    """

    class News(socketio.AsyncNamespace):  # type: ignore[misc]
        async def on_connect(self, sid: str) -> None: ...

        async def on_ask(self, sid: str) -> None: ...

    sio = chat()
    sio.register_namespace(News("/news"))
    for event in ("connect", "disconnect", "*"):
        sio.on(event, lambda *_: None)
    sio.on("anything", lambda *_: None, namespace="*")
    stats = instrument(sio, Monitor()).stats()
    assert {(record.namespace, record.event) for record in stats.events} == {
        *(("/", "say"), ("/", "fail"), ("/", "join"), ("/news", "ask"))
    }
    assert [record.namespace for record in stats.namespaces] == ["/", "/news"]


async def test_socketio_statistics_limit_the_number_of_names_that_clients_invent() -> None:
    """Socket.IO statistics count all names above a limit together, but always list events that
    have handlers.
    """
    statistics = Statistics()
    for number in range(NAMES + 50):
        statistics.received("/", f"event {number}", named=False)
        statistics.connected(f"/{number}", refused=False)
        statistics.disconnected("/0", f"reason {number}")
    statistics.received("/", "\ud800" + "x" * 10_000, named=False)
    statistics.received("/", "said", named=True)
    rooms = [("/", f"room {number}", number) for number in range(NAMES + 50)]
    stats = statistics.stats(rooms, {"/0": 2, "/120": 3, "/130": 4}, upgrades=0)
    assert len(stats.namespaces) == len(stats.reasons) == NAMES + 1
    assert len(stats.events) == NAMES + 2
    assert sum(record.received for record in stats.events) == NAMES + 52
    assert (of(stats, OTHER)[0], of(stats, "said")[0]) == (51, 1)
    assert len(stats.rooms) == NAMES
    assert stats.rooms[0].members == NAMES + 49
    here = {record.namespace: record for record in stats.namespaces}
    assert (here["/0"].open, here[OTHER].open) == (2, 7)
    assert here[OTHER].memberships == sum(range(NAMES + 50)), "of a namespace that came too late"
    for number in range(5000):
        statistics.ack.record(number / 1e6)
    assert len(statistics.ack._recorder.steps) < UNSORTED
    assert statistics.stats([], {}, upgrades=0).ack.count == 5000


def test_socketio_instrument_raises_option_error_for_wrong_or_already_measured_server() -> None:
    """Function ``instrument()`` for Socket.IO raises OptionError for an unsupported server, or a
    server with a probe of another Monitor.
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


async def test_socketio_server_subclass_keeps_its_own_methods() -> None:
    """Subclass of python-socketio's server keeps its own ``emit()``, whose events the probe
    counts.
    """

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
