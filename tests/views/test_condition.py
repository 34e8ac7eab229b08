from __future__ import annotations

from dataclasses import replace
from typing import Any

from rtmon.views.condition import Condition, Observer
from tests.synthetic import SyntheticFeed


def feed(**options: Any) -> SyntheticFeed:
    """A feed whose clock stands at 22:13:20 UTC."""
    return SyntheticFeed(start=1_700_000_000.0, **{"ago": 3, **options})


def test_before_the_first_numbers() -> None:
    """A view that has received nothing says that it is connecting, to what, and why not yet."""
    source = feed(ago=0)
    source.state = replace(source.state, state="connecting", detail="connection refused")
    found = Observer().look(source)
    assert found.kind == "connecting"
    assert "ws://127.0.0.1:8766" in found.banner
    assert "connection refused" in found.banner


def test_live() -> None:
    """While all is well nothing is said and nothing is grey."""
    assert Observer().look(feed()) == Condition(kind="live", pill="Live")


def test_empty() -> None:
    """A server to which nobody has connected yet is told apart."""
    assert Observer().look(feed(users=0)).kind == "empty"


def test_disconnected_and_back() -> None:
    """A lost server greys the numbers and says since when and why; its return is said as well."""
    source, observer = feed(), Observer()
    observer.look(source)
    live = source.state
    source.state = replace(live, state="disconnected", detail="refused", since=1_700_000_000.0)
    lost = observer.look(source)
    assert (lost.kind, lost.stale) == ("disconnected", True)
    assert "since 22:13:20 UTC (refused)" in lost.banner
    source.state = live
    for _ in range(5):
        source.step()
    back = observer.look(source)
    assert (back.kind, back.stale) == ("recovered", False)
    assert back.banner == "Connected again after 5 s."
    for _ in range(10):
        source.step()
    assert observer.look(source).kind == "live"


def test_a_restart_is_said() -> None:
    """When the server that is back has begun to count anew, the view says so."""
    source, observer = feed(), Observer()
    observer.look(source)
    live = source.state
    source.state = replace(live, state="disconnected")
    observer.look(source)
    source.restart()
    source.state = live
    source.step()
    assert "counting began at 0" in observer.look(source).banner


def test_stalled() -> None:
    """A connection that stands but brings no numbers is told apart from a lost one."""
    source = feed()
    source._time += 6
    found = Observer().look(source)
    assert (found.kind, found.stale) == ("stalled", True)


def test_ended() -> None:
    """A source that is closed for good shows its last numbers, grey, and says so."""
    source = feed()
    source.state = replace(source.state, state="closed", detail="the Monitor is closed")
    found = Observer().look(source)
    assert (found.kind, found.stale) == ("ended", True)
    assert "the Monitor is closed" in found.banner


def test_paused() -> None:
    """A paused view says of when it is, also while the server is away."""
    source = feed()
    observer = Observer()
    held = observer.look(source, paused_at=1_700_000_000.0)
    assert (held.kind, held.stale) == ("paused", False)
    assert "22:13:20" in held.banner
    source.state = replace(source.state, state="disconnected")
    both = observer.look(source, paused_at=1_700_000_000.0)
    assert both.kind == "disconnected"
    assert "Paused at 22:13:20" in both.banner
