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
def test_histogram_bucket_contains_its_value_and_is_narrow(steps: int) -> None:
    """Histogram bucket contains its value, and its width is at most 1/16 of the value."""
    first, end = bucket_bounds(bucket(steps))
    assert first <= steps < end
    assert end - first <= max(1, first / 16)


@given(st.integers(min_value=0, max_value=10**9))
def test_consecutive_integers_are_in_the_same_or_adjacent_histogram_buckets(steps: int) -> None:
    """Integers n and n + 1 are in the same histogram bucket or in adjacent buckets."""
    assert bucket(steps) <= bucket(steps + 1) <= bucket(steps) + 1


@given(seconds.filter(bool), st.floats(min_value=0.01, max_value=1))
def test_histogram_quantile_differs_from_the_exact_one_by_at_most_1_in_32(
    values: list[float], q: float
) -> None:
    """Histogram quantile differs from the exact quantile by at most 1/32 of its value and about a
    microsecond.
    """
    exact = sorted(values)[max(1, math.ceil(q * len(values) - 1e-9)) - 1]
    found = _record(values).quantile(q)
    assert found is not None
    assert abs(found - exact) <= exact / 32 + 1.1e-6


@given(st.lists(seconds, max_size=5))
def test_merged_histogram_equals_the_histogram_of_all_values(parts: list[list[float]]) -> None:
    """Merged histogram of several parts equals the histogram of all their values."""
    together = _record([value for part in parts for value in part])
    assert Histogram.merged(_record(part) for part in parts) == together


@given(seconds)
def test_histogram_read_back_from_its_text_is_equal(values: list[float]) -> None:
    """Histogram that is parsed from its own text equals the original."""
    histogram = _record(values)
    assert Histogram.parse(str(histogram)) == histogram
    assert histogram.count == len(values)


def test_histogram_quantile_is_null_when_there_are_no_values() -> None:
    """Quantile of an empty histogram is null, not 0."""
    assert EMPTY.quantile(0.95) is None


def test_histogram_recorder_is_empty_after_take() -> None:
    """Histogram recorder is empty after take(), so no value is counted in two samples."""
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
def test_histogram_recorder_holds_a_limited_number_of_values_without_loss(
    some: list[int], more: int
) -> None:
    """Histogram recorder keeps a limited number of unsorted values, and its histogram still
    contains all values.
    """
    recorder, plain = HistogramRecorder(BYTE), HistogramRecorder(BYTE)
    for value in [*some, *range(more)]:
        recorder.record(value)
        plain.steps[value] += 1
        assert len(recorder.steps) < UNSORTED
    assert recorder.peek() == plain.peek()
    assert recorder.take() == plain.take()
    assert recorder.take().count == 0


def test_stopped_histogram_recorder_drops_new_values() -> None:
    """Histogram recorder that was stopped drops every value added after the stop."""
    recorder = HistogramRecorder()
    recorder.record(1.0)
    recorder.stop()
    for _ in range(2):
        recorder.record(2.0)
        recorder.steps[7] += 1
        assert len(recorder.steps) == 0
        assert recorder.take() == EMPTY
