"""The dashboard view in a notebook: its charts, updates, tables and files."""

from __future__ import annotations

import re
from dataclasses import replace

import msgspec
import pytest

import rtmon
from rtmon.display.notebook_dashboard import FeedPicture
from rtmon.errors import OptionError
from rtmon.views.server_charts import CHARTS
from tests.synthetic import SyntheticFeed


@pytest.mark.parametrize("shown", [["messages", "colour"], "messages", []])
def test_dashboard_raises_and_lists_the_charts_when_show_is_wrong(shown: list[str]) -> None:
    """Dashboard raises OptionError that lists all charts when the argument ``show`` is wrong."""
    with pytest.raises(OptionError, match=r"show=.* open, messages, .*, errors"):
        rtmon.Dashboard(SyntheticFeed(ago=1), show=shown)


def test_dashboard_view_shows_the_chosen_charts_in_their_order() -> None:
    """Dashboard view shows the charts chosen by the user in the chosen order, and lets the user
    open all other charts.
    """
    chosen = [chart for chart in CHARTS if chart.key in {"lag", "bandwidth"}][::-1]
    layout = FeedPicture(SyntheticFeed(ago=1), shown=chosen).layout
    assert [chart.key for chart in layout.charts] == ["lag", "bandwidth"]
    assert {chart.key for chart in (*layout.charts, *layout.more)} == {c.key for c in CHARTS}


def test_dashboard_update_contains_only_new_points() -> None:
    """Each update of a dashboard view contains only the points since the update before, and the
    view's full state contains all points of the requested seconds.
    """
    feed = SyntheticFeed(ago=100)
    picture = FeedPicture(feed)
    assert len(picture.update().columns["time"]) == 100
    assert picture.update().columns["time"] == []
    sample = feed.step()
    assert picture.update().columns["time"] == [round(sample.time * 1e3)]
    assert len(picture.whole(60).columns["time"]) == 61


def test_dashboard_update_replaces_all_points_when_the_server_restarts() -> None:
    """Dashboard view's update replaces all earlier points when the server has restarted."""
    feed = SyntheticFeed(ago=10)
    picture = FeedPicture(feed)
    picture.update()
    feed.restart()
    feed.step()
    frame = picture.update()
    assert frame.anew
    assert len(frame.columns["time"]) == 1


def test_dashboard_update_sends_null_for_an_unknown_value() -> None:
    """Dashboard view's update contains null, not 0 or NaN, for a value that is unknown."""
    feed = SyntheticFeed(ago=1, users=0)
    frame = msgspec.json.decode(msgspec.json.encode(FeedPicture(feed).update()))
    assert frame["columns"]["rtt_p50"] == [None]


@pytest.mark.parametrize("key", ["connections", "channels", "socketio", "events", "closes", ""])
def test_dashboard_view_sends_each_table_and_its_csv_file_on_request(key: str) -> None:
    """Dashboard view returns each of its tables and a CSV file of each, and a CSV file of the
    samples.
    """
    picture = FeedPicture(SyntheticFeed(ago=30))
    picture.update()
    name, text = picture.csv(key, {})
    assert re.fullmatch(rf"{key if key not in {'', 'closes'} else 'samples'}-\d{{6}}\.csv", name)
    assert text
    if key:
        assert key in [table.key for table in picture.layout.tables]
        assert picture.table(key, {})


def test_dashboard_view_says_since_when_it_is_not_live_when_its_feed_is_closed() -> None:
    """Dashboard view of a closed feed is marked as ended, and shows when its data ended."""
    feed = SyntheticFeed(ago=10)
    picture = FeedPicture(feed)
    feed.state = replace(feed.state, state="closed")
    assert picture.ended
    status = picture.update().status
    assert (status.kind, status.stale) == ("ended", True)
    assert "not live since" in status.banner
