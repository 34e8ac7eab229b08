"""The dashboard's bundled script and style sheets."""

from __future__ import annotations

import json
import re

from rtmon.dashboard.script_bundle import BUILD, script, style
from rtmon.views.server_charts import CHARTS


def test_dashboard_script_contains_every_chart_with_all_its_series() -> None:
    """Dashboard script contains every chart of the chart table with all its series."""
    text, _ = script()
    found = re.search(r"^const CHARTS = (.*)$", text, re.MULTILINE)
    assert found is not None
    drawn = {
        chart["title"]: [series["key"] for series in chart["series"]]
        for chart in json.loads(found[1])
    }
    assert drawn == {chart.title: [each.key for each in chart.series] for chart in CHARTS}
    assert {"Event-loop lag", "CPU of the server"} < set(drawn)


def test_dashboard_script_and_style_sheet_name_no_other_host() -> None:
    """Dashboard script and style sheet contain no URL of another host."""
    text, _ = script()
    assert re.findall(r"https?://(?!www\.w3\.org)[\w.]+", text + style()) == []
    assert "@import" not in style()


def test_compressed_dashboard_script_is_smaller_than_60_kb() -> None:
    """Compressed dashboard script is smaller than 60 kB, a small part of the 1.5 MB that a first
    visit may load.
    """
    _, packed = script()
    assert len(packed) < 60_000
    assert re.fullmatch("[0-9a-f]{12}", BUILD)
