"""Comparison of two time ranges: it reports real changes and no noise."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from rtmon.feeds.queries import SERIES_COLUMNS, SeriesQuery, Source
from rtmon.feeds.series_queries import from_histories
from rtmon.metrics.histogram import HistogramRecorder
from rtmon.metrics.history import History
from rtmon.metrics.records import Sample
from rtmon.views.time_range_comparison import MEASURES, Difference, Stretch, causes, compare

Change = Callable[[dict[str, Any], random.Random], None]


def _nothing(values: dict[str, Any], rng: random.Random) -> None:
    """Leave the values of a second unchanged."""


def _stretch(
    seed: int,
    change: Change = _nothing,
    *,
    seconds: int = 120,
    slower: float = 1.0,
    ended: Mapping[str, int] | None = None,
) -> Stretch:
    """Return the points of a simulated server with realistic noise, two minutes by default."""
    rng, history = random.Random(seed), History()
    for seq in range(1, seconds + 1):
        rtt = HistogramRecorder()
        for _ in range(50):
            rtt.record(rng.lognormvariate(-6.0, 0.5) * slower)
        elapsed = rng.uniform(0.9, 1.1)
        values: dict[str, Any] = {
            "open": 100 + rng.randrange(-3, 4),
            "opened": rng.randrange(3),
            "closed": rng.randrange(3),
            "messages_in": round(1000 * elapsed * rng.uniform(0.9, 1.1)),
            "errors": int(rng.random() < 0.1),
            "dropped": 0,
            "send_queue": rng.randrange(10_000),
            "rtt": rtt.take(),
            "cpu": rng.uniform(0.2, 0.3),
            "memory": 100_000_000 + rng.randrange(1000),
        }
        change(values, rng)
        sample = Sample(node="n", epoch="e", seq=seq, time=float(seq), elapsed=elapsed, **values)
        history.add(sample)
    histories = [(history, True)]
    points = from_histories(SeriesQuery(), Source(), histories)
    merged = from_histories(SeriesQuery(merge=True), Source(), histories)
    return Stretch(points, merged, ended or {})


def _verdicts(found: Sequence[Difference], *without: str) -> dict[str, str]:
    return {
        each.measure.key: each.verdict for each in found if each.verdict not in {"same", *without}
    }


def test_every_row_of_the_comparison_names_an_existing_column() -> None:
    """Every row of the comparison of two time ranges uses a column that chart points have."""
    assert {measure.key for measure in MEASURES} <= set(SERIES_COLUMNS)


def test_comparison_finds_no_difference_between_runs_that_differ_by_noise() -> None:
    """Comparison of two time ranges finds no difference in twenty pairs of runs that differ
    only by random noise.
    """
    runs = [_stretch(seed) for seed in range(21)]
    for before, after in pairwise(runs):
        assert _verdicts(compare(before, after), "unknown") == {}


def test_comparison_finds_what_became_worse_and_nothing_else() -> None:
    """Comparison of two time ranges reports exactly the increased errors, drops, memory and round
    trips as worse, and reports them as better when the ranges are swapped.
    """

    def worse(values: dict[str, Any], rng: random.Random) -> None:
        values["errors"] += rng.randrange(3)
        values["dropped"] = rng.randrange(5)
        values["memory"] = round(values["memory"] * 1.3)
        values["messages_in"] *= 2

    before, after = _stretch(1), _stretch(2, worse, slower=1.6)
    names = dict.fromkeys(("errors", "dropped", "memory", "rtt_p50", "rtt_p95", "rtt_p99"), "worse")
    assert _verdicts(compare(before, after), "unknown") == {**names, "messages_in": "changed"}
    back = dict.fromkeys(names, "better")
    assert _verdicts(compare(after, before), "unknown") == {**back, "messages_in": "changed"}


def test_comparison_ignores_changes_below_the_chosen_size() -> None:
    """Comparison of two time ranges ignores a constant change of 5 % by default, and reports it
    when the caller sets a limit of 2 %.
    """

    def more(values: dict[str, Any], rng: random.Random) -> None:
        values["memory"] = round(values["memory"] * 1.05)

    before, after = _stretch(1), _stretch(2, more)
    assert "memory" not in _verdicts(compare(before, after))
    assert _verdicts(compare(before, after, least=0.02), "unknown") == {"memory": "worse"}


def test_compared_rates_divide_by_the_measured_time() -> None:
    """Comparison of two time ranges computes a rate as the count divided by the measured duration
    of the ticks, not by whole seconds.
    """
    (rate,) = [d for d in compare(_stretch(1), _stretch(2)) if d.measure.key == "messages_in"]
    assert rate.before is not None
    assert 990 < rate.before < 1010


def test_compared_quantiles_are_those_of_the_whole_range() -> None:
    """Comparison of two time ranges computes a quantile from all values in a range, not as the
    average of the quantiles of single seconds.
    """
    before = _stretch(1)
    (p99,) = [d for d in compare(before, _stretch(2)) if d.measure.key == "rtt_p99"]
    (merged,) = before.merged.columns["rtt_p99"]
    assert p99.before == merged
    seconds = [value for value in before.points.columns["rtt_p99"] if value is not None]
    assert merged != sum(seconds) / len(seconds)


def test_comparison_of_an_unknown_value_is_unknown() -> None:
    """Comparison of two time ranges has the verdict "unknown" when a value is null in one of
    the ranges.
    """

    def unknown(values: dict[str, Any], rng: random.Random) -> None:
        values["cpu"] = None

    (cpu,) = [d for d in compare(_stretch(1), _stretch(2, unknown)) if d.measure.key == "cpu"]
    assert (cpu.verdict, cpu.after, cpu.change) == ("unknown", None, None)
    assert [text.split()[0] for text in cpu.texts()[1:]] == ["–", "–"]


def test_comparison_finds_no_difference_between_single_seconds() -> None:
    """Comparison of one second with one second finds no difference, whatever their values."""

    def many(values: dict[str, Any], rng: random.Random) -> None:
        values["errors"] = 1000

    found = compare(_stretch(1, seconds=1), _stretch(2, many, seconds=1))
    assert _verdicts(found, "unknown") == {}


def test_comparison_lists_close_causes_of_both_ranges() -> None:
    """Comparison of two time ranges lists each close cause with its count in both ranges, and 0
    where a range has none.
    """
    before = _stretch(1, ended={"reset": 3, "normal": 2})
    after = _stretch(2, ended={"normal": 5, "ping timeout": 1})
    assert list(causes(before, after)) == [
        ("normal", 2, 5),
        ("ping timeout", 0, 1),
        ("reset", 3, 0),
    ]
