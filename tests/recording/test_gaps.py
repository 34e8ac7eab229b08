"""Gaps in a recording: times without numbers, and their reasons."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rtmon.feeds import series_queries
from rtmon.feeds.queries import Gap, RowsQuery, SeriesQuery
from rtmon.metrics.records import Event, Sample
from rtmon.recording.query_reader import QueryReader
from rtmon.recording.tick_data import TickData
from rtmon.recording.tick_writer import Writer
from rtmon.testing import FakeClock

BEGIN = 1_700_000_000.0

DROPPED = Gap(since=BEGIN + 20, until=BEGIN + 40, reason="ticks were dropped")
RESTART = Gap(since=BEGIN + 100, until=BEGIN + 149, reason=series_queries.RESTARTED)


def _record(path: Path, epoch: str, ticks: range, *, begin: float) -> None:
    """Record these ticks of a server run, with one event in each."""
    writer = Writer(path, clock=FakeClock(time=begin))
    writer.begin("n", epoch)
    for seq in ticks:
        time = begin + seq
        sample = Sample(node="n", epoch=epoch, seq=seq, time=time, elapsed=1.0)
        writer.write(TickData(sample=sample, events=[Event(seq=seq, time=time, kind="note")]))
    writer.end([])
    writer.close()


@pytest.fixture
def reader(tmp_path: Path) -> Any:
    """Write a recording with 20 dropped ticks in one server run and a restart after it; open a
    reader.
    """
    path = tmp_path / "run.rtmon"
    _record(path, "e1", range(1, 21), begin=BEGIN)
    _record(path, "e1", range(41, 101), begin=BEGIN)
    _record(path, "e2", range(1, 21), begin=BEGIN + 149)
    reader = QueryReader(path)
    yield reader
    reader.close()


@pytest.mark.parametrize("level", [1, 10, 60])
def test_series_of_a_recording_lists_each_gap_once_at_every_resolution(
    reader: QueryReader, level: int
) -> None:
    """Answer to a series query of a recording lists each gap (dropped ticks, a restart) once with
    its reason, at every resolution.
    """
    answer: Any = reader.answer(SeriesQuery(level=level))
    assert list(answer.gaps) == [DROPPED, RESTART]


def test_merged_point_of_a_recording_lists_the_gaps_in_its_range(reader: QueryReader) -> None:
    """Answer to a series query of a recording that merges a time range into one point lists only
    the gaps within this range.
    """
    answer: Any = reader.answer(SeriesQuery(merge=True, since=BEGIN + 10, until=BEGIN + 90))
    assert list(answer.gaps) == [DROPPED]
    assert answer.ticks == [11 + 50]


@pytest.mark.parametrize("table", ["events", "connections"])
def test_rows_of_a_recording_list_the_gaps_in_their_range(reader: QueryReader, table: Any) -> None:
    """Answer to a recording's rows query lists the gaps within the time range of the query, and no
    gap when the query asks for another node.
    """
    whole: Any = reader.answer(RowsQuery(table=table))
    assert list(whole.gaps) == [DROPPED, RESTART]
    part: Any = reader.answer(RowsQuery(table=table, since=BEGIN + 50))
    assert list(part.gaps) == [RESTART]
    other: Any = reader.answer(RowsQuery(table=table, node="other"))
    assert list(other.gaps) == []


def test_recording_gives_the_last_tick_of_the_old_run_until_the_new_run_ticks(
    reader: QueryReader,
) -> None:
    """Recording that is read at a moment after a server restart gives the last tick of the old
    server run until the new run has made its first tick.
    """
    restart = reader.epochs()[-1].wall
    assert [reader.source(at).epoch for at in (restart + 0.5, restart + 1)] == ["e1", "e2"]
    assert reader.source(restart + 0.5).seq == 100
