"""The collector: samples, snapshots, rows, history and time windows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtmon.metrics.collector import Collector
from rtmon.metrics.columns import CONNECTION, EVERY, HISTOGRAMS, METER_COUNTERS, SAMPLE, names
from rtmon.metrics.event_log import EVENTS_PER_TICK
from rtmon.metrics.histogram import HistogramRecorder
from rtmon.metrics.history import History, merge
from rtmon.metrics.meter import Ending, Meter
from rtmon.metrics.records import Event, Sample, Snapshot
from rtmon.monitor.dataframes import frame

SERVER_COUNTERS = ("opened", "closed", "rejected", "http_requests", *METER_COUNTERS)
SIZED = ("messages_in", "messages_out", "bytes_in", "bytes_out")
CODES = st.sampled_from([1000, 1001, 1006, 1011])


def _collector(**options: Any) -> Collector:
    return Collector(node="node", epoch="epoch", now=0.0, **options)


def _connection(collector: Collector, now: float = 0.0) -> Meter:
    meter = collector.meter()
    collector.opened(meter, now, now)
    return meter


def _count(meter: Meter, **amounts: int) -> None:
    for name, amount in amounts.items():
        if name in SIZED:
            for _ in range(amount if name.startswith("messages") else 1):
                size = 7 if name.startswith("messages") else amount
                (meter.received if name.endswith("in") else meter.sent)(size)
        else:
            meter.bump(name, amount)


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("open")),
            st.tuples(st.just("close"), st.integers(0, 9), CODES),
            st.tuples(st.just("reject")),
            st.tuples(st.just("http")),
            st.tuples(
                st.just("count"),
                st.integers(0, 9),
                st.sampled_from(METER_COUNTERS),
                st.integers(0, 20),
            ),
            st.tuples(st.just("rtt"), st.integers(0, 9), st.floats(0, 10)),
            st.tuples(st.just("tick")),
        ),
        max_size=60,
    )
)
def test_samples_sum_to_the_snapshot(steps: list[tuple[Any, ...]]) -> None:
    """Counts of all Monitor samples sum to the snapshot's totals after any sequence of actions, and
    opened minus closed connections equals open ones.
    """
    c = _collector()
    alive: list[Meter] = []
    now = 0.0
    samples: list[Sample] = []
    for kind, *arguments in steps:
        now += 0.1
        if kind == "open":
            alive.append(_connection(c, now))
        elif kind == "reject":
            meter = c.meter()
            _count(meter, wire_in=17)
            c.rejected(meter, now, status=403, detail="no")
        elif kind == "http":
            c.http_request()
        elif kind == "tick":
            samples.append(c.tick(now, now).sample)
        elif alive:
            meter = alive[arguments[0] % len(alive)]
            if kind == "close":
                alive.remove(meter)
                c.closed(meter, now, now, Ending(close_code=arguments[1]))
            elif kind == "count":
                _count(meter, **{arguments[1]: arguments[2]})
            else:
                c.rtt(meter, arguments[1])
    live = c.snapshot(now, now)
    samples.append(c.tick(now + 1, now + 1).sample)
    published = c.published()
    assert published is not None
    _agree(samples, published, live)
    assert published.opened - published.closed == published.open == len(alive)
    rows = c.connections()
    for name in METER_COUNTERS:
        unlisted = 17 * published.rejected if name == "wire_in" else 0
        assert sum(getattr(row, name) for row in rows) + unlisted == getattr(published, name)


def _agree(samples: list[Sample], published: Snapshot, live: Snapshot) -> None:
    for name in SERVER_COUNTERS:
        total = sum(getattr(sample, name) for sample in samples)
        assert total == getattr(published, name) == getattr(live, name), name
        assert all(getattr(sample, name) >= 0 for sample in samples), name
    assert merge(samples).close_codes == published.close_codes == live.close_codes
    for histogram in HISTOGRAMS:
        whole = getattr(merge(samples), histogram.name)
        assert whole == getattr(published, histogram.name) == getattr(live, histogram.name)
    for sample in samples:
        assert (sample.messages_in, sample.bytes_in) == (sample.size_in.count, sample.size_in.sum)
        assert sample.peak >= sample.open >= 0
    assert published.peak == max(sample.peak for sample in samples)
    assert [sample.seq for sample in samples] == list(range(1, len(samples) + 1))


def test_tick_lists_new_and_closed_connections_in_the_tables() -> None:
    """Connections table does not list a new connection before a tick, and shows a closed one with
    its last values at the tick after its close.
    """
    c = _collector()
    meter = _connection(c)
    assert c.connections() == []
    c.tick(1, 1)
    _count(meter, messages_in=3)
    meter.name = "ada"
    c.closed(meter, 2, 2, Ending(close_code=1000))
    c.tick(3, 3)
    (row,) = c.connections()
    assert (row.state, row.messages_in, row.name, row.close_code) == ("closed", 3, "ada", 1000)


def test_tick_reads_only_connections_that_changed() -> None:
    """Monitor tick reads only the connections that changed since the tick before, and skips an idle
    connection.
    """
    c = _collector()
    idle, busy = _connection(c), _connection(c)
    c.tick(1, 1)
    _count(busy, messages_in=1)
    tick = c.tick(2, 2)
    assert tick.meters == (busy,)
    assert idle not in tick.meters


def test_connection_opened_and_closed_between_two_ticks_is_counted() -> None:
    """Connection that opens and closes between two ticks is counted as opened and as closed, and
    has a row.
    """
    c = _collector()
    meter = _connection(c)
    c.closed(meter, 0.5, 0.5, Ending(close_code=1006))
    tick = c.tick(1, 1)
    assert (tick.sample.opened, tick.sample.closed, tick.sample.open) == (1, 1, 0)
    assert tick.sample.peak == 1
    assert tick.closed == (meter,)
    assert [row.state for row in c.connections()] == ["closed"]


def test_connection_is_counted_as_closed_once_when_its_end_is_reported_twice() -> None:
    """Connection whose end is reported twice is counted as closed once."""
    c = _collector()
    meter = _connection(c)
    for _ in range(2):
        c.closed(meter, 1, 1, Ending(close_code=1000))
    assert c.tick(1, 1).sample.closed == 1


def test_client_connection_is_not_in_the_server_totals() -> None:
    """Connection with the role "client" has its own row, and is not counted in the server's
    totals.
    """
    c = _collector()
    meter = c.meter(role="client")
    c.opened(meter, 0, 0)
    _count(meter, messages_out=5)
    sample = c.tick(1, 1).sample
    assert (sample.open, sample.opened, sample.messages_out) == (0, 0, 0)
    (row,) = c.connections()
    assert (row.role, row.messages_out) == ("client", 5)


def test_sample_rate_uses_the_real_time_between_ticks() -> None:
    """Rate of a Monitor's sample divides the count by the real time between two ticks when a
    tick is late.
    """
    c = _collector()
    meter = _connection(c)
    _count(meter, messages_in=40)
    assert c.tick(4.0, 4.0).sample.rate("messages_in") == 10.0


def test_rates_and_durations_stay_when_the_wall_clock_jumps() -> None:
    """Rates and connection durations stay correct when the wall clock jumps, since they use the
    monotonic clock.
    """
    c = _collector()
    meter = _connection(c)
    c.tick(1.0, 1_000.0)
    _count(meter, messages_in=10)
    meter.last = 1.5
    sample = c.tick(2.0, 1_000.0 - 3600).sample
    assert (sample.elapsed, sample.rate("messages_in")) == (1.0, 10.0)
    c.closed(meter, 3.0, 9_999.0, Ending(close_code=1000))
    c.tick(4.0, 4.0)
    (row,) = c.connections()
    assert row.closed is not None
    assert row.last_activity is not None
    assert row.closed - row.opened == 3.0
    assert row.last_activity - row.opened == 1.5


def test_sample_rate_is_null_when_no_time_has_passed() -> None:
    """Rate of a Monitor's sample is null when no time has passed between two ticks."""
    c = _collector()
    _count(_connection(c), messages_in=1)
    assert c.tick(0.0, 0.0).sample.rate("messages_in") is None


def test_tick_limits_its_events_and_counts_those_dropped() -> None:
    """Monitor tick keeps a limited number of events, and adds one event with the number of
    dropped ones.
    """
    c = _collector()
    for _ in range(EVENTS_PER_TICK + 5):
        _connection(c)
    events = c.tick(1, 1).events
    assert len(events) == EVENTS_PER_TICK + 1
    assert events[-1].kind == "events dropped"
    assert events[-1].detail == "5 more in one tick"


def test_closed_connections_table_drops_its_oldest_row_when_full() -> None:
    """Table of closed connections drops its oldest row when it is full."""
    c = _collector(closed_kept=3)
    for _ in range(5):
        c.closed(_connection(c), 1, 1, Ending(close_code=1000))
    c.tick(1, 1)
    assert [row.id for row in c.connections()] == ["c3", "c4", "c5"]


def test_names_and_event_details_are_shortened_to_256_bytes_of_valid_text() -> None:
    """Connection names and event details of any content become valid Unicode text of at most
    256 bytes.
    """
    c = _collector()
    meter = _connection(c)
    meter.name = "\ud800" + "x" * 10_000
    c.events.add("error", 0.0, meter=meter, detail="\udfff" * 1000)
    meter.mark()
    event = c.tick(1, 1).events[-1]
    (row,) = c.connections()
    for text in (row.name, event.name, event.detail):
        assert text is not None
        assert len(text.encode()) <= 256


@pytest.mark.parametrize(("name", "shown"), [(7, "7"), (b"ada", "b'ada'"), (("a", 1), "('a', 1)")])
def test_name_of_another_type_becomes_text(name: Any, shown: str) -> None:
    """Connection name that is not a string, such as a number, becomes text in rows and events."""
    c = _collector()
    meter = _connection(c)
    meter.name = name
    c.closed(meter, 1, 1, Ending(close_code=1000))
    event = c.tick(1, 1).events[-1]
    assert ([row.name for row in c.connections()], event.name) == ([shown], shown)


def _sample(seq: int) -> Sample:
    return Sample(node="n", epoch="e", seq=seq, time=seq, elapsed=1.0, messages_in=seq)


def test_history_keeps_the_newest_samples_and_merges_older_ones() -> None:
    """Sample history keeps a limited number of the newest samples and events, keeps merged samples
    for longer, and returns only samples and events with a number above ``since``.
    """
    history = History(seconds=5, events=4, every=2, coarse=2)
    for seq in range(1, 9):
        history.add(_sample(seq), [Event(seq=seq, time=seq, kind="x")])
    assert [s.seq for s in history.samples()] == [4, 5, 6, 7, 8]
    assert [s.seq for s in history.samples(since=6)] == [7, 8]
    assert [e.seq for e in history.events(since=2)] == [5, 6, 7, 8]
    assert [(s.seq, s.messages_in, s.elapsed) for s in history.coarse()] == [(6, 11, 2), (8, 15, 2)]


def test_window_has_connects_disconnects_and_net_change() -> None:
    """Time window of any length counts the connections opened and the connections closed within it,
    and gives the difference of both counts.
    """
    history = History(seconds=10, every=2)
    assert history.window(60) is None
    for seq in range(1, 21):
        history.add(replace(_sample(seq), opened=2, closed=1))
    for seconds, ticks in ((1, 1), (2.5, 3), (10, 10), (11, 12), (1e9, 20)):
        window = history.window(seconds)
        assert window is not None
        assert (window.opened, window.closed, window.net) == (2 * ticks, ticks, ticks), seconds


def test_long_window_holds_every_tick_once() -> None:
    """Time window over single and merged samples contains each tick exactly once."""
    history = History(seconds=10, every=4)
    for seq in range(1, 41):
        history.add(replace(_sample(seq), opened=1))
        window = history.window(1e9)
        assert window is not None
        assert (window.opened, window.elapsed) == (seq, seq)


def test_row_has_the_columns_of_its_table() -> None:
    """Connection's row follows the column order of its table, and columns that its probe does not
    measure are null.
    """
    c = _collector()
    for probe in EVERY:
        meter = c.meter(probe=probe)
        c.opened(meter, 0, 0)
        meter.received(5)
        meter.sent(7)
        info = meter.info()
        assert meter.row() == [getattr(info, name) for name in names(CONNECTION, derived=False)]
        assert (info.messages_in, info.bytes_out) == (1, 7)
        unknown = {column.name for column in CONNECTION if probe not in column.probes}
        assert all(getattr(info, name) is None for name in unknown)
        assert ("wire_in" in unknown) == (probe != "websockets")


@pytest.mark.parametrize(
    "probes", [("websockets",), ("asgi",), ("socketio",), ("asgi", "socketio"), EVERY]
)
def test_column_is_null_exactly_when_no_probe_measures_it(probes: tuple[str, ...]) -> None:
    """Column of Monitor samples, windows, totals and DataFrames is null exactly when no probe
    of the server measures it.
    """
    c = _collector()
    for probe in probes:
        c.opened(c.meter(probe=probe), 0, 0)
    for second in (1, 2):
        c.tick(second, second)
    window, published = c.history.window(60), c.published()
    assert window is not None
    for column in SAMPLE:
        known = not set(probes).isdisjoint(column.probes)
        records = [*c.history.samples(), window, published, c.snapshot(3, 3)]
        for record in records:
            if not column.derived and hasattr(record, column.name):
                # No process values have been reported yet.
                absent = column.name in {"cpu", "memory", "own"}
                value = getattr(record, column.name)
                assert (value is not None) == (known and not absent), (column.name, record)
    row = frame("samples", c.history.samples()).iloc[-1]
    assert {column.name for column in HISTOGRAMS if row.isna()[column.name]} == {
        column.name for column in HISTOGRAMS if set(probes).isdisjoint(column.probes)
    }


@pytest.mark.parametrize("ready", ["asgi", "socketio", "websockets"])
def test_column_is_null_before_the_first_connection_if_the_expected_probe_cannot_measure_it(
    ready: str,
) -> None:
    """Column of a Monitor's sample is null before the first connection exactly when the probe that
    was announced to the Monitor does not measure the column.
    """
    c = _collector()
    c.expect(ready)
    assert (c.tick(1, 1).sample.wire_in is None) == (ready != "websockets")


def test_sample_has_round_trips_when_a_hub_measures_them() -> None:
    """Monitor's sample has a histogram of round trips once a hub has measured one, although the
    ASGI probe itself measures none.
    """
    c = _collector()
    meter = c.meter(probe="asgi")
    c.opened(meter, 0, 0)
    assert c.tick(1, 1).sample.rtt is None
    c.rtt(meter, 0.02)
    sample, snapshot = c.tick(2, 2).sample, c.snapshot(2, 2)
    assert sample.rtt is not None
    assert snapshot.rtt is not None
    assert (sample.rtt.count, snapshot.rtt.count, meter.info().rtt) == (1, 1, 0.02)
    assert sample.receive is None


def test_merged_sample_uses_the_samples_in_which_a_column_is_known() -> None:
    """Sample merged from several samples takes a column's values from those samples in which the
    column is known, and has null if no sample knows the column.
    """
    recorder = HistogramRecorder()
    recorder.record(0.5)
    merged = merge([replace(_sample(1), rtt=None), replace(_sample(2), rtt=recorder.take())])
    assert merged.rtt is not None
    assert (merged.rtt.count, merged.rtt_p50) == (1, pytest.approx(0.5, rel=0.04))
    unknown = merge([replace(_sample(seq), rtt=None, size_in=None) for seq in (1, 2)])
    assert (unknown.rtt, unknown.rtt_p99, unknown.size_in) == (None, None, None)
