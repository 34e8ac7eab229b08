"""Limits of a recording: its size does not grow with uptime."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from rtmon import Monitor, Recording, RecordingLimits
from rtmon.metrics.records import ChannelInfo, ConnectionInfo, Event, Sample, Snapshot
from rtmon.recording.query_reader import QueryReader
from rtmon.recording.retention import TRIM_TICKS
from rtmon.recording.tick_data import TickData
from rtmon.recording.tick_writer import Writer
from rtmon.testing import FakeClock, until

BEGIN = 1_700_000_000.0

LIMITS = RecordingLimits(ticks=60, tens=120, sixties=600, events=100, connections=50, channels=20)


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[Writer]:
    """Open a recording's writer with small limits."""
    writer = Writer(tmp_path / "run.rtmon", clock=FakeClock(time=BEGIN), limits=LIMITS)
    writer.begin("n", "e")
    yield writer
    writer.abandon()


def _frame(seq: int) -> TickData:
    """Return a tick with three events, two closed connections, an open one, and two new
    channels.
    """
    time = BEGIN + seq
    closed = [
        ConnectionInfo(
            id=f"c{seq}.{n}", opened=time - 1, closed=time, state="closed", last_frames="> text 5"
        )
        for n in range(2)
    ]
    return TickData(
        sample=Sample(node="n", epoch="e", seq=seq, time=time, elapsed=1.0, messages_in=1),
        events=[Event(seq=3 * seq + n, time=time, kind="note") for n in range(3)],
        closed=closed,
        changed=[ConnectionInfo(id="open", opened=BEGIN)],
        channels=[ChannelInfo(channel=f"room:{seq}.{n}", published=seq) for n in range(2)],
        snapshot=Snapshot(node="n", epoch="e", seq=seq, time=time, uptime=float(seq), peak=1),
    )


def _count(writer: Writer, table: str) -> int:
    (count,) = writer._db.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608
    return int(count)


def test_every_table_of_a_recording_stays_within_its_limit(writer: Writer) -> None:
    """Every table of a recording stays within its limit after 1,500 ticks, and keeps its newest
    rows.
    """
    for seq in range(1, 1501):
        writer.write(_frame(seq))
    tables = (
        *("samples", "histograms", "events", "connections", "blackboxes", "open_connections"),
        *("channels", "totals"),
    )
    counts = {table: _count(writer, table) for table in tables}
    points = 60 + 1 + 120 // 10 + 1 + 600 // 60 + 1
    most = {
        "samples": points,
        "histograms": points,
        "open_connections": 1,
        "totals": 600 // 60 + 1,
        "events": 100 + 3 * TRIM_TICKS,
        "connections": 50 + 2 * TRIM_TICKS,
        "blackboxes": 50 + 2 * TRIM_TICKS,
        "channels": 20 + 2 * TRIM_TICKS,
    }
    assert {table: counts[table] for table in tables if counts[table] > most[table]} == {}
    assert counts["connections"] >= 50
    assert counts["blackboxes"] == counts["connections"]
    (oldest,) = writer._db.execute("SELECT min(closed) FROM connections").fetchone()
    assert oldest > BEGIN + 1400


def test_writing_a_tick_never_counts_the_rows_of_a_table(writer: Writer) -> None:
    """Writing a tick to a recording runs no SQL statement that counts the rows of a table."""
    statements: list[str] = []
    writer._db.set_trace_callback(statements.append)
    for seq in range(1, 2 * TRIM_TICKS + 1):
        writer.write(_frame(seq))
    assert len(statements) > 1000
    assert [each for each in statements if "count(" in each] == []


def test_row_counts_of_a_recording_are_right_after_repeated_and_failed_writes(
    writer: Writer,
) -> None:
    """Row counts that a recording keeps in memory equal those of its tables after a row was written
    twice and a write failed.
    """
    writer.write(_frame(1))
    again = TickData(sample=_frame(2).sample, closed=_frame(1).closed, channels=_frame(1).channels)
    writer.write(again)
    writer._db.set_progress_handler(lambda: 1, 1)  # interrupts every SQL statement
    with pytest.raises((OSError, sqlite3.OperationalError)):
        writer.write(_frame(3))
    writer._db.set_progress_handler(None, 1)
    for table, count in writer._retention.counts.items():
        assert count == _count(writer, table) > 0
    writer.write(_frame(3))
    assert writer._retention.counts["connections"] == _count(writer, "connections") == 4


def test_recording_limits_connections_left_open_by_killed_servers(tmp_path: Path) -> None:
    """Recording keeps a limited number of rows of open connections when five server runs in a row
    are killed with 30 open connections each.
    """
    path, clock = tmp_path / "run.rtmon", FakeClock(time=BEGIN)
    for number in range(5):
        writer = Writer(path, clock=clock, limits=LIMITS)
        writer.begin("n", f"e{number}")
        opened = [ConnectionInfo(id=f"c{n}", opened=BEGIN) for n in range(30)]
        sample = Sample(node="n", epoch=f"e{number}", seq=1, time=BEGIN + number, elapsed=1.0)
        writer.write(TickData(sample=sample, changed=opened))
        assert _count(writer, "open_connections") <= 50 + 30
        writer.abandon()  # as if the process were killed


async def test_totals_of_an_old_moment_are_at_most_a_minute_older(tmp_path: Path) -> None:
    """Totals that a recording gives for a past moment were measured at most a minute before this
    moment, and never after this moment.
    """
    path, clock = tmp_path / "run.rtmon", FakeClock(time=BEGIN)
    monitor = Monitor(interval=3600, clock=clock)
    monitor.attach(Recording(path, clock=clock, limits=RecordingLimits(ticks=60)))
    meter = monitor.collector.meter()
    monitor.connection_opened(meter)
    for _ in range(400):
        meter.received(1)
        clock.advance(1.0)
        monitor.tick()
        await until(lambda: monitor.waiting_ticks < 30)
    monitor.close()
    reader = QueryReader(path)
    for at, least in ((100, 60), (200, 180), (390, 390)):
        snapshot = reader.points.snapshot(BEGIN + at)
        assert snapshot is not None
        assert snapshot.messages_in is not None
        assert least <= snapshot.messages_in <= at
    assert reader.points.snapshot(BEGIN + 0.5) is None
    reader.close()
