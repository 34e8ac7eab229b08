"""Metrics of Socket.IO servers in a scrape."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Mapping

import pytest
import socketio

from rtmon import Monitor, serve_admin
from rtmon.probes.socketio import instrument
from rtmon.probes.socketio.stats import NAMES
from rtmon.sinks import prometheus
from rtmon.testing import until
from tests.probes.socketio.chat import chat, joined, watched
from tests.sinks.scraping import NO_LABELS, Labels, get, label, scrape

Said = Mapping[str, Mapping[Labels, float]]


def _names(said: Said) -> set[str]:
    return {name for name in said if name.startswith("rtmon_socketio")}


def _event(said: Said, name: str, event: str, namespace: str = "/") -> float:
    return said[f"rtmon_socketio_{name}_total"][label(namespace=namespace, event=event)]


async def test_scrape_has_the_socketio_counts_of_two_clients() -> None:
    """Scrape of /metrics has the events, namespaces, rooms, errors, disconnects and
    acknowledgements of two Socket.IO clients.
    """
    sio = chat(namespaces=["/", "/closed"])
    sio.on("connect", lambda *_: False, namespace="/closed")
    async with watched(sio) as (_, monitor, _, where), serve_admin(monitor, port=0) as admin:
        async with (
            joined(where, ["polling", "websocket"]) as ada,
            joined(where, ["websocket"]) as bob,
        ):
            await until(lambda: ada.transport() == "websocket")
            for room in ("red", "blue"):
                await ada.call("join", room)
            await bob.call("join", "red")
            await ada.call("say", "hello")
            await bob.emit("fail", 1)
            await sio.call("question", "?", sid=ada.get_sid())
            with pytest.raises(socketio.exceptions.ConnectionError):
                async with joined(where, ["websocket"], ["/closed"]):
                    pass
            await until(lambda: monitor.snapshot().errors == 1)
            said = await scrape(admin.port)
        await until(lambda: monitor.snapshot().open == 0)
        after = await scrape(admin.port)
    root, closed = label(namespace="/"), label(namespace="/closed")
    assert said["rtmon_socketio_clients"] == {root: 2, closed: 0}
    assert said["rtmon_socketio_connected_clients_total"] == {root: 2, closed: 0}
    assert said["rtmon_socketio_refused_clients_total"] == {root: 0, closed: 1}
    assert said["rtmon_socketio_rooms"] == {root: 2, closed: 0}
    assert said["rtmon_socketio_memberships"] == {root: 3, closed: 0}
    assert _event(said, "received_events", "join") == 3
    assert _event(said, "received_events", "say") == 1
    assert _event(said, "emitted_events", "said") == 1
    assert _event(said, "errors", "fail") == 1
    assert _event(said, "errors", "say") == 0
    assert said["rtmon_socketio_upgraded_connections_total"] == {NO_LABELS: 1}
    assert said["rtmon_socketio_ack_seconds_count"] == {NO_LABELS: 1}
    assert 0 < said["rtmon_socketio_ack_seconds_sum"][NO_LABELS] < 60
    assert after["rtmon_socketio_clients"][root] == after["rtmon_socketio_rooms"][root] == 0
    assert after["rtmon_socketio_left_clients_total"][root] == 2
    assert sum(after["rtmon_socketio_leave_reasons_total"].values()) == 2


async def test_scrape_has_no_socketio_metrics_without_a_socketio_server() -> None:
    """Scrape of /metrics has no Socket.IO metric before a Socket.IO server is measured and
    after the server was deleted.
    """
    monitor = Monitor(interval=1000)
    async with serve_admin(monitor, port=0) as admin:
        assert "socketio" not in (await get(admin.port, "/metrics")).text
        sio = chat()
        instrument(sio, monitor)
        assert _event(await scrape(admin.port), "errors", "say") == 0
        del sio
        gc.collect()
        assert "socketio" not in (await get(admin.port, "/metrics")).text


async def test_documented_socketio_metrics_equal_the_exported_ones() -> None:
    """Exported Socket.IO metrics have exactly the documented names, types and units."""
    monitor = Monitor(interval=1000)
    sio = chat()
    probe = instrument(sio, monitor)
    probe._statistics.disconnected("/", "client disconnect")
    told = {family.name: family for family in prometheus.registry(monitor).collect()}
    listed = [family for family in prometheus.families() if "socketio" in family.name]
    assert {family.name for family in listed} == {name for name in told if "socketio" in name}
    for family in listed:
        assert (family.type, family.unit) == (told[family.name].type, told[family.name].unit)
        assert family.name.endswith(family.unit)
    assert told["rtmon_socketio_ack_seconds"].unit == "seconds"


async def test_metrics_add_up_two_socketio_servers_of_one_monitor() -> None:
    """Exported metrics add up the counts of two Socket.IO servers of one Monitor in one series
    each.
    """
    monitor = Monitor(interval=1000)
    servers = [chat(), chat()]
    for sio in servers:
        instrument(sio, monitor)
        await sio.emit("news", {})
        await sio.emit("news", {}, namespace="/n")
    async with serve_admin(monitor, port=0) as admin:
        text = (await get(admin.port, "/metrics")).text
        said = await scrape(admin.port)
    names = [line.rpartition(" ")[0] for line in text.splitlines() if line[0] != "#"]
    assert len(names) == len(set(names))
    assert _event(said, "emitted_events", "news") == 2
    assert _event(said, "emitted_events", "news", "/n") == 2


async def test_metrics_have_series_for_a_limited_number_of_socketio_names() -> None:
    """Exported metrics have series for a limited number of Socket.IO events and namespaces,
    count all others as "other", and lose no event.
    """
    monitor = Monitor(interval=1000)
    sio = chat()
    statistics = instrument(sio, monitor)._statistics
    hostile = 'a "b"\n\\{x="1"} 1\ud800'
    before: dict[str, dict[Labels, float]] = {}
    async with serve_admin(monitor, port=0) as admin:
        for turn in range(3):
            for number in range(NAMES // 2):
                statistics.received("/", f"{turn}.{number}", named=False)
                statistics.connected(f"/{turn}.{number}", refused=True)
            statistics.received("/", hostile, named=False)
            said = await scrape(admin.port)
            counters = {name: was for name, was in before.items() if name.endswith("_total")}
            for name, was in counters.items():
                assert all(said[name][key] >= count for key, count in was.items()), name
            before = said
    received, refused = (
        said[f"rtmon_socketio_{name}_total"] for name in ("received_events", "refused_clients")
    )
    assert sum(received.values()) == 3 * (NAMES // 2 + 1)
    assert sum(refused.values()) == 3 * (NAMES // 2)
    assert len(received) == NAMES + 1 + 3, "unhandled names, other, chat's own handlers"
    assert len(refused) == NAMES + 1
    assert _event(said, "received_events", hostile.replace("\ud800", "?")) == 3


async def test_scrape_reports_a_probe_failure_when_a_socketio_server_cannot_be_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Scrape of /metrics leaves out the Socket.IO metrics and counts a probe failure when
    reading the Socket.IO server raises.
    """
    monitor = Monitor(interval=1000)
    sio = chat()
    instrument(sio, monitor)
    monkeypatch.setattr(sio.manager, "rooms", None)
    async with serve_admin(monitor, port=0) as admin:
        await scrape(admin.port)
        said = await scrape(admin.port)
    assert not _names(said)
    assert said["rtmon_probe_failures_total"][NO_LABELS] >= 1


async def test_registry_read_on_a_thread_shows_no_falling_socketio_counter() -> None:
    """Prometheus registry that is read on another thread while events are counted shows no
    counter that falls.
    """
    monitor = Monitor(interval=1000)
    sio = chat()
    statistics = instrument(sio, monitor)._statistics
    registry = prometheus.registry(monitor)
    monitor.tick()
    done = asyncio.Event()
    counts: list[float] = []

    def scrapes() -> None:
        while not done.is_set():
            counts.append(registry.get_sample_value("rtmon_socketio_ack_seconds_count") or 0)

    scraping = asyncio.create_task(asyncio.to_thread(scrapes))
    for number in range(20_000):
        statistics.ack.record(number / 1e6)
        statistics.emitted("/", f"event {number}")
        if number % 100 == 0:
            await asyncio.sleep(0)
    await until(lambda: len(counts) > 1)
    done.set()
    await scraping
    assert counts == sorted(counts)
    assert registry.get_sample_value("rtmon_socketio_ack_seconds_count") == 20_000
