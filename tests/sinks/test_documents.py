"""Alert rules, Grafana dashboard and docs/prometheus.md name existing metrics."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from rtmon import Hub, Monitor, serve_admin
from rtmon.probes.socketio import instrument
from tests.probes.socketio.chat import chat
from tests.sinks import scraping
from tests.sinks.scraping import scrape

EXPRESSIONS = {
    **{f"alert {name}": expression for name, expression in scraping.alerts().items()},
    **{f"panel {title}: {expression}": expression for title, expression in scraping.panels()},
}


async def test_alert_rules_and_grafana_dashboard_read_existing_metrics() -> None:
    """Every metric that docs/alerts.yml and docs/grafana-dashboard.json read is in a scrape of
    /metrics.
    """
    monitor = Monitor(interval=1000)
    monitor.measure(Hub())
    sio = chat()
    instrument(sio, monitor)
    monitor.collector.expect("websockets")  # this probe measures every column
    async with serve_admin(monitor, port=0) as admin:
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
def test_helper_finds_the_metric_names_in_a_promql_expression(
    expression: str, names: set[str]
) -> None:
    """Test helper metrics_in() finds the metric names in a PromQL expression and ignores functions,
    labels and numbers.
    """
    assert scraping.metrics_in(expression) == names


def test_grafana_dashboard_is_well_formed() -> None:
    """Grafana dashboard has panels with unique ids, descriptions and queries, which do not overlap
    and use the chosen data source.
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


def test_prometheus_docs_page_lists_exactly_the_exported_metrics() -> None:
    """Table of docs/prometheus.md lists exactly the metrics that rtmon exports."""
    script = Path(__file__).parents[2] / "scripts" / "metrics.py"
    check = [sys.executable, str(script), "--check"]
    done = subprocess.run(check, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
