"""Freshness: how a view says whether its numbers are live or old."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from rtmon.views.data_freshness import Freshness, FreshnessTracker
from tests.synthetic import SyntheticFeed


def feed(**options: Any) -> SyntheticFeed:
    """Return a feed whose clock is at 22:13:20 UTC."""
    return SyntheticFeed(start=1_700_000_000.0, **{"ago": 3, **options})


def test_view_says_connecting_before_the_first_sample() -> None:
    """Dashboard view before the first sample says "connecting", with the server's address and the
    reason why no connection is open yet.
    """
    source = feed(ago=0)
    source.state = replace(source.state, state="connecting", detail="connection refused")
    found = FreshnessTracker().assess(source)
    assert found.kind == "connecting"
    assert "ws://127.0.0.1:8766" in found.banner
    assert "connection refused" in found.banner


def test_view_of_a_live_feed_shows_no_banner() -> None:
    """Dashboard view of a live feed is labelled "Live" and shows no banner."""
    assert FreshnessTracker().assess(feed()) == Freshness(kind="live", pill="Live")


def test_view_is_empty_before_the_first_connection() -> None:
    """Dashboard view has the state "empty" as long as no client has connected to the server."""
    assert FreshnessTracker().assess(feed(users=0)).kind == "empty"


def test_view_reports_disconnection_with_its_time_and_recovery() -> None:
    """Dashboard view becomes stale and gives time and reason when its server is disconnected, says
    "connected again" after the reconnect, and is live a little later.
    """
    source, tracker = feed(), FreshnessTracker()
    tracker.assess(source)
    live = source.state
    source.state = replace(live, state="disconnected", detail="refused", since=1_700_000_000.0)
    lost = tracker.assess(source)
    assert (lost.kind, lost.stale) == ("disconnected", True)
    assert "since 22:13:20 UTC (refused)" in lost.banner
    source.state = live
    for _ in range(5):
        source.step()
    back = tracker.assess(source)
    assert (back.kind, back.stale) == ("recovered", False)
    assert back.banner == "Connected again after 5 s."
    for _ in range(10):
        source.step()
    assert tracker.assess(source).kind == "live"


def test_view_says_that_counting_began_at_0_after_a_restart() -> None:
    """Dashboard view says that counting began at 0 after its server has restarted."""
    source, tracker = feed(), FreshnessTracker()
    tracker.assess(source)
    live = source.state
    source.state = replace(live, state="disconnected")
    tracker.assess(source)
    source.restart()
    source.state = live
    source.step()
    assert "counting began at 0" in tracker.assess(source).banner


def test_view_is_stalled_when_no_sample_arrives() -> None:
    """Dashboard view has the state "stalled" and is stale when no sample arrives for some
    seconds, although the connection is open.
    """
    source = feed()
    source._time += 6
    found = FreshnessTracker().assess(source)
    assert (found.kind, found.stale) == ("stalled", True)


def test_view_is_ended_when_its_feed_is_closed() -> None:
    """Dashboard view of a closed feed has the state "ended", is stale, and gives the reason."""
    source = feed()
    source.state = replace(source.state, state="closed", detail="the Monitor is closed")
    found = FreshnessTracker().assess(source)
    assert (found.kind, found.stale) == ("ended", True)
    assert "the Monitor is closed" in found.banner


def test_paused_view_shows_the_time_of_its_pause() -> None:
    """Paused dashboard view shows the time of its pause, also when its server is disconnected
    during the pause.
    """
    source = feed()
    tracker = FreshnessTracker()
    held = tracker.assess(source, paused_at=1_700_000_000.0)
    assert (held.kind, held.stale) == ("paused", False)
    assert "22:13:20" in held.banner
    source.state = replace(source.state, state="disconnected")
    both = tracker.assess(source, paused_at=1_700_000_000.0)
    assert both.kind == "disconnected"
    assert "Paused at 22:13:20" in both.banner
