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
def test_connection_quantile_is_computed_from_the_latest_100_round_trips(
    seconds: list[float], q: float
) -> None:
    """Quantile of a connection's round trips is computed from the latest 100 round trips only."""
    kept = b""
    recorder = HistogramRecorder()
    for each in seconds:
        kept = round_trips.added(kept, each)
    for each in seconds[-100:]:
        recorder.record(each)
    assert round_trips.quantile(kept, q) == recorder.take().quantile(q)


def test_connection_keeps_its_round_trips_in_less_than_300_bytes() -> None:
    """Connection stores its round trips in less than 300 bytes after 1,000 pings, and stores an
    empty value before the first ping.
    """
    collector = Collector(node="n", epoch="e", now=0.0)
    meter = collector.meter()
    assert (meter.round_trips, meter.rtt_p99) == (b"", None)
    for number in range(1000):
        collector.rtt(meter, number * 0.01)
    slots = 2 * 8
    assert sys.getsizeof(meter.round_trips) + sys.getsizeof(meter.rtt_p99) + slots < 300


def test_p99_of_three_round_trips_is_the_longest_of_them() -> None:
    """Connection's p99 of three round trips is the longest of them, although the last one was
    short.
    """
    collector = Collector(node="n", epoch="e", now=0.0)
    meter = collector.meter()
    for seconds in (0.002, 0.8, 0.001):
        collector.rtt(meter, seconds)
    info = meter.info()
    assert info.rtt == 0.001
    assert info.rtt_p99 is not None
    assert abs(info.rtt_p99 - 0.8) < 0.8 / 32
