"""Queries for chart points, rows, groups and details, on every kind of feed."""

from __future__ import annotations

from typing import Any

import pytest

from rtmon.errors import QueryError
from rtmon.feeds.queries import (
    LEVELS,
    SERIES_COLUMNS,
    DetailQuery,
    GroupQuery,
    RowsQuery,
    SeriesAnswer,
    SeriesQuery,
)
from rtmon.metrics.history import merge
from rtmon.metrics.meter import Ending
from rtmon.recording import RecordingFeed
from tests.feeds.rigs import Rig, ready


async def _run(rig: Rig, ticks: int) -> None:
    """Tick once per second, with different traffic in each second."""
    meter = rig.connection("ada")
    for number in range(ticks):
        for _ in range(number % 7):
            meter.received(100 * number)
        rig.monitor.collector.rtt(meter, 0.001 * (number % 13 + 1))
        rig.clock.advance(1.0)
        if number % 50 == ticks % 50 or number == ticks - 1:
            await rig.tick()
        else:
            rig.monitor.tick()


@pytest.mark.parametrize("level", LEVELS)
async def test_chart_points_equal_the_merged_samples_of_their_ticks(rig: Rig, level: int) -> None:
    """Chart point of a Monitor feed equals, in every column and quantile, the merged samples of the
    ticks that the point covers, at each resolution.
    """
    await ready(rig)
    await _run(rig, 125)
    answer = await rig.feed.query(SeriesQuery(level=level))
    samples = rig.monitor.collector.history.samples()
    whole = len(samples) - len(samples) % level
    merged = [merge(samples[start : start + level]) for start in range(0, whole, level)]
    assert (answer.level, set(answer.ticks)) == (level, {level})
    assert answer.seqs == [sample.seq for sample in merged]
    assert answer.elapsed == [sample.elapsed for sample in merged]
    assert set(answer.epochs) == {rig.monitor.epoch}
    for name in SERIES_COLUMNS:
        assert answer.columns[name] == [getattr(sample, name) for sample in merged], name
    assert len(set(answer.columns["rtt_p95"])) > 1 or len(answer) < 3
    assert answer.gaps == []


@pytest.mark.parametrize("level", LEVELS)
async def test_chart_points_have_the_lowest_and_highest_value_of_their_ticks(
    rig: Rig, level: int
) -> None:
    """Chart point that covers several ticks has the lowest and the highest rate or gauge of any of
    these ticks.
    """
    await ready(rig)
    await _run(rig, 125)
    answer = await rig.feed.query(SeriesQuery(level=level, extremes=True))
    if level == 1:
        assert answer.extremes == {}
        return
    samples = rig.monitor.collector.history.samples()
    for name in ("messages_in", "bytes_in", "peak", "rejected"):
        values = [getattr(s, name) / (1 if name == "peak" else s.elapsed) for s in samples]
        parts = [values[start : start + level] for start in range(0, len(answer) * level, level)]
        lows, highs = answer.extremes[name]
        assert lows == pytest.approx([min(part) for part in parts]), name
        assert highs == pytest.approx([max(part) for part in parts]), name
    assert "rtt_p95" not in answer.extremes
    asked = SeriesQuery(level=level, columns=("peak",), extremes=True)
    assert list((await rig.feed.query(asked)).extremes) == ["peak"]


async def test_series_query_returns_only_the_requested_columns_and_time_range(rig: Rig) -> None:
    """Feed query for chart points returns only the requested columns, and the points from the
    first to the last second of the range.
    """
    await ready(rig)
    await _run(rig, 30)
    begin = rig.monitor.collector.history.samples()[9].time
    answer = await rig.feed.query(
        SeriesQuery(columns=("open", "rtt_p50"), since=begin, until=begin + 4)
    )
    assert list(answer.columns) == ["open", "rtt_p50"]
    assert answer.seqs == [10, 11, 12, 13, 14]


@pytest.mark.parametrize(("points", "level"), [(1000, 1), (125, 1), (124, 10), (12, 10), (5, 60)])
async def test_series_query_uses_the_finest_resolution_within_the_requested_points(
    rig: Rig, points: int, level: int
) -> None:
    """Feed query for chart points uses the finest resolution that needs no more points than
    requested, or the coarsest resolution when even this one needs more points.
    """
    await ready(rig)
    await _run(rig, 125)
    answer = await rig.feed.query(SeriesQuery(points=points))
    assert answer.level == level


async def test_merged_series_query_returns_one_point_of_the_whole_range(rig: Rig) -> None:
    """Feed query for chart points with ``merge`` returns one point whose quantiles are those of
    all values in the range.
    """
    await ready(rig)
    await _run(rig, 47)
    since = rig.monitor.collector.history.samples()[6].time
    answer = await rig.feed.query(SeriesQuery(since=since, merge=True))
    expected = merge(rig.monitor.collector.history.samples()[6:])
    assert (answer.level, answer.ticks, answer.seqs) == (0, [41], [47])
    for name in SERIES_COLUMNS:
        assert answer.columns[name] == [getattr(expected, name)], name


async def _people(rig: Rig) -> None:
    ada = rig.connection("ada", messages_in=1)
    ada.user, ada.remote = "u1", "127.0.0.1:1001"
    bob = rig.connection("bob", messages_in=2)
    bob.user, bob.remote = "u1", "127.0.0.2:1002"
    for seconds in (2.0, 0.5):
        rig.monitor.collector.rtt(bob, seconds)
    carl = rig.connection("carl", messages_in=3)
    carl.remote, carl.transport, carl.path = "127.0.0.1:1003", "sse", "/bob"
    dora = rig.connection("dora", messages_in=40)
    rig.clock.advance(10)
    rig.monitor.connection_closed(dora, Ending(close_code=1006, cause="ping timeout"))
    rig.monitor.tick()
    await ready(rig)


@pytest.mark.parametrize(
    ("query", "names"),
    [
        (RowsQuery(sort="messages_in"), ["dora", "carl", "bob", "ada"]),
        (RowsQuery(sort="messages_in", limit=1, offset=1), ["carl"]),
        (RowsQuery(sort="rtt", descending=False, where="state:open"), ["bob", "ada", "carl"]),
        (RowsQuery(sort="rtt_p99", where="state:open"), ["bob", "ada", "carl"]),
        (RowsQuery(where="rtt_p99>1900ms rtt<1s"), ["bob"]),
        (RowsQuery(sort="user", where="state:open"), ["ada", "bob", "carl"]),
        (RowsQuery(sort="name", where='cause:"ping timeout" code:1006'), ["dora"]),
        (RowsQuery(sort="name", where="address:127.0.0.1"), ["carl", "ada"]),
        (RowsQuery(sort="address", where="address:127.0.0.2"), ["bob"]),
        (RowsQuery(where="user:nobody"), []),
        (RowsQuery(node="another"), []),
    ],
)
async def test_rows_query_filters_sorts_and_pages_connections(
    rig: Rig, query: RowsQuery, names: list[str]
) -> None:
    """Feed query for rows returns the matching connections in the requested order and page,
    with nulls last.
    """
    await _people(rig)
    answer = await rig.feed.query(query)
    assert [row.record.name for row in answer.rows] == names
    assert {(row.node, row.epoch) for row in answer.rows} <= {("n", rig.monitor.epoch)}
    if query.limit == 1:
        assert answer.total == 4


async def test_rows_query_of_a_time_range_returns_connections_open_in_it(rig: Rig) -> None:
    """Feed query for connection rows with a time range omits connections that ended before the
    range or were opened after the range.
    """
    await _people(rig)
    closed = rig.clock.time()
    for query, names in (
        (RowsQuery(since=closed - 1), {"ada", "bob", "carl", "dora"}),
        (RowsQuery(since=closed + 1), {"ada", "bob", "carl"}),
        (RowsQuery(until=closed - 11), set()),
    ):
        answer = await rig.feed.query(query)
        assert {row.record.name for row in answer.rows} == names


async def test_rows_query_says_how_many_rows_were_discarded(rig: Rig) -> None:
    """Answer to a rows query gives the number of kept rows and the number of closed connections
    that the server's bounded table has discarded.
    """
    rig.monitor.collector._closed = type(rig.monitor.collector._closed)(maxlen=3)
    for number in range(5):
        meter = rig.connection(f"n{number}")
        rig.monitor.tick()
        rig.monitor.connection_closed(meter, Ending(close_code=1000))
        rig.monitor.tick()
    await ready(rig)
    answer = await rig.feed.query(RowsQuery(where="state:closed"))
    kept = 5 if isinstance(rig.feed, RecordingFeed) else 3
    assert (answer.total, answer.kept, answer.forgotten) == (kept, kept, 5 - kept)
    events = await rig.feed.query(RowsQuery(table="events", where="kind:closed", limit=2))
    assert (events.total, events.kept, events.forgotten) == (5, 10, 0)
    assert [row.record.name for row in events.rows] == ["n4", "n3"]


async def test_group_query_sums_the_counts_of_connections_in_each_group(rig: Rig) -> None:
    """Feed query for groups sums counts and takes the greatest latency per group, and merges
    groups above the limit into one.
    """
    await _people(rig)
    users = await rig.feed.query(GroupQuery(by="user"))
    assert [(g.key, g.open, g.closed) for g in users.groups] == [("u1", 2, 0), (None, 1, 1)]
    assert users.groups[0].sums["messages_in"] == 3
    greatest = users.groups[0].greatest
    assert (greatest["rtt"], greatest["queue_age"]) == (0.5, None)
    assert greatest["rtt_p99"] == pytest.approx(2.0, rel=1 / 32)
    slowest = await rig.feed.query(GroupQuery(by="path", sort="rtt_p99", limit=1))
    assert slowest.groups[0].key == "/bob"
    few = await rig.feed.query(GroupQuery(by="address", sort="messages_in", limit=1))
    assert few.total == 3
    assert few.groups[0].key is None
    assert few.others is not None
    assert (few.others.open, few.others.sums["messages_in"]) == (3, 6)
    paths = await rig.feed.query(GroupQuery(by="path", where="state:open", sort="key"))
    assert [g.key for g in paths.groups] == ["/bob", "/ada"]
    assert paths.groups[0].open == 2
    causes = await rig.feed.query(GroupQuery(by="cause", where="state:closed", sort="closed"))
    assert [(g.key, g.closed) for g in causes.groups] == [("ping timeout", 1)]


async def test_detail_query_returns_the_row_and_events_of_a_connection(rig: Rig) -> None:
    """Feed query for details returns a connection's row and events, and no row when the id or
    server run is unknown.
    """
    await _people(rig)
    found = await rig.feed.query(RowsQuery(where="name:dora"))
    identity = found.rows[0].record.id
    detail = await rig.feed.query(DetailQuery(connection=identity))
    assert detail.info == found.rows[0].record
    assert [event.kind for event in detail.events] == ["opened", "closed"]
    assert detail.source.epoch == rig.monitor.epoch
    assert (await rig.feed.query(DetailQuery(connection="c999"))).info is None
    other = DetailQuery(connection=identity, epoch="another")
    assert (await rig.feed.query(other)).info is None


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        (SeriesQuery(columns=("rtt",)), "no series 'rtt'; there are"),
        (SeriesQuery(level=7), "points of 1, 10 or 60 ticks"),
        (SeriesQuery(points=0), "from 1 to"),
        (RowsQuery(where="rttt>3"), "no column 'rttt'"),
        (RowsQuery(sort="rttt"), "connections have no such column"),
        (RowsQuery(limit=1_000_000), "at most 50,000 rows"),
        (RowsQuery(offset=-1), "an offset from 0"),
        (GroupQuery(by="color"), "grouped by path, user, address, transport"),  # type: ignore[arg-type]
        (GroupQuery(by="path", sort="color"), "groups are sorted by open"),
        (GroupQuery(by="path", where="("), None),
    ],
)
async def test_wrong_query_raises_query_error_that_names_the_fault(
    rig: Rig, query: Any, problem: str | None
) -> None:
    """Feed query with a wrong column, level, limit or group raises QueryError that names the
    fault, and any search text is accepted.
    """
    await _people(rig)
    if problem is None:
        assert (await rig.feed.query(query)).total == 0
        return
    with pytest.raises(QueryError, match=problem):
        await rig.feed.query(query)


async def test_queries_return_empty_answers_before_the_first_tick(rig: Rig) -> None:
    """Feed queries return empty answers and raise nothing before the first tick."""
    await ready(rig)
    series: SeriesAnswer = await rig.feed.query(SeriesQuery())
    assert (len(series), series.source.seq) == (0, 0)
    assert len(await rig.feed.query(SeriesQuery(merge=True))) == 0
    assert (await rig.feed.query(RowsQuery())).total == 0
    assert (await rig.feed.query(GroupQuery(by="path"))).total == 0
    assert rig.feed.capabilities.live
    assert rig.feed.capabilities.since is None


async def test_listener_is_called_with_each_new_sample_until_it_is_removed(rig: Rig) -> None:
    """Listener of a Monitor feed is called with each new sample until the listener is removed."""
    await ready(rig)
    seqs: list[int] = []
    end = rig.feed.listen(lambda sample: seqs.append(sample.seq))
    await rig.tick()
    await rig.tick()
    assert seqs == [1, 2]
    end()
    await rig.tick()
    assert seqs == [1, 2]


async def test_groups_of_equal_rank_are_in_the_order_of_their_keys(rig: Rig) -> None:
    """Every feed returns groups with equal sort values in the order of their keys."""
    for path in ("/b", "/d", "/a", "/c"):
        rig.connection("ada", path=path)
    rig.connection("bob", path="/d")
    rig.monitor.tick()
    await ready(rig)
    for descending, first in ((True, ["/d"]), (False, [])):
        answer = await rig.feed.query(GroupQuery(by="path", descending=descending))
        last = [] if first else ["/d"]
        assert [group.key for group in answer.groups] == [*first, "/a", "/b", "/c", *last]
