from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import importlib.abc
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import REGISTRY, CollectorRegistry, start_http_server
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve

from rtmon import Hub, Monitor, __version__, probe, serve_admin
from rtmon.metrics.columns import LABELS, SAMPLE, Column
from rtmon.metrics.histogram import BYTE, MICROSECOND, Recorder
from rtmon.metrics.meter import Ending
from rtmon.metrics.records import Snapshot
from rtmon.sinks import prometheus
from rtmon.testing import until
from tests.sinks import scraping
from tests.sinks.scraping import OPENMETRICS, get, scrape

PLAIN = "text/plain; version=0.0.4; charset=utf-8"
NO_LABELS: scraping.Labels = frozenset()


async def _echo(connection: ServerConnection) -> None:
    async for message in connection:
        await connection.send(message)


@contextlib.asynccontextmanager
async def _echoing(monitor: Monitor) -> AsyncIterator[str]:
    made = probe(monitor)
    async with serve(_echo, "127.0.0.1", 0, create_connection=made, compression=None) as server:
        yield f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"


def _label(**labels: str) -> scraping.Labels:
    return frozenset(labels.items())


async def test_a_scrape_has_the_numbers_of_the_traffic() -> None:
    """What a client sent, received and measured is what /metrics says, to the byte."""
    monitor = Monitor(interval=1000, node="somewhere")
    async with _echoing(monitor) as url, serve_admin(monitor, port=0) as admin:
        async with connect(url, compression=None) as client, connect(url):
            for size in (0, 15, 16, 1024):
                await client.send("x" * size)
                await client.recv()
            await (await client.ping())
            monitor.tick()
            said = await scrape(admin.port)
            assert said["rtmon_open_connections"] == {NO_LABELS: 2}
        await until(lambda: monitor.snapshot().closed == 2)
        monitor.tick()
        said = await scrape(admin.port)
    for name, value in {
        "rtmon_open_connections": 0,
        "rtmon_peak_connections": 2,
        "rtmon_opened_connections_total": 2,
        "rtmon_closed_connections_total": 2,
        "rtmon_messages_in_total": 4,
        "rtmon_messages_out_total": 4,
        "rtmon_payload_in_bytes_total": 1055,
        "rtmon_payload_out_bytes_total": 1055,
        "rtmon_pings_in_frames_total": 1,
        "rtmon_pongs_out_frames_total": 1,
        "rtmon_size_in_bytes_count": 4,
        "rtmon_size_in_bytes_sum": 1055,
        "rtmon_errors_total": 0,
    }.items():
        assert said[name] == {NO_LABELS: value}, name
    buckets = {float(dict(key)["le"]): n for key, n in said["rtmon_size_in_bytes_bucket"].items()}
    assert [buckets[le] for le in (15, 31, 1023, 2047, float("inf"))] == [2, 3, 3, 4, 4]
    codes = said["rtmon_close_codes_total"]
    assert codes[_label(code="1000")] == 2
    assert sum(codes.values()) == 2
    assert said["rtmon_info"] == {
        _label(node="somewhere", epoch=monitor.epoch, version=__version__): 1
    }


async def test_all_that_is_measured_is_told() -> None:
    """Each counter, gauge, histogram and tally of a Sample is a metric, with unit and meaning;
    each total is the Snapshot's, each gauge the latest Sample's.
    """
    monitor = Monitor(interval=1000)
    hub = Hub()
    monitor.measure(hub)
    monitor.probe_failures = 3
    async with _echoing(monitor) as url, connect(url) as client:
        await client.send(b"binary")
        await client.recv()
        monitor.tick()
        await hub.publish("news", {"text": "hello"})
        await asyncio.sleep(0.001)  # CPU is used per time, so that some has to pass
        monitor.tick()
    snapshot, latest = monitor.collector.published(), monitor.collector.history.latest()
    families = {family.name: family for family in prometheus.registry(monitor).collect()}
    assert {family.name for family in prometheus.families()} == set(families)
    told = [c for c in SAMPLE if not c.derived and c.kind not in {"text", "time"}]
    for column in told:
        if column.name in {"seq", "elapsed"}:
            continue
        family = families.pop(prometheus._metric_name(column))
        unit = {"s": "seconds", "B": "bytes"}.get(column.unit)
        assert family.unit == unit or unit is None
        assert family.documentation
        assert family.type == {"tally": "counter"}.get(column.kind, column.kind)
        value = getattr(snapshot, column.name, getattr(latest, column.name))
        if column.kind in {"counter", "gauge"}:
            assert [sample.value for sample in family.samples] == [value], column.name
        elif column.kind == "histogram":
            (count,) = (s.value for s in family.samples if s.name.endswith("_count"))
            assert count == value.count
    assert families.pop("rtmon_probe_failures").samples[0].value == 3
    news, other = hub.channel_series()
    assert (news.channel, news.published, other.channel) == ("channel:news", 1, "other")
    for name, column in {
        "rtmon_channel_subscribers": "subscribers",
        "rtmon_channel_published_messages": "published",
        "rtmon_channel_delivered_messages": "delivered",
        "rtmon_channel_dropped_messages": "dropped",
        "rtmon_channel_bytes": "bytes",
        "rtmon_channel_fanout_seconds": "fanout",
        "rtmon_channel_fanout_max_seconds": "fanout_max",
    }.items():
        told_of_it = {s.labels["channel"]: s.value for s in families.pop(name).samples}
        expected = {info.channel: getattr(info, column) for info in (news, other)}
        assert told_of_it == expected, name
    assert families.keys() == {"rtmon", "rtmon_uptime_seconds"}


async def test_channels_have_a_bounded_number_of_series() -> None:
    """Clients that make up channels fill `other`: the first 32 have their series, and whatever
    comes, hostile names too, no series falls and nothing that was published is missing.
    """
    monitor = Monitor(interval=1000)
    hub = Hub()
    monitor.measure(hub)
    hostile = 'a "b"\n\\{x="1"} 1'
    async with serve_admin(monitor, port=0) as admin:
        assert "rtmon_channel_published_messages_total" in await scrape(admin.port)
        before: dict[scraping.Labels, float] = {}
        for turn in range(3):
            hub.audience.stats[f"channel:{hostile}"].published += 1
            for number in range(30):
                await hub.publish(f"c{turn}.{number}", {"text": "hello"})
            said = (await scrape(admin.port))["rtmon_channel_published_messages_total"]
            assert all(said[labels] >= count for labels, count in before.items())
            assert sum(said.values()) == 31 * (turn + 1)
            before = said
    assert len(said) == LABELS + 1
    assert said[_label(channel=f"channel:{hostile}")] == 3
    assert said[_label(channel="other")] == 93 - 3 - (LABELS - 1)


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", PLAIN),
        ("*/*", PLAIN),
        ("text/plain; version=0.0.4", PLAIN),
        ("text/html, application/openmetrics-text; version=1.0.0; q=0.5", "application/openm"),
    ],
)
async def test_the_format_is_the_one_that_is_accepted(accept: str, content_type: str) -> None:
    """OpenMetrics for those who ask for it, Prometheus' text for all others."""
    async with serve_admin(Monitor(interval=1000), port=0) as admin:
        answer = await get(admin.port, "/metrics", Accept=accept)
    assert answer.status == 200
    assert answer.content_type.startswith(content_type)
    assert answer.text.endswith("# EOF\n") == (content_type != PLAIN)
    assert answer.text.count("# EOF") == (content_type != PLAIN)


@pytest.mark.parametrize("version", ["a.b", "1.x\xe9", "", "9" * 1000])
async def test_a_strange_version_is_no_error(version: str) -> None:
    """Whatever a client says of versions, it gets the metrics, in one of the two formats."""
    accept = f"application/openmetrics-text; version={version}"
    async with serve_admin(Monitor(interval=1000), port=0) as admin:
        answer = await get(admin.port, "/metrics", Accept=accept)
    assert answer.status == 200
    assert "rtmon_info{" in answer.text


async def test_both_formats_have_the_same_values() -> None:
    """Which format is asked for changes the text, not the numbers."""
    monitor = Monitor(interval=1000)
    for seconds in (0.001, 0.5):
        monitor.collector.rtt(monitor.collector.meter(), seconds)
    monitor.tick()
    registry = prometheus.registry(monitor)
    expected = {sample for family in registry.collect() for sample in _plain(family)}
    assert ("rtmon_rtt_seconds_sum", 0.501) in expected
    async with serve_admin(monitor, port=0) as admin:
        for accept in ("", OPENMETRICS):
            text = (await get(admin.port, "/metrics", Accept=accept)).text
            lines = {line.rpartition(" ") for line in text.splitlines() if line[0] != "#"}
            assert {(name.partition("{")[0], float(value)) for name, _, value in lines} == expected


def _plain(family: Any) -> Iterator[tuple[str, float]]:
    for sample in family.samples:
        yield sample.name, float(sample.value)


async def test_what_is_not_known_is_left_out() -> None:
    """A metric that no probe knows is not there: it is not 0."""
    monitor = Monitor(interval=1000)
    monitor.tick()
    async with serve_admin(monitor, port=0) as admin:
        assert "rtmon_wire_in_bytes_total" in await scrape(admin.port)
        published = monitor.collector._published
        assert published is not None
        monitor.collector._published = dataclasses.replace(published, wire_in=None)
        said = await scrape(admin.port)
    assert "rtmon_wire_in_bytes_total" not in said
    assert "rtmon_wire_out_bytes_total" in said


async def test_what_no_probe_here_can_know_is_left_out() -> None:
    """Where only ASGI is probed, there are no waits or round trips to tell of, not even zero."""
    monitor = Monitor(interval=1000)
    meter = monitor.collector.meter(probe="asgi")
    monitor.connection_opened(meter)
    meter.received(5)
    monitor.tick()
    async with serve_admin(monitor, port=0) as admin:
        said = await scrape(admin.port)
    assert said["rtmon_payload_in_bytes_total"] == {NO_LABELS: 5}
    assert "rtmon_handler_seconds_count" in said
    for unknown in ("receive_seconds", "rtt_seconds", "send_queue_bytes", "slow_connections"):
        assert not [name for name in said if name.startswith(f"rtmon_{unknown}")]


def test_a_new_column_is_a_new_metric(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever adds a line to the table of columns has added a metric."""

    @dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
    class More(Snapshot):
        saved_bytes: int = 7
        waits: int = 5

    added = (
        Column("saved_bytes", "counter", "B", "Int64", "Saved during the Sample by compression."),
        Column("waits", "gauge", "connections", "Int64", "Connections that wait."),
    )
    monkeypatch.setattr(prometheus, "SAMPLE", (*SAMPLE, *added))
    monitor = Monitor()
    monitor.collector._published = More(node="n", epoch="e", seq=1, time=0.0, uptime=1.0)
    families = {family.name: family for family in prometheus.registry(monitor).collect()}
    saved = families["rtmon_saved_bytes"]
    assert (saved.type, saved.unit) == ("counter", "bytes")
    assert saved.documentation == "Saved by compression."
    assert [(sample.name, sample.value) for sample in saved.samples] == [
        ("rtmon_saved_bytes_total", 7)
    ]
    assert [sample.value for sample in families["rtmon_waits_connections"].samples] == [5]


@given(
    steps=st.lists(st.integers(0, 1 << 28) | st.sampled_from([15, 16, 1023, 1024, 1 << 26])),
    resolution=st.sampled_from([MICROSECOND, BYTE]),
)
def test_histograms_are_exact(steps: list[int], resolution: float) -> None:
    """Below each bound are counted exactly the values that do not exceed it."""
    recorder = Recorder(resolution)
    for value in steps:
        recorder.record(value * resolution)
    for bound, (le, count) in zip(
        (*prometheus.BOUNDS, None), prometheus._cumulative(recorder.take()), strict=True
    ):
        assert count == sum(1 for value in steps if bound is None or value <= bound), le
        assert float(le) == (float("inf") if bound is None else round(bound * resolution, 6))


def _close(monitor: Monitor, code: int) -> None:
    meter = monitor.collector.meter()
    monitor.connection_opened(meter)
    monitor.connection_closed(meter, Ending(close_code=code))


async def test_labels_are_bounded_and_series_never_fall() -> None:
    """Clients that make up close codes fill `other`; codes of the protocol have their series
    before they occur, and whatever comes later, no series ever falls.
    """
    monitor = Monitor(interval=1000)
    before: dict[scraping.Labels, float] = {}
    async with serve_admin(monitor, port=0) as admin:
        for first in (4000, 4030, 4060):
            for code in range(first, first + 30):
                _close(monitor, code)
            _close(monitor, 1011)
            monitor.tick()
            codes = (await scrape(admin.port))["rtmon_close_codes_total"]
            assert all(codes[labels] >= count for labels, count in before.items())
            before = codes
    assert sum(codes.values()) == 93 == monitor.snapshot().closed
    assert codes[_label(code="1011")] == 3
    assert codes[_label(code="1006")] == 0
    assert codes[_label(code="other")] == 90 - LABELS
    assert len(codes) == 14 + LABELS + 1


async def test_nothing_of_a_connection_is_a_label() -> None:
    """Ids, names, addresses and paths of connections are nowhere in a scrape."""
    monitor = Monitor(interval=1000, node='a "node"\nwith\\lines\ud800')
    async with (
        _echoing(monitor) as url,
        serve_admin(monitor, port=0) as admin,
        connect(f"{url}/s3cret", user_agent_header="s3cret"),
    ):
        await until(lambda: monitor.snapshot().open == 1)
        monitor.tick()
        (row,) = monitor.collector.connections()
        said = await scrape(admin.port)
        text = (await get(admin.port, "/metrics")).text
    labels = {name for series in said.values() for key in series for name, _ in key}
    assert labels == {"le", "code", "node", "epoch", "version"}
    assert row.remote is not None
    assert "s3cret" not in text
    assert row.remote not in text
    (info,) = said["rtmon_info"]
    assert dict(info)["node"] == 'a "node"\nwith\\lines?'


async def test_a_scrape_reads_only_what_was_published() -> None:
    """Connections are not walked: with their tables gone, a scrape says what it said before."""
    monitor = Monitor(interval=1000)
    for _ in range(3):
        monitor.connection_opened(monitor.collector.meter())
    async with serve_admin(monitor, port=0) as admin:
        assert (await scrape(admin.port))["rtmon_open_connections"] == {NO_LABELS: 3}
        monitor.tick()
        before = await scrape(admin.port)
        tables = {name: vars(monitor.collector)[name] for name in ("_open", "_closed", "_ledgers")}
        for name in tables:
            setattr(monitor.collector, name, None)
        assert await scrape(admin.port) == before
        for name, table in tables.items():
            setattr(monitor.collector, name, table)


async def test_a_scrape_leaves_the_loop_its_turns() -> None:
    """While a scrape is written the event loop serves others, after each metric."""
    monitor = Monitor(interval=1000)
    monitor.tick()
    turns = 0
    scraped = asyncio.ensure_future(prometheus.exposition(monitor))
    while not scraped.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns > len(list(prometheus.registry(monitor).collect()))


async def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without prometheus_client, /metrics answers 501 with the sentence that names the extra."""
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    monkeypatch.delitem(sys.modules, "rtmon.sinks.prometheus")
    monkeypatch.delattr("rtmon.sinks.prometheus")
    async with serve_admin(Monitor(interval=1000), port=0) as admin:
        answer = await get(admin.port, "/metrics")
        assert (await get(admin.port, "/healthz")).status == 200
    assert answer.status == 501
    assert answer.text == (
        "/metrics needs the package 'prometheus_client', which is not installed: "
        "pip install 'rtmon[prometheus]'\n"
    )


class _Imports(importlib.abc.MetaPathFinder):
    """Sees which thread imports a module."""

    def __init__(self, module: str) -> None:
        self.module = module
        self.threads: set[int] = set()

    def find_spec(self, fullname: str, *_: object) -> None:
        if fullname == self.module:
            self.threads.add(threading.get_ident())


async def test_the_first_scrape_does_not_stop_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a scrape needs is imported on another thread than the one that serves."""
    imports = _Imports("rtmon.sinks.prometheus")
    monkeypatch.setattr(sys, "meta_path", [imports, *sys.meta_path])
    monkeypatch.delitem(sys.modules, imports.module)
    monkeypatch.delattr(imports.module)
    async with serve_admin(Monitor(interval=1000), port=0) as admin:
        assert "rtmon_open_connections" in await scrape(admin.port)
    assert len(imports.threads) == 1
    assert threading.get_ident() not in imports.threads


async def test_it_is_as_closed_to_the_world_as_the_feed() -> None:
    """Pages in browsers are refused, and where a token is needed it is needed here too."""
    async with serve_admin(Monitor(interval=1000), port=0, token="s3cret") as admin:  # noqa: S106 - a test's
        assert (await get(admin.port, "/metrics", Origin="http://127.0.0.1")).status == 403
        assert (await get(admin.port, "/metrics")).status == 401
        answer = await get(admin.port, "/metrics", Authorization="Bearer s3cret")
        assert "rtmon_info" in answer.text


async def test_a_registry_of_ones_own() -> None:
    """registry(monitor) serves what /metrics does by other means, on any thread; each Monitor
    has its own, and nothing is registered globally.
    """
    one, two = Monitor(interval=1000, node="one"), Monitor(interval=1000, node="two")
    two.connection_opened(two.collector.meter())
    two.tick()
    server, thread = start_http_server(0, "127.0.0.1", registry=prometheus.registry(two))
    try:
        answer = await get(server.server_port, "/metrics", Accept=OPENMETRICS)
    finally:
        await asyncio.to_thread(server.shutdown)
        server.server_close()
        await asyncio.to_thread(thread.join)
    said = scraping.values(answer.text)
    async with serve_admin(two, port=0) as admin:
        assert said == await scrape(admin.port)
    assert said["rtmon_opened_connections_total"] == {NO_LABELS: 1}
    opened = prometheus.registry(one).get_sample_value("rtmon_opened_connections_total")
    assert opened == 0
    assert not [family.name for family in REGISTRY.collect() if family.name.startswith("rtmon")]


def test_two_monitors_in_one_registry_are_refused() -> None:
    """Series of two Monitors cannot be told apart, so a registry takes only one."""
    both = CollectorRegistry()
    one, two = (prometheus._MonitorCollector(Monitor()) for _ in range(2))
    both.register(one)
    with pytest.raises(ValueError, match="Duplicated timeseries"):
        both.register(two)


EXPRESSIONS = {
    **{f"alert {name}": expression for name, expression in scraping.alerts().items()},
    **{f"panel {title}: {expression}": expression for title, expression in scraping.panels()},
}


async def test_alerts_and_dashboard_read_metrics_that_exist() -> None:
    """Every metric that docs/alerts.yml and docs/grafana-dashboard.json name is in a scrape."""
    monitor = Monitor(interval=1000)
    monitor.measure(Hub())
    async with serve_admin(monitor, port=0) as admin:
        monitor.tick()
        await asyncio.sleep(0.001)  # CPU is used per time, so that some has to pass
        monitor.tick()
        exposed = await scrape(admin.port)
    missing = {
        where: scraping.metrics_in(expression) - set(exposed) - {"up"}
        for where, expression in EXPRESSIONS.items()
    }
    assert {where: names for where, names in missing.items() if names} == {}
    assert all(scraping.metrics_in(expression) for expression in EXPRESSIONS.values())


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ('rate(a_total{le="b", c=~"d(e)"}[5m]) > 0.5', {"a_total"}),
        ("sum by (code) (a) / on (x, y) group_left () b offset 5m", {"a", "b"}),
        ("a and on () max(b) unless 1e3 * c:d", {"a", "b", "c:d"}),
    ],
)
def test_names_are_found_in_expressions(expression: str, names: set[str]) -> None:
    """The names of metrics are told from functions, labels, strings and numbers."""
    assert scraping.metrics_in(expression) == names


def test_the_dashboard_is_well_formed() -> None:
    """Panels have ids of their own, do not overlap, say what they show, and take their data
    from the source that is chosen at the top.
    """
    content = scraping.dashboard()
    assert {variable["name"] for variable in content["templating"]["list"]} == {
        "datasource",
        "instance",
    }
    taken: set[tuple[int, int]] = set()
    for panel in content["panels"]:
        place = panel["gridPos"]
        cells = {
            (place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])
        }
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells
        if panel["type"] != "row":
            assert panel["description"]
            assert panel["targets"]
            for part in (panel, *panel["targets"]):
                assert part["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
            assert all('instance=~"$instance"' in target["expr"] for target in panel["targets"])
    ids = [panel["id"] for panel in content["panels"]]
    assert len(ids) == len(set(ids))


def test_the_page_lists_the_metrics_there_are() -> None:
    """The table in docs/prometheus.md says what the collector tells."""
    script = Path(__file__).parents[2] / "scripts" / "metrics.py"
    check = [sys.executable, str(script), "--check"]
    done = subprocess.run(check, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
