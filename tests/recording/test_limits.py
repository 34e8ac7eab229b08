"""Limits of a recording: it does not grow with uptime."""

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
from rtmon.recording.writer import Writer
from rtmon.testing import FakeClock, until

BEGIN = 1_700_000_000.0

LIMITS = RecordingLimits(ticks=60, tens=120, sixties=600, events=100, connections=50, channels=20)


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[Writer]:
    """A writer with small limits."""
    writer = Writer(tmp_path / "run.rtmon", clock=FakeClock(time=BEGIN), limits=LIMITS)
    writer.begin("n", "e")
    yield writer
    writer.abandon()


def _frame(seq: int) -> TickData:
    """A tick with three Events, two ended connections, an open one, and two new channels."""
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


def test_every_table_stays_within_its_limit(writer: Writer) -> None:
    """A full table loses its oldest rows as new ones come."""
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


def test_tick_reads_a_bounded_number_of_rows(writer: Writer) -> None:
    """Writing a tick does not count the rows of a table."""
    statements: list[str] = []
    writer._db.set_trace_callback(statements.append)
    for seq in range(1, 2 * TRIM_TICKS + 1):
        writer.write(_frame(seq))
    assert len(statements) > 1000
    assert [each for each in statements if "count(" in each] == []


def test_row_counts_are_right_after_rows_were_written_again(writer: Writer) -> None:
    """A connection that is written twice is one row, and a failed tick adds none."""
    writer.write(_frame(1))
    again = TickData(sample=_frame(2).sample, closed=_frame(1).closed, channels=_frame(1).channels)
    writer.write(again)
    writer._db.set_progress_handler(lambda: 1, 1)  # interrupts whatever is done
    with pytest.raises((OSError, sqlite3.OperationalError)):
        writer.write(_frame(3))
    writer._db.set_progress_handler(None, 1)
    for table, count in writer._retention.counts.items():
        assert count == _count(writer, table) > 0
    writer.write(_frame(3))
    assert writer._retention.counts["connections"] == _count(writer, "connections") == 4


def test_connections_left_open_by_ended_epochs_are_limited(tmp_path: Path) -> None:
    """A server that is killed repeatedly does not fill the file with their rows."""
    path, clock = tmp_path / "run.rtmon", FakeClock(time=BEGIN)
    for number in range(5):
        writer = Writer(path, clock=clock, limits=LIMITS)
        writer.begin("n", f"e{number}")
        opened = [ConnectionInfo(id=f"c{n}", opened=BEGIN) for n in range(30)]
        sample = Sample(node="n", epoch=f"e{number}", seq=1, time=BEGIN + number, elapsed=1.0)
        writer.write(TickData(sample=sample, changed=opened))
        assert _count(writer, "open_connections") <= 50 + 30
        writer.abandon()  # as a kill would


async def test_old_totals_are_those_of_that_time(tmp_path: Path) -> None:
    """Totals from a time without single ticks are up to a minute older, and never those of the
    end.
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
