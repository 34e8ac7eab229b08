"""Tiles: values, totals, changes and alerts."""

from __future__ import annotations

import pytest

from rtmon.metrics.histogram import HistogramRecorder
from rtmon.metrics.records import Sample, Snapshot
from rtmon.views.tiles import Tile, tiles


def sample(seq: int, **values: object) -> Sample:
    """A Sample of one second."""
    return Sample(node="n", epoch="e", seq=seq, time=1000.0 + seq, elapsed=1.0, **values)


def by_key(samples: list[Sample], snapshot: Snapshot | None = None) -> dict[str, Tile]:
    """The tiles by their keys."""
    return {tile.key: tile for tile in tiles(samples, snapshot)}


def snapshot(**values: object) -> Snapshot:
    """Totals."""
    return Snapshot(node="n", epoch="e", seq=1, time=0.0, uptime=1.0, **values)


def slow(seconds: float) -> dict[str, object]:
    """One round trip of that many seconds."""
    recorder = HistogramRecorder()
    recorder.record(seconds)
    return {"rtt": recorder.take()}


def test_tiles_are_unknown_before_the_first_sample() -> None:
    """Before the first Sample every tile shows unknown instead of 0."""
    assert {tile.value for tile in tiles([], None)} == {"–"}


def test_tiles_have_exact_totals() -> None:
    """Below each value the exact total has every digit."""
    row = by_key(
        [sample(1)],
        snapshot(messages_in=1_234_567, bytes_out=98_765_432_109, opened=12, errors=3),
    )
    assert row["messages_in"].total == "1,234,567 in all"
    assert row["bytes_out"].total == "98,765,432,109 B in all"
    assert row["open"].total == "12 opened in all"
    assert row["errors"].total == "3 in all"


def test_unknown_column_is_not_shown_as_zero() -> None:
    """A column that no probe knows is unknown in value and total."""
    tile = by_key([sample(1, bytes_in=None)], snapshot(bytes_in=None))["bytes_in"]
    assert tile.value == "–"
    assert tile.total == "– in all"
    tile = by_key([sample(1, rtt=None)], snapshot(rtt=None))["rtt"]
    assert tile.value == "–"
    assert tile.total == "– pings"


def test_change_compares_with_a_minute_ago() -> None:
    """A change compares the last five seconds with the five seconds a minute before."""
    rows = [sample(seq, messages_in=100 if seq <= 10 else 150) for seq in range(1, 71)]
    tile = by_key(rows)["messages_in"]
    assert (tile.value, tile.change, tile.sign) == ("150", "50 %", 1)
    assert by_key(rows[30:])["messages_in"].change == ""


def test_tiles_judge_only_errors_and_delay() -> None:
    """More connections or messages is neither good nor bad; more errors and delay is bad."""
    calm = [sample(seq, open=10, messages_in=100, **slow(0.01)) for seq in range(1, 61)]
    busy = [sample(seq, open=99, messages_in=900, errors=1, **slow(0.02)) for seq in range(61, 121)]
    row = by_key(calm + busy)
    assert (row["open"].sign, row["open"].mood) == (1, "neutral")
    assert (row["messages_in"].sign, row["messages_in"].mood) == (1, "neutral")
    assert (row["rtt"].sign, row["rtt"].mood) == (1, "bad")
    assert (row["errors"].sign, row["errors"].mood) == (1, "bad")
    better = by_key(busy + [sample(seq, **slow(0.01)) for seq in range(121, 181)])
    assert (better["rtt"].mood, better["errors"].mood) == ("good", "good")


@pytest.mark.parametrize(
    ("key", "values", "alert"),
    [
        ("rtt", slow(0.2), ""),
        ("rtt", slow(0.3), "warning"),
        ("rtt", slow(1.2), "critical"),
        ("errors", {"messages_in": 1000, "errors": 0}, ""),
        ("errors", {"messages_in": 1000, "errors": 1}, "warning"),
        ("errors", {"messages_in": 10, "errors": 1}, "critical"),
        ("errors", {"messages_in": None, "errors": 1}, "critical"),
        ("open", {"rejected": 0}, ""),
        ("open", {"rejected": 2}, "warning"),
    ],
)
def test_tile_alerts_on_slowness_errors_and_rejected_handshakes(
    key: str, values: dict[str, object], alert: str
) -> None:
    """The alert of a tile has the reason."""
    tile = by_key([sample(1, **values)])[key]
    assert tile.alert == alert
    assert bool(tile.reason) == bool(alert)
