from __future__ import annotations

from dataclasses import replace
from typing import Any

from rtmon.views.freshness import Freshness, FreshnessTracker
from tests.synthetic import SyntheticFeed


def feed(**options: Any) -> SyntheticFeed:
    """A feed whose clock stands at 22:13:20 UTC."""
    return SyntheticFeed(start=1_700_000_000.0, **{"ago": 3, **options})


def test_before_the_first_numbers() -> None:
    """A view that has received nothing says that it is connecting, to what, and why not yet."""
    source = feed(ago=0)
    source.state = replace(source.state, state="connecting", detail="connection refused")
    found = FreshnessTracker().assess(source)
    assert found.kind == "connecting"
    assert "ws://127.0.0.1:8766" in found.banner
    assert "connection refused" in found.banner


def test_live() -> None:
    """While all is well nothing is said and nothing is grey."""
    assert FreshnessTracker().assess(feed()) == Freshness(kind="live", pill="Live")


def test_empty() -> None:
    """A server to which nobody has connected yet is told apart."""
    assert FreshnessTracker().assess(feed(users=0)).kind == "empty"


def test_disconnected_and_back() -> None:
    """A lost server greys the numbers and says since when and why; its return is said as well."""
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


def test_a_restart_is_said() -> None:
    """When the server that is back has begun to count anew, the view says so."""
    source, tracker = feed(), FreshnessTracker()
    tracker.assess(source)
    live = source.state
    source.state = replace(live, state="disconnected")
    tracker.assess(source)
    source.restart()
    source.state = live
    source.step()
    assert "counting began at 0" in tracker.assess(source).banner


def test_stalled() -> None:
    """A connection that stands but brings no numbers is told apart from a lost one."""
    source = feed()
    source._time += 6
    found = FreshnessTracker().assess(source)
    assert (found.kind, found.stale) == ("stalled", True)


def test_ended() -> None:
    """A source that is closed for good shows its last numbers, grey, and says so."""
    source = feed()
    source.state = replace(source.state, state="closed", detail="the Monitor is closed")
    found = FreshnessTracker().assess(source)
    assert (found.kind, found.stale) == ("ended", True)
    assert "the Monitor is closed" in found.banner


def test_paused() -> None:
    """A paused view says of when it is, also while the server is away."""
    source = feed()
    tracker = FreshnessTracker()
    held = tracker.assess(source, paused_at=1_700_000_000.0)
    assert (held.kind, held.stale) == ("paused", False)
    assert "22:13:20" in held.banner
    source.state = replace(source.state, state="disconnected")
    both = tracker.assess(source, paused_at=1_700_000_000.0)
    assert both.kind == "disconnected"
    assert "Paused at 22:13:20" in both.banner
