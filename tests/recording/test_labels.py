"""Percentiles by path in a recording: of the minute before a tick, or of whole minutes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rtmon.feeds.queries import RowsQuery
from rtmon.metrics.histogram import HistogramRecorder
from rtmon.metrics.labelled_durations import Labels
from rtmon.metrics.records import Sample
from rtmon.recording.query_reader import QueryReader
from rtmon.recording.retention import RecordingLimits
from rtmon.recording.tick_data import TickData
from rtmon.recording.tick_writer import Writer
from rtmon.testing import FakeClock

BEGIN = 1_700_000_000.0


def _labels(count: int) -> Labels:
    recorder = HistogramRecorder()
    for _ in range(count):
        recorder.record(0.25)
    return {("rtt", "path", "/chat"): recorder.take()}


def _record(path: Path, ticks: range) -> None:
    """Record ticks of a server run; tick n has n modulo 7 round trips."""
    limits = RecordingLimits(ticks=60)
    writer = Writer(path, clock=FakeClock(time=BEGIN), limits=limits)
    writer.begin("n", "e")
    for seq in ticks:
        sample = Sample(node="n", epoch="e", seq=seq, time=BEGIN + seq, elapsed=1.0)
        writer.write(TickData(sample=sample, labels={seq: _labels(seq % 7)} if seq % 7 else {}))
    writer.end([])
    writer.close()


def _count(reader: QueryReader, at: float | None) -> int:
    answer: Any = reader.answer(RowsQuery(table="latencies"), at=at)
    return sum(row.record.count for row in answer.rows)


def test_old_percentiles_of_a_recording_cover_a_whole_minute_once(tmp_path: Path) -> None:
    """Percentiles that a recording gives for an old moment cover a whole minute and count each tick
    of that minute once, also when a second recorder continued the file within the minute.
    """
    path = tmp_path / "run.rtmon"
    _record(path, range(1, 91))
    _record(path, range(91, 601))
    reader = QueryReader(path)
    assert _count(reader, None) == sum(seq % 7 for seq in range(541, 601))
    assert _count(reader, BEGIN + 590) == sum(seq % 7 for seq in range(531, 591))
    for minute in (1, 2, 5):  # single ticks of these minutes are no longer stored
        ticks = range(60 * minute - 59, 60 * minute + 1)
        assert _count(reader, BEGIN + 60 * minute + 40) == sum(seq % 7 for seq in ticks)
    reader.close()
