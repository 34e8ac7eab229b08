"""The screen of `rtmon top`."""

from __future__ import annotations

import io
import math
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from rtmon.metrics.records import ConnectionInfo
from rtmon.terminal.key_bindings import KeyChoices
from rtmon.terminal.screen import draw, printable, sparkline
from rtmon.views.chart_points import Timeline
from rtmon.views.data_freshness import FreshnessTracker
from rtmon.views.server_charts import BRIEF
from tests.synthetic import SyntheticFeed


def screen(
    feed: Any, choices: KeyChoices | None = None, *, width: int = 80, height: int = 24
) -> str:
    """Return the screen's lines for a terminal of this size, without colours."""
    timeline = Timeline()
    timeline.extend(feed.samples())
    console = Console(width=width, height=height, file=io.StringIO(), color_system=None)
    freshness = FreshnessTracker().assess(feed)
    drawn = draw(feed, freshness, choices or KeyChoices(), timeline, width=width, height=height)
    lines = console.render_lines(drawn, pad=False)
    return "\n".join("".join(segment.text for segment in line).rstrip() for line in lines)


@pytest.mark.parametrize(
    ("width", "height"), [(80, 24), (140, 40), (40, 14), (220, 60), (80, 12), (80, 20)]
)
def test_screen_of_rtmon_top_fits_the_terminal(width: int, height: int) -> None:
    """Screen of `rtmon top` is not wider or taller than the terminal, and its last line lists the
    keys.
    """
    lines = screen(SyntheticFeed(ago=120), width=width, height=height).splitlines()
    assert len(lines) <= height
    assert max(map(len, lines)) <= width
    assert lines[-1].startswith("q quit")


@pytest.mark.parametrize(("width", "height"), [(80, 24), (100, 30), (140, 40), (220, 60)])
def test_screen_of_rtmon_top_shows_a_sparkline_for_every_series(width: int, height: int) -> None:
    """Screen of `rtmon top` shows a sparkline for every series of the brief charts, with the
    highest CPU and event-loop lag.
    """
    shown = screen(SyntheticFeed(ago=300), width=width, height=height)
    for chart in BRIEF:
        for series in chart.series:
            label = chart.key if len(chart.series) == 1 else f"{chart.key} {series.label}"
            assert f"{label} " in shown
    assert re.search(r"cpu +[▁▂▃▄▅▆▇█]+ max \d+\.\d %", shown)
    assert re.search(r"lag p99 +[▁▂▃▄▅▆▇█]+ max [\d.]+ ms", shown)


def test_screen_of_rtmon_top_shows_rows_in_the_chosen_order() -> None:
    """Screen of `rtmon top` shows the connections in the chosen order from the chosen row on, with
    their number.
    """
    feed = SyntheticFeed(ago=5, users=0)
    for number in range(30):
        name = f"user-{number:02}"
        feed.add(ConnectionInfo(id=f"c{number}", name=name, opened=feed.now(), messages_in=number))
    shown = screen(feed, KeyChoices(sort="messages_in", descending=True, offset=2), width=140)
    assert "Connections 3–" in shown
    assert " of 30 open, by msgs in ▼" in shown
    assert shown.index("user-27") < shown.index("user-26")
    assert "user-28" not in shown
    assert feed.status.source in shown


def test_screen_of_rtmon_top_shows_the_last_rows_when_scrolled_past_the_end() -> None:
    """Screen of `rtmon top` shows the last rows when the user scrolls past the end."""
    feed = SyntheticFeed(ago=5, users=30)
    choices = KeyChoices(offset=1000)
    shown = screen(feed, choices)
    total = feed.connections(choices.query(1)).total
    assert f"–{total} of {total} open" in shown


def test_screen_of_rtmon_top_says_connecting_before_the_first_sample() -> None:
    """Screen of `rtmon top` shows "Connecting" and a dash for unknown numbers before the first
    sample.
    """
    shown = screen(SyntheticFeed(ago=0, users=0))
    assert "Connecting" in shown
    assert "–" in shown


@given(name=st.text(max_size=40), path=st.text(max_size=40))
def test_screen_of_rtmon_top_prints_no_control_characters_of_clients(name: str, path: str) -> None:
    """Screen of `rtmon top` contains only printable characters when a client's name and path
    contain any.
    """
    feed = SyntheticFeed(ago=1, users=0)
    feed.add(ConnectionInfo(id="c1", name=name, path=path, opened=feed.now()))
    shown = screen(feed, KeyChoices(contains=name), width=200)
    assert all(line.isprintable() for line in shown.split("\n"))


def test_unprintable_characters_are_replaced_by_a_mark() -> None:
    """Function printable() replaces each unprintable character by a mark and keeps the rest of an
    escape sequence as text.
    """
    assert printable("a\x1b[2Jb\u202ec") == "a�[2Jb�c"


def test_sparkline_scales_its_bars_to_the_largest_value() -> None:
    """Sparkline draws the largest value as a full bar, 0 as the lowest bar, and an unknown value as
    a gap.
    """
    assert sparkline([0.0, math.nan, 4.0, 8.0], 6) == "  ▁ ▅█"
    assert sparkline([1.0, 0.0, 0.0], 2) == "▁▁"
    assert sparkline([], 3) == "   "
