"""Histograms and their recorders: buckets, quantiles, merging."""

from __future__ import annotations

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from rtmon.metrics.histogram import (
    BYTE,
    EMPTY,
    UNSORTED,
    Histogram,
    HistogramRecorder,
    bucket,
    bucket_bounds,
)

seconds = st.lists(st.floats(min_value=0, max_value=3600), max_size=200)


def _record(values: list[float]) -> Histogram:
    recorder = HistogramRecorder()
    for value in values:
        recorder.record(value)
    return recorder.take()


@given(st.integers(min_value=0, max_value=10**15))
def test_bucket_bounds_contain_their_values(steps: int) -> None:
    """A value is within the bounds of its bucket, whose width is at most 1/16 of the value."""
    first, end = bucket_bounds(bucket(steps))
    assert first <= steps < end
    assert end - first <= max(1, first / 16)


@given(st.integers(min_value=0, max_value=10**9))
def test_buckets_are_in_the_order_of_their_values(steps: int) -> None:
    """A larger value is never in a lower bucket."""
    assert bucket(steps) <= bucket(steps + 1) <= bucket(steps) + 1


@given(seconds.filter(bool), st.floats(min_value=0.01, max_value=1))
def test_quantile_is_within_a_thirty_second_of_the_exact_one(values: list[float], q: float) -> None:
    """A quantile differs from the exact one by at most half a bucket and half a microsecond."""
    exact = sorted(values)[max(1, math.ceil(q * len(values) - 1e-9)) - 1]
    found = _record(values).quantile(q)
    assert found is not None
    assert abs(found - exact) <= exact / 32 + 1.1e-6


@given(st.lists(seconds, max_size=5))
def test_merged_histogram_equals_one_of_all_values(parts: list[list[float]]) -> None:
    """Merging the histograms of several seconds gives the histogram of all their values."""
    together = _record([value for part in parts for value in part])
    assert Histogram.merged(_record(part) for part in parts) == together


@given(seconds)
def test_histogram_equals_itself_when_read_back_from_text(values: list[float]) -> None:
    """A histogram parsed from its sparse text is equal to the original."""
    histogram = _record(values)
    assert Histogram.parse(str(histogram)) == histogram
    assert histogram.count == len(values)


def test_quantile_is_null_when_there_are_no_values() -> None:
    """The quantile of an empty histogram is unknown, not 0."""
    assert EMPTY.quantile(0.95) is None


def test_recorder_is_empty_after_take() -> None:
    """Values counted in one Sample are not in the next."""
    recorder = HistogramRecorder()
    recorder.record(0.5)
    assert recorder.peek().count == 1
    assert recorder.take().sum == 0.5
    assert recorder.take() == EMPTY


@settings(max_examples=20)
@given(
    st.lists(st.integers(0, 3 * UNSORTED), max_size=50),
    st.sampled_from([0, UNSORTED - 1, UNSORTED, 2 * UNSORTED + 1]),
)
def test_recorder_is_bounded_when_it_is_never_emptied(some: list[int], more: int) -> None:
    """A recorder holds a bounded number of integers however many distinct values it gets, and
    its histogram has all of them.
    """
    recorder, plain = HistogramRecorder(BYTE), HistogramRecorder(BYTE)
    for value in [*some, *range(more)]:
        recorder.record(value)
        plain.steps[value] += 1
        assert len(recorder.steps) < UNSORTED
    assert recorder.peek() == plain.peek()
    assert recorder.take() == plain.take()
    assert recorder.take().count == 0


def test_stopped_recorder_keeps_nothing() -> None:
    """Values added to a stopped recorder, by any method, are dropped."""
    recorder = HistogramRecorder()
    recorder.record(1.0)
    recorder.stop()
    for _ in range(2):
        recorder.record(2.0)
        recorder.steps[7] += 1
        assert len(recorder.steps) == 0
        assert recorder.take() == EMPTY
