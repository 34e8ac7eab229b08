"""The values in a scrape equal the measured numbers."""

from __future__ import annotations

import asyncio
import dataclasses
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.asyncio.client import connect

from rtmon import Hub, Monitor, __version__, serve_admin
from rtmon.metrics.columns import CAUSE_COLUMNS, SAMPLE, Column
from rtmon.metrics.histogram import BYTE, MICROSECOND, HistogramRecorder
from rtmon.metrics.records import Snapshot
from rtmon.sinks import prometheus
from rtmon.sinks.prometheus import histogram_buckets, metric_names
from rtmon.testing import until
from tests.sinks.scraping import NO_LABELS, OPENMETRICS, echoing, get, label, scrape


async def test_scrape_has_exactly_the_counts_of_a_client() -> None:
    """Scrape of /metrics has exactly the connections, messages and bytes that a client has sent and
    received.
    """
    monitor = Monitor(interval=1000, node="somewhere")
    async with echoing(monitor) as url, serve_admin(monitor, port=0) as admin:
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
    for name, ended in (("codes", label(code="1000")), ("causes", label(cause="closed"))):
        ways = said[f"rtmon_close_{name}_total"]
        assert ways[ended] == sum(ways.values()) == 2
    assert said["rtmon_info"] == {
        label(node="somewhere", epoch=monitor.epoch, version=__version__): 1
    }


async def test_every_column_of_a_sample_is_a_metric_with_type_unit_and_help_text() -> None:
    """Every counter, gauge, histogram and count by label of a Monitor's sample is a metric with its
    type, unit and help text, and has the Monitor's value.
    """
    monitor = Monitor(interval=1000)
    hub = Hub()
    monitor.measure(hub)
    for _ in range(3):
        monitor.probe_failed(RuntimeError("a failure of a probe"))
    async with echoing(monitor) as url, connect(url) as client:
        await client.send(b"binary")
        await client.recv()
        monitor.tick()
        await hub.publish("news", {"text": "hello"})
        await asyncio.sleep(0.001)  # CPU use is measured over time, so some time must pass
        monitor.tick()
    snapshot, latest = monitor.collector.published(), monitor.collector.history.latest()
    families = {family.name: family for family in prometheus.registry(monitor).collect()}
    measured = [name for family in prometheus.families() if "socketio" not in (name := family.name)]
    assert measured == list(families)
    told = [c for c in SAMPLE if not c.derived and c.kind not in {"text", "time"}]
    for column in told:
        if column.name in {"seq", "elapsed", "cpu", "own", *CAUSE_COLUMNS}:
            continue
        family = families.pop(metric_names.metric_name(column))
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
    assert families.pop("rtmon_uncounted_connections").samples[0].value == 0
    assert families.pop("rtmon_failing_sinks").samples[0].value == 0
    assert families.pop("rtmon_waiting_ticks").samples[0].value == 0
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
    assert families.pop("rtmon_cpu_seconds").samples[0].value == monitor.cpu_seconds > 0
    assert families.pop("rtmon_own_seconds").samples[0].value == monitor.own_seconds > 0
    assert families.keys() == {"rtmon", "rtmon_uptime_seconds", "rtmon_close_causes"}


def test_metric_help_texts_use_no_internal_terms() -> None:
    """Help texts of metrics are sentences without the internal terms "Sample" and "null", and name
    only existing metrics.
    """
    about = {f"{family.name}_total": family.documentation for family in prometheus.families()}
    for name, text in about.items():
        assert text[0].isupper(), name
        assert text.endswith("."), name
        assert not re.findall(r"Sample|\bnull\b", text), name
        assert set(re.findall(r"\b\w+_\w+\b(?!\()", text)) <= about.keys(), name
    text = about["rtmon_binary_in_messages_total"]
    assert text == "Binary messages among rtmon_messages_in_total."


async def test_openmetrics_and_prometheus_text_have_the_same_values() -> None:
    """Scrapes of /metrics in OpenMetrics and in Prometheus' text format have the same values."""
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


async def test_scrape_leaves_out_a_metric_whose_value_is_unknown() -> None:
    """Scrape of /metrics leaves out a metric whose value is unknown instead of showing 0."""
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


async def test_scrape_leaves_out_metrics_that_the_asgi_probe_cannot_measure() -> None:
    """Scrape of /metrics has no metrics of round trips, receive times, send queues and slow
    connections when only the ASGI probe measures.
    """
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


def test_column_added_to_the_table_becomes_a_metric(monkeypatch: pytest.MonkeyPatch) -> None:
    """Column added to the table of sample columns becomes a metric with its unit and help text."""

    @dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
    class More(Snapshot):
        saved_bytes: int = 7
        waits: int = 5

    added = (
        Column("saved_bytes", "counter", "B", "Int64", "Saved during the Sample by compression."),
        Column("waits", "gauge", "connections", "Int64", "Connections that wait."),
    )
    monkeypatch.setattr(metric_names, "SAMPLE", (*SAMPLE, *added))
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
def test_exported_histogram_bucket_counts_exactly_the_values_within_its_bound(
    steps: list[int], resolution: float
) -> None:
    """Exported histogram bucket counts exactly the values that do not exceed its bound."""
    recorder = HistogramRecorder(resolution)
    for value in steps:
        recorder.record(value * resolution)
    for bound, (le, count) in zip(
        (*histogram_buckets.BOUNDS, None),
        histogram_buckets.cumulative(recorder.take()),
        strict=True,
    ):
        assert count == sum(1 for value in steps if bound is None or value <= bound), le
        assert float(le) == (float("inf") if bound is None else round(bound * resolution, 6))
