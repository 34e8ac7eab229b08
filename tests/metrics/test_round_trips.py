"""Round-trip times of one connection: quantiles and memory."""

from __future__ import annotations

import sys

from hypothesis import given
from hypothesis import strategies as st

from rtmon.metrics import round_trips
from rtmon.metrics.collector import Collector
from rtmon.metrics.histogram import HistogramRecorder


@given(
    st.lists(st.floats(min_value=0, max_value=3600), max_size=250),
    st.floats(min_value=0.01, max_value=1),
)
def test_quantile_is_that_of_the_latest_hundred_round_trips(seconds: list[float], q: float) -> None:
    """Only the latest hundred round trips count, with equal weight."""
    kept = b""
    recorder = HistogramRecorder()
    for each in seconds:
        kept = round_trips.added(kept, each)
    for each in seconds[-100:]:
        recorder.record(each)
    assert round_trips.quantile(kept, q) == recorder.take().quantile(q)


def test_round_trips_take_less_than_three_hundred_bytes_of_a_connection() -> None:
    """A connection's round trips take bounded memory after any number of pings, and none before
    the first.
    """
    collector = Collector(node="n", epoch="e", now=0.0)
    meter = collector.meter()
    assert (meter.round_trips, meter.rtt_p99) == (b"", None)
    for number in range(1000):
        collector.rtt(meter, number * 0.01)
    slots = 2 * 8
    assert sys.getsizeof(meter.round_trips) + sys.getsizeof(meter.rtt_p99) + slots < 300


def test_p99_is_the_longest_of_a_few_round_trips() -> None:
    """The p99 of a few round trips is the longest, even when the last one was short."""
    collector = Collector(node="n", epoch="e", now=0.0)
    meter = collector.meter()
    for seconds in (0.002, 0.8, 0.001):
        collector.rtt(meter, seconds)
    info = meter.info()
    assert info.rtt == 0.001
    assert info.rtt_p99 is not None
    assert abs(info.rtt_p99 - 0.8) < 0.8 / 32
