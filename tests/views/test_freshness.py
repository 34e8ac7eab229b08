"""Freshness: how a view reports the state of its feed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from rtmon.views.freshness import Freshness, FreshnessTracker
from tests.synthetic import SyntheticFeed


def feed(**options: Any) -> SyntheticFeed:
    """A feed whose clock is at 22:13:20 UTC."""
    return SyntheticFeed(start=1_700_000_000.0, **{"ago": 3, **options})


def test_freshness_is_connecting_before_the_first_sample() -> None:
    """A view without numbers says that it is connecting, its target, and the reason for the
    delay.
    """
    source = feed(ago=0)
    source.state = replace(source.state, state="connecting", detail="connection refused")
    found = FreshnessTracker().assess(source)
    assert found.kind == "connecting"
    assert "ws://127.0.0.1:8766" in found.banner
    assert "connection refused" in found.banner


def test_freshness_is_live_without_a_banner() -> None:
    """With a live feed there is no banner, and no number is grey."""
    assert FreshnessTracker().assess(feed()) == Freshness(kind="live", pill="Live")


def test_freshness_is_empty_before_the_first_connection() -> None:
    """A server without any connection yet has a state of its own."""
    assert FreshnessTracker().assess(feed(users=0)).kind == "empty"


def test_freshness_reports_disconnection_and_recovery() -> None:
    """A lost server turns the numbers grey, with time and reason; its return is reported."""
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


def test_freshness_reports_a_restart() -> None:
    """After a restart of the server, which counts from 0, the view says so."""
    source, tracker = feed(), FreshnessTracker()
    tracker.assess(source)
    live = source.state
    source.state = replace(live, state="disconnected")
    tracker.assess(source)
    source.restart()
    source.state = live
    source.step()
    assert "counting began at 0" in tracker.assess(source).banner


def test_freshness_is_stalled_when_samples_stop() -> None:
    """An open connection without new Samples is distinguished from a lost one."""
    source = feed()
    source._time += 6
    found = FreshnessTracker().assess(source)
    assert (found.kind, found.stale) == ("stalled", True)


def test_freshness_is_ended_when_the_feed_is_closed() -> None:
    """The view of a closed feed shows its last numbers in grey and says that it has ended."""
    source = feed()
    source.state = replace(source.state, state="closed", detail="the Monitor is closed")
    found = FreshnessTracker().assess(source)
    assert (found.kind, found.stale) == ("ended", True)
    assert "the Monitor is closed" in found.banner


def test_freshness_is_paused_with_its_time() -> None:
    """A paused view shows the time of its numbers, even while the server is disconnected."""
    source = feed()
    tracker = FreshnessTracker()
    held = tracker.assess(source, paused_at=1_700_000_000.0)
    assert (held.kind, held.stale) == ("paused", False)
    assert "22:13:20" in held.banner
    source.state = replace(source.state, state="disconnected")
    both = tracker.assess(source, paused_at=1_700_000_000.0)
    assert both.kind == "disconnected"
    assert "Paused at 22:13:20" in both.banner
