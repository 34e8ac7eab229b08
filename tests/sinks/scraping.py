"""Scrapes of /metrics and PromQL queries, parsed for tests."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from websockets.asyncio.server import ServerConnection, serve

from rtmon import Monitor, probe

DOCS = Path(__file__).parents[2] / "docs"

OPENMETRICS = "application/openmetrics-text; version=1.0.0"

Labels = frozenset[tuple[str, str]]

NO_LABELS: Labels = frozenset()


def label(**labels: str) -> Labels:
    """Return the labels of one series as a set of pairs."""
    return frozenset(labels.items())


@contextlib.asynccontextmanager
async def echoing(monitor: Monitor) -> AsyncIterator[str]:
    """Serve an echo server with a probe of the Monitor; yield its address."""

    async def echo(connection: ServerConnection) -> None:
        async for message in connection:
            await connection.send(message)

    made = probe(monitor)
    async with serve(echo, "127.0.0.1", 0, create_connection=made, compression=None) as server:
        yield f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"


@dataclass(frozen=True)
class Answer:
    """An HTTP response."""

    status: int
    content_type: str
    text: str


async def get(port: int, path: str, **headers: str) -> Answer:
    """Send one HTTP GET request to a port of this machine."""
    return await asyncio.to_thread(_get, port, path, headers)


def _get(port: int, path: str, headers: dict[str, str]) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        content_type = response.getheader("Content-Type", "")
        return Answer(response.status, content_type, response.read().decode())
    finally:
        connection.close()


async def scrape(port: int) -> dict[str, dict[Labels, float]]:
    """Scrape /metrics with a strict parser; return metric name → labels → value."""
    answer = await get(port, "/metrics", Accept=OPENMETRICS)
    assert answer.status == 200, answer.text
    return values(answer.text)


def values(text: str) -> dict[str, dict[Labels, float]]:
    """Parse text in OpenMetrics format; return metric name → labels → value."""
    found: dict[str, dict[Labels, float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, {})[frozenset(sample.labels.items())] = sample.value
    return found


def metrics_in(expression: str) -> set[str]:
    """Return the names of the metrics that a PromQL expression reads."""
    bare = re.sub(r"\"[^\"]*\"|'[^']*'", "", expression)
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]", " ", bare)
    bare = re.sub(r"\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)", " ", bare)
    words = re.findall(r"(?<![\w.])([a-zA-Z_:][\w:]*)\b(?!\s*\()", bare)
    return set(words) - {"and", "or", "unless", "offset", "bool", "sum", "max", "min", "avg"}


def alerts() -> dict[str, str]:
    """Return the rules in docs/alerts.yml as alert name → expression."""
    groups = yaml.safe_load((DOCS / "alerts.yml").read_text(encoding="utf-8"))["groups"]
    return {rule["alert"]: rule["expr"] for group in groups for rule in group["rules"]}


def dashboard() -> dict[str, Any]:
    """Return the content of docs/grafana-dashboard.json."""
    content: dict[str, Any] = json.loads((DOCS / "grafana-dashboard.json").read_text("utf-8"))
    return content


def panels() -> Iterator[tuple[str, str]]:
    """Yield title and expression of each Grafana panel, with its variables filled in."""
    for panel in dashboard()["panels"]:
        for target in panel.get("targets", []):
            expression = target["expr"].replace("$__rate_interval", "1m")
            yield panel["title"], expression.replace("$instance", ".*")
