"""A dashboard as a notebook's output: its charts, updates and tables."""

from __future__ import annotations

import re
from dataclasses import replace

import msgspec
import pytest

import rtmon
from rtmon.display.notebook_dashboard import FeedPicture
from rtmon.errors import OptionError
from rtmon.views.charts import CHARTS
from tests.synthetic import SyntheticFeed


@pytest.mark.parametrize("shown", [["messages", "colour"], "messages", []])
def test_dashboard_lists_the_charts_when_show_is_wrong(shown: list[str]) -> None:
    """The error for a wrong ``show`` lists every chart."""
    with pytest.raises(OptionError, match=r"show=.* open, messages, .*, errors"):
        rtmon.Dashboard(SyntheticFeed(ago=1), show=shown)


def test_dashboard_shows_the_chosen_charts_in_order() -> None:
    """The charts of ``show`` are visible; the others can be opened."""
    chosen = [chart for chart in CHARTS if chart.key in {"lag", "bandwidth"}][::-1]
    layout = FeedPicture(SyntheticFeed(ago=1), shown=chosen).layout
    assert [chart.key for chart in layout.charts] == ["lag", "bandwidth"]
    assert {chart.key for chart in (*layout.charts, *layout.more)} == {c.key for c in CHARTS}


def test_update_has_only_new_points() -> None:
    """Updates have each point once; the full state has all points of its window."""
    feed = SyntheticFeed(ago=100)
    picture = FeedPicture(feed)
    assert len(picture.update().columns["time"]) == 100
    assert picture.update().columns["time"] == []
    sample = feed.step()
    assert picture.update().columns["time"] == [round(sample.time * 1e3)]
    assert len(picture.whole(60).columns["time"]) == 61


def test_update_starts_anew_when_the_server_restarts() -> None:
    """After a restart of the server the page drops earlier points."""
    feed = SyntheticFeed(ago=10)
    picture = FeedPicture(feed)
    picture.update()
    feed.restart()
    feed.step()
    frame = picture.update()
    assert frame.anew
    assert len(frame.columns["time"]) == 1


def test_unknown_values_are_null() -> None:
    """Unknown values are sent as null, not as 0 or NaN."""
    feed = SyntheticFeed(ago=1, users=0)
    frame = msgspec.json.decode(msgspec.json.encode(FeedPicture(feed).update()))
    assert frame["columns"]["rtt_p50"] == [None]


@pytest.mark.parametrize("key", ["connections", "channels", "socketio", "events", "closes", ""])
def test_tables_and_files_are_sent_on_request(key: str) -> None:
    """Each table of the layout can be requested and downloaded; so can the Samples."""
    picture = FeedPicture(SyntheticFeed(ago=30))
    picture.update()
    name, text = picture.csv(key, {})
    assert re.fullmatch(rf"{key if key not in {'', 'closes'} else 'samples'}-\d{{6}}\.csv", name)
    assert text
    if key:
        assert key in [table.key for table in picture.layout.tables]
        assert picture.table(key, {})


def test_ended_feed_has_the_time_of_its_last_numbers() -> None:
    """A closed feed is shown as ended, with the time of its last numbers."""
    feed = SyntheticFeed(ago=10)
    picture = FeedPicture(feed)
    feed.state = replace(feed.state, state="closed")
    assert picture.ended
    status = picture.update().status
    assert (status.kind, status.stale) == ("ended", True)
    assert "not live since" in status.banner
