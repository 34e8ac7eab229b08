"""Tiles of the overview: values, totals, changes and alerts."""

from __future__ import annotations

import pytest

from rtmon.metrics.histogram import HistogramRecorder
from rtmon.metrics.records import Sample, Snapshot
from rtmon.views.number_tiles import Tile, tiles


def sample(seq: int, **values: object) -> Sample:
    """Return a sample of one second."""
    return Sample(node="n", epoch="e", seq=seq, time=1000.0 + seq, elapsed=1.0, **values)


def by_key(samples: list[Sample], snapshot: Snapshot | None = None) -> dict[str, Tile]:
    """Return the tiles by their keys."""
    return {tile.key: tile for tile in tiles(samples, snapshot)}


def snapshot(**values: object) -> Snapshot:
    """Return a snapshot with these totals."""
    return Snapshot(node="n", epoch="e", seq=1, time=0.0, uptime=1.0, **values)


def slow(seconds: float) -> dict[str, object]:
    """Return sample values with one round trip of this many seconds."""
    recorder = HistogramRecorder()
    recorder.record(seconds)
    return {"rtt": recorder.take()}


def test_tiles_show_a_dash_before_the_first_sample() -> None:
    """Dashboard tiles show a dash instead of 0 before the first sample."""
    assert {tile.value for tile in tiles([], None)} == {"–"}


def test_tiles_show_exact_totals() -> None:
    """Dashboard tiles show the total of each number with every digit."""
    row = by_key(
        [sample(1)],
        snapshot(messages_in=1_234_567, bytes_out=98_765_432_109, opened=12, errors=3),
    )
    assert row["messages_in"].total == "1,234,567 in all"
    assert row["bytes_out"].total == "98,765,432,109 B in all"
    assert row["open"].total == "12 opened in all"
    assert row["errors"].total == "3 in all"


def test_tile_of_an_unknown_column_shows_a_dash() -> None:
    """Dashboard tile of a column that no probe measures shows a dash as value and as total."""
    tile = by_key([sample(1, bytes_in=None)], snapshot(bytes_in=None))["bytes_in"]
    assert tile.value == "–"
    assert tile.total == "– in all"
    tile = by_key([sample(1, rtt=None)], snapshot(rtt=None))["rtt"]
    assert tile.value == "–"
    assert tile.total == "– pings"


def test_tile_change_compares_with_five_seconds_a_minute_ago() -> None:
    """Dashboard tile shows the change from the five seconds one minute ago to the last five
    seconds, and no change when the feed has no samples from one minute ago.
    """
    rows = [sample(seq, messages_in=100 if seq <= 10 else 150) for seq in range(1, 71)]
    tile = by_key(rows)["messages_in"]
    assert (tile.value, tile.change, tile.sign) == ("150", "50 %", 1)
    assert by_key(rows[30:])["messages_in"].change == ""


def test_tiles_judge_changes_of_errors_and_round_trips_only() -> None:
    """Dashboard tiles mark more errors or longer round trips as bad and fewer as good, and more
    connections or messages as neutral.
    """
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
def test_tile_alerts_on_slow_round_trips_errors_and_rejected_handshakes(
    key: str, values: dict[str, object], alert: str
) -> None:
    """Dashboard tile has an alert with a reason when round trips are slow, errors occur or
    handshakes are rejected.
    """
    tile = by_key([sample(1, **values)])[key]
    assert tile.alert == alert
    assert bool(tile.reason) == bool(alert)
