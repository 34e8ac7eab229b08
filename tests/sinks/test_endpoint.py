"""The metrics at /metrics, and in a registry of prometheus_client."""

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
async def test_metrics_endpoint_answers_in_the_accepted_format(
    accept: str, content_type: str
) -> None:
    """Endpoint /metrics answers in OpenMetrics format when the client accepts it, and in
    Prometheus' text format otherwise.
    """
    async with serve_admin(Monitor(interval=1000), port=0) as admin:
        answer = await get(admin.port, "/metrics", Accept=accept)
    assert answer.status == 200
    assert answer.content_type.startswith(content_type)
    assert answer.text.endswith("# EOF\n") == (content_type != PLAIN)
    assert answer.text.count("# EOF") == (content_type != PLAIN)


@pytest.mark.parametrize("version", ["a.b", "1.x\xe9", "", "9" * 1000])
async def test_metrics_endpoint_answers_when_the_accepted_version_is_unknown(version: str) -> None:
    """Endpoint /metrics answers 200 with metrics when the version in the Accept header is unknown
    or malformed.
    """
    accept = f"application/openmetrics-text; version={version}"
    async with serve_admin(Monitor(interval=1000), port=0) as admin:
        answer = await get(admin.port, "/metrics", Accept=accept)
    assert answer.status == 200
    assert "rtmon_info{" in answer.text


async def test_scrape_reads_only_the_last_tick() -> None:
    """Scrape of /metrics gives the same result after the collector's connection tables are removed,
    since a scrape reads only the last tick.
    """
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


async def test_scrape_lets_other_tasks_run_after_each_metric() -> None:
    """Scrape of /metrics lets other tasks of the event loop run after each metric."""
    monitor = Monitor(interval=1000)
    monitor.tick()
    turns = 0
    scraped = asyncio.ensure_future(prometheus.exposition(monitor))
    while not scraped.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns > len(list(prometheus.registry(monitor).collect()))


async def test_metrics_endpoint_answers_501_without_prometheus_client(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Endpoint /metrics answers 501 and names the extra to install when prometheus_client is not
    installed.
    """
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
    """An import hook that records the threads that import a module."""

    def __init__(self, module: str) -> None:
        self.module = module
        self.threads: set[int] = set()

    def find_spec(self, fullname: str, *_: object) -> None:
        if fullname == self.module:
            self.threads.add(threading.get_ident())


async def test_first_scrape_imports_its_modules_on_another_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """First scrape of /metrics imports its modules on another thread than that of the event
    loop.
    """
    imports = _Imports("rtmon.sinks.prometheus")
    monkeypatch.setattr(sys, "meta_path", [imports, *sys.meta_path])
    monkeypatch.delitem(sys.modules, imports.module)
    monkeypatch.delattr(imports.module)
    async with serve_admin(Monitor(interval=1000), port=0) as admin:
        assert "rtmon_open_connections" in await scrape(admin.port)
    assert len(imports.threads) == 1
    assert threading.get_ident() not in imports.threads


async def test_metrics_endpoint_refuses_web_pages_and_missing_tokens() -> None:
    """Endpoint /metrics answers 403 to a request with an Origin header and 401 without the admin
    token.
    """
    async with serve_admin(Monitor(interval=1000), port=0, token="s3cret") as admin:  # noqa: S106 - a test's
        assert (await get(admin.port, "/metrics", Origin="http://127.0.0.1")).status == 403
        assert (await get(admin.port, "/metrics")).status == 401
        answer = await get(admin.port, "/metrics", Authorization="Bearer s3cret")
        assert "rtmon_info" in answer.text


async def test_metrics_endpoint_refuses_foreign_host_names_without_a_token() -> None:
    """Endpoint /metrics without a token answers only requests to this machine's own host names, and
    with a token any host name.
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


async def test_registry_of_a_monitor_exports_the_same_metrics_as_the_endpoint() -> None:
    """Prometheus registry of a Monitor, served on another thread, exports the same metrics as
    /metrics, and adds nothing to the global registry.
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
    """Prometheus registry raises ValueError when the metrics of a second Monitor are registered
    in it.
    """
    both = CollectorRegistry()
    one, two = (MonitorCollector(Monitor()) for _ in range(2))
    both.register(one)
    with pytest.raises(ValueError, match="Duplicated timeseries"):
        both.register(two)
