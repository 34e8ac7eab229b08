"""The dashboard's script and style sheets."""

from __future__ import annotations

import json
import re

from rtmon.dashboard.script_bundle import BUILD, script, style
from rtmon.views.charts import CHARTS


def test_script_has_every_chart_of_the_table() -> None:
    """The page draws each chart with all its series, event-loop lag and CPU included."""
    text, _ = script()
    found = re.search(r"^const CHARTS = (.*)$", text, re.MULTILINE)
    assert found is not None
    drawn = {
        chart["title"]: [series["key"] for series in chart["series"]]
        for chart in json.loads(found[1])
    }
    assert drawn == {chart.title: [each.key for each in chart.series] for chart in CHARTS}
    assert {"Event-loop lag", "CPU of the server"} < set(drawn)


def test_page_loads_nothing_from_other_hosts() -> None:
    """Neither script nor style sheet names an address of another host."""
    text, _ = script()
    assert re.findall(r"https?://(?!www\.w3\.org)[\w.]+", text + style()) == []
    assert "@import" not in style()


def test_script_is_small() -> None:
    """The compressed script is a small part of the 1.5 MB that a first visit may cost."""
    _, packed = script()
    assert len(packed) < 60_000
    assert re.fullmatch("[0-9a-f]{12}", BUILD)
