"""Access to the metrics: at /metrics, or through the user's own registry."""

from __future__ import annotations

import asyncio
import importlib.abc
import sys
import threading

import pytest
from prometheus_client import REGISTRY, CollectorRegistry, start_http_server

from rtmon import Monitor, serve_admin
from rtmon.sinks import prometheus
from rtmon.sinks.prometheus.collector import MonitorCollector
from tests.sinks import scraping
from tests.sinks.scraping import NO_LABELS, OPENMETRICS, get, scrape

PLAIN = "text/plain; version=0.0.4; charset=utf-8"


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", PLAIN),
        ("*/*", PLAIN),
        ("text/plain; version=0.0.4", PLAIN),
        ("text/html, application/openmetrics-text; version=1.0.0; q=0.5", "application/openm"),
    ],
)
async def test_endpoint_answers_in_the_accepted_format(accept: str, content_type: str) -> None:
    """/metrics answers in OpenMetrics when the client accepts it, else in Prometheus' text
    format.
    """
    async with serve_admin(Monitor(interval=1000), port=0) as admin:
        answer = await get(admin.port, "/metrics", Accept=accept)
    assert answer.status == 200
    assert answer.content_type.startswith(content_type)
    assert answer.text.endswith("# EOF\n") == (content_type != PLAIN)
    assert answer.text.count("# EOF") == (content_type != PLAIN)


@pytest.mark.parametrize("version", ["a.b", "1.x\xe9", "", "9" * 1000])
async def test_endpoint_answers_when_the_accepted_version_is_unknown(version: str) -> None:
    """Any version in the Accept header gets the metrics in one of the two formats."""
    accept = f"application/openmetrics-text; version={version}"
    async with serve_admin(Monitor(interval=1000), port=0) as admin:
        answer = await get(admin.port, "/metrics", Accept=accept)
    assert answer.status == 200
    assert "rtmon_info{" in answer.text


async def test_scrape_reads_only_the_last_tick() -> None:
    """A scrape does not read connections: it is the same with their tables removed."""
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


async def test_scrape_yields_to_the_event_loop() -> None:
    """Other tasks run while a scrape is written, after each metric."""
    monitor = Monitor(interval=1000)
    monitor.tick()
    turns = 0
    scraped = asyncio.ensure_future(prometheus.exposition(monitor))
    while not scraped.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns > len(list(prometheus.registry(monitor).collect()))


async def test_endpoint_answers_501_without_prometheus_client(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without prometheus_client, /metrics answers 501 and names the extra to install."""
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    monkeypatch.delitem(sys.modules, "rtmon.sinks.prometheus")
    monkeypatch.delattr("rtmon.sinks.prometheus")
    async with serve_admin(Monitor(interval=1000), port=0) as admin:
        answer = await get(admin.port, "/metrics")
        assert (await get(admin.port, "/healthz")).status == 200
    assert answer.status == 501
    assert answer.text == (
        "/metrics needs the package 'prometheus_client', which is not installed: "
        "pip install 'rtmon[prometheus]', or in a clone pip install -e '.[prometheus]'\n"
    )


class _Imports(importlib.abc.MetaPathFinder):
    """An import hook that records which thread imports a module."""

    def __init__(self, module: str) -> None:
        self.module = module
        self.threads: set[int] = set()

    def find_spec(self, fullname: str, *_: object) -> None:
        if fullname == self.module:
            self.threads.add(threading.get_ident())


async def test_first_scrape_imports_on_another_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """The modules of a scrape are imported on a thread that does not serve."""
    imports = _Imports("rtmon.sinks.prometheus")
    monkeypatch.setattr(sys, "meta_path", [imports, *sys.meta_path])
    monkeypatch.delitem(sys.modules, imports.module)
    monkeypatch.delattr(imports.module)
    async with serve_admin(Monitor(interval=1000), port=0) as admin:
        assert "rtmon_open_connections" in await scrape(admin.port)
    assert len(imports.threads) == 1
    assert threading.get_ident() not in imports.threads


async def test_endpoint_is_as_restricted_as_the_feed() -> None:
    """Requests of web pages are refused, and a token that the feed requires is required here
    too.
    """
    async with serve_admin(Monitor(interval=1000), port=0, token="s3cret") as admin:  # noqa: S106 - a test's
        assert (await get(admin.port, "/metrics", Origin="http://127.0.0.1")).status == 403
        assert (await get(admin.port, "/metrics")).status == 401
        answer = await get(admin.port, "/metrics", Authorization="Bearer s3cret")
        assert "rtmon_info" in answer.text


async def test_endpoint_refuses_foreign_host_names_without_a_token() -> None:
    """A page cannot read /metrics through a name that its DNS points to this machine; this
    machine's own names can, and with a token any name.
    """
    async with serve_admin(Monitor(interval=1000), port=0) as admin:
        for host in (
            "evil.example",
            "evil.example:8766",
            "127.evil.example",
            "[::1",
            "localhost@x",
        ):
            assert (await get(admin.port, "/metrics", Host=host)).status == 403
        for host in ("localhost", "127.0.0.1:8766", "127.1.2.3", "[::1]:8766"):
            assert (await get(admin.port, "/metrics", Host=host)).status == 200
    async with serve_admin(Monitor(interval=1000), port=0, token="s3cret") as admin:  # noqa: S106 - a test's
        answer = await get(
            admin.port, "/metrics", Host="chat.example", Authorization="Bearer s3cret"
        )
        assert answer.status == 200


async def test_registry_serves_the_metrics_of_its_monitor_on_any_thread() -> None:
    """registry(monitor) exports the same as /metrics on any thread; each Monitor has its own,
    and none is global.
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


def test_registry_refuses_a_second_monitor() -> None:
    """Series of two Monitors would collide, so a registry takes only one."""
    both = CollectorRegistry()
    one, two = (MonitorCollector(Monitor()) for _ in range(2))
    both.register(one)
    with pytest.raises(ValueError, match="Duplicated timeseries"):
        both.register(two)
