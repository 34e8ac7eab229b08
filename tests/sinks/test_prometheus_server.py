"""A Prometheus server reads rtmon's metrics, alert rules and Grafana dashboard."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import socketio
import yaml
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection

import rtmon
from rtmon import Monitor, serve_admin
from rtmon.probes.socketio import instrument
from rtmon.testing import until
from tests.probes.serving import serving
from tests.probes.socketio.chat import chat, joined
from tests.sinks import scraping
from tests.sinks.scraping import get, scrape

pytestmark = pytest.mark.skipif(
    not (shutil.which("prometheus") and shutil.which("promtool")),
    reason="no prometheus on the PATH",
)

PATIENCE = 60.0
"""Seconds to wait for a condition before a test fails."""


class Prometheus:
    """A Prometheus server that scrapes one target on this machine and evaluates docs/alerts.yml.

    Args:
        folder: Folder for the server's configuration, data and log.
        port: Port of the server.
    """

    def __init__(self, folder: Path, port: int) -> None:
        self._port = port
        self._log = folder / "prometheus.log"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [
                    "prometheus",
                    f"--config.file={folder / 'prometheus.yml'}",
                    f"--storage.tsdb.path={folder / 'data'}",
                    f"--web.listen-address=127.0.0.1:{port}",
                ],
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    @property
    def log(self) -> str:
        """Text of the server's log."""
        return self._log.read_text("utf-8")

    async def ready(self) -> bool:
        """Wait until the server is ready; return False if it has ended instead."""
        async with asyncio.timeout(PATIENCE):
            while self.process.poll() is None:
                with contextlib.suppress(OSError):
                    if (await get(self._port, "/-/ready")).status == 200:
                        return True
                await asyncio.sleep(0.05)
        return False

    async def ask(self, path: str, **parameters: str) -> Any:
        """Return the data of a response of the server's HTTP API."""
        answer = await get(self._port, f"/api/v1/{path}?{urlencode(parameters)}")
        assert answer.status == 200, f"{parameters}: {answer.text}"
        return json.loads(answer.text)["data"]

    async def query(self, expression: str) -> dict[scraping.Labels, float]:
        """Evaluate a PromQL expression; return labels, without those of the target → value."""
        data = await self.ask("query", query=expression)
        return {
            frozenset(
                (name, value)
                for name, value in series["metric"].items()
                if name not in {"__name__", "job", "instance"}
            ): float(series["value"][1])
            for series in data["result"]
        }

    def stop(self) -> None:
        """End the server, and wait until it has ended."""
        self.process.terminate()
        self.process.wait(PATIENCE)


@contextlib.asynccontextmanager
async def _scraping(folder: Path, target: int) -> AsyncIterator[Prometheus]:
    configuration = {
        "global": {"scrape_interval": "400ms", "evaluation_interval": "400ms"},
        "rule_files": [str(scraping.DOCS / "alerts.yml")],
        "scrape_configs": [
            {"job_name": "rtmon", "static_configs": [{"targets": [f"127.0.0.1:{target}"]}]}
        ],
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(configuration), "utf-8")
    # Another program may take the free port before Prometheus listens on it.
    for _ in range(5):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        prometheus = Prometheus(folder, port)
        try:
            if await prometheus.ready():
                yield prometheus
                return
            assert "address already in use" in prometheus.log, prometheus.log
        finally:
            prometheus.stop()
    pytest.fail("no port stayed free for Prometheus")


def _promtool(*arguments: str, text: str = "") -> str:
    done = subprocess.run(
        ["promtool", *arguments], input=text, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


async def test_promtool_finds_no_fault_in_a_scrape() -> None:
    """`promtool check metrics` finds no fault in a scrape of /metrics."""
    monitor = Monitor(interval=1000)
    monitor.measure(rtmon.Hub())
    sio = chat()
    instrument(sio, monitor)._statistics.disconnected("/", "client disconnect")
    monitor.tick()
    async with serve_admin(monitor, port=0) as admin:
        text = (await get(admin.port, "/metrics")).text
    assert await asyncio.to_thread(_promtool, "check", "metrics", text=text) == ""


def test_alert_rules_fire_for_a_server_in_trouble_only(tmp_path: Path) -> None:
    """Every alert rule of docs/alerts.yml is valid, fires for a server in trouble, and does not
    fire for a healthy one.
    """
    rules = scraping.DOCS / "alerts.yml"
    assert f"SUCCESS: {len(scraping.alerts())} rules found" in _promtool(
        "check", "rules", str(rules)
    )
    stories = (Path(__file__).parent / "alerts_test.yml").read_text("utf-8")
    well, ill = yaml.safe_load(stories)["tests"]
    quiet = {test["alertname"] for test in well["alert_rule_test"]}
    firing = {sample["labels"] for sample in ill["promql_expr_test"][0]["exp_samples"]}
    assert quiet == set(scraping.alerts())
    assert firing == {f'{{alertname="{name}"}}' for name in quiet}
    (tmp_path / "test.yml").write_text(stories.replace("RULES", str(rules)), "utf-8")
    _promtool("test", "rules", str(tmp_path / "test.yml"))


async def _echo(connection: ServerConnection) -> None:
    async for message in connection:
        await connection.send(message)


async def test_prometheus_server_returns_the_counts_of_the_scraped_server(tmp_path: Path) -> None:
    """Prometheus server returns the scraped server's counts, evaluates every alert rule and panel,
    and fires no alert.
    """
    monitor = Monitor(interval=0.1)
    hub = rtmon.Hub()
    monitor.measure(hub)
    await hub.publish("news", {"text": "hello"})
    sio = chat()
    instrument(sio, monitor)
    async with (
        serving(socketio.ASGIApp(sio)) as where,
        rtmon.serve(_echo, "127.0.0.1", 0, monitor=monitor, admin=0) as server,
        connect(server.url) as staying,
    ):
        assert server.admin is not None
        async with _scraping(tmp_path, server.admin.port) as prometheus:
            await _said(prometheus, "rtmon_open_connections", 1)
            async with joined(where, ["websocket"]) as user:
                await user.call("say", "hello")
                await sio.call("say", "hello", sid=user.get_sid())
            await until(lambda: monitor.snapshot().closed == 1)
            async with connect(server.url) as client:
                for size in (1, 100, 10_000):
                    await client.send("x" * size)
                    await client.recv()
                await (await client.ping())
                await (await staying.ping())
                await _said(prometheus, "rtmon_open_connections", 2)
            await until(lambda: monitor.snapshot().closed == 2)
            await _said(prometheus, "rtmon_closed_connections_total", 2)
            await _said(prometheus, "rtmon_size_in_bytes_count", 3 + 2)
            await _said(prometheus, "rtmon_socketio_ack_seconds_count", 1)

            text = (await get(server.admin.port, "/metrics")).text
            assert await asyncio.to_thread(_promtool, "check", "metrics", text=text) == ""
            said = await scrape(server.admin.port)
            for name in set(said) - CHANGING:
                await _eventually(prometheus, name, said[name].__eq__)
            for _, expression in scraping.panels():
                await _eventually(prometheus, expression, bool)
            (variable,) = await prometheus.ask("label/instance/values", **{"match[]": "rtmon_info"})
            assert variable == f"127.0.0.1:{server.admin.port}"

            groups = (await prometheus.ask("rules"))["groups"]
            rules = {rule["name"]: rule for group in groups for rule in group["rules"]}
            assert rules.keys() == scraping.alerts().keys()
            assert {rule["health"] for rule in rules.values()} == {"ok"}
            assert "firing" not in {rule["state"] for rule in rules.values()}
        assert prometheus.process.poll() is not None


CHANGING = {
    "rtmon_uptime_seconds",
    "rtmon_cpu_seconds_total",
    "rtmon_memory_bytes",
    "rtmon_own_seconds_total",
    *(f"rtmon_lag_seconds_{part}" for part in ("bucket", "count", "sum")),
}
"""Metrics that change although nothing happens, so that two scrapes of them cannot be equal."""


async def _said(prometheus: Prometheus, name: str, value: float) -> None:
    await _eventually(prometheus, name, {frozenset(): value}.__eq__)


async def _eventually(
    prometheus: Prometheus,
    expression: str,
    condition: Callable[[dict[scraping.Labels, float]], bool],
) -> None:
    """Wait until an expression has the expected value, since a scrape may be late on a busy
    machine.
    """
    seen: dict[scraping.Labels, float] = {}
    try:
        async with asyncio.timeout(PATIENCE):
            # Prometheus can only be polled.
            while not condition(seen := await prometheus.query(expression)):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
    except TimeoutError:
        pytest.fail(f"{expression} is {seen}: {prometheus.log[-2000:]}")
