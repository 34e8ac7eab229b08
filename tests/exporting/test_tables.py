"""Exports of recordings and of running servers, read back and compared."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow.parquet as pq
import pytest

import rtmon
from rtmon.errors import FileFormatError, OptionError
from rtmon.metrics.columns import TABLES
from rtmon.metrics.meter import Ending
from rtmon.metrics.records import Event, Sample
from rtmon.monitor.dataframes import frame_of_columns
from rtmon.recording.tick_data import TickData
from rtmon.recording.tick_writer import Writer
from rtmon.testing import FakeClock

from .conftest import BEGIN, HOSTILE, TICKS, busy_monitor, run

TABLES_EXPORTED = ("samples", "connections", "events", "channels")


def _csv(path: Path, table: str) -> pd.DataFrame:
    return rtmon.read_csv(path / f"{table}.csv")


def _json(path: Path, table: str) -> pd.DataFrame:
    lines = (path / f"{table}.jsonl").read_text("utf-8").split("\n")[:-1]
    rows = [json.loads(line) for line in lines]
    names = [column.name for column in TABLES[table]]
    return frame_of_columns(table, {name: [row[name] for row in rows] for name in names})


def _parquet(path: Path, table: str) -> pd.DataFrame:
    file = path / f"{table}.parquet"
    read = pd.read_parquet(file, dtype_backend="numpy_nullable")
    return read.astype({column.name: column.dtype for column in TABLES[table]})


READ: dict[str, Callable[[Path, str], pd.DataFrame]] = {
    "csv": _csv,
    "json": _json,
    "parquet": _parquet,
}


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def _sorted(table: str, rows: pd.DataFrame) -> pd.DataFrame:
    """Sort rows by columns that all sources have, since exports list connections by run and id."""
    keys = {"connections": ["opened", "id"], "events": ["time", "seq"], "channels": ["channel"]}
    return rows.sort_values(keys.get(table, ["time", "seq"]), ignore_index=True)


def _same(table: str, one: pd.DataFrame, other: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(_sorted(table, one), _sorted(table, other))


@pytest.mark.parametrize("form", READ)
async def test_exported_recording_reads_back_with_equal_values_and_types(
    recording: Path, tmp_path: Path, form: Any
) -> None:
    """Exported recording reads back from CSV, JSON and Parquet with the same types, nulls, times
    and hostile texts.
    """
    written = await rtmon.export(recording, tmp_path / "out", format=form)
    assert [path.stem for path in written] == list(TABLES_EXPORTED)
    assert _names(tmp_path / "out") == sorted(path.name for path in written)
    with rtmon.read(recording) as found:
        tables = {
            "samples": found.samples(),
            "connections": found.connections(),
            "events": found.events(),
            "channels": found.channels(),
        }
    assert len(tables["samples"]) == 2 * (TICKS + 1)  # detaching the recording ticks once more
    assert len(tables["connections"]) == 2 * len(HOSTILE)
    for table, wanted in tables.items():
        read = READ[form](tmp_path / "out", table)
        _same(table, read, wanted)


@pytest.mark.parametrize("form", READ)
async def test_exported_monitor_reads_back_with_equal_values(tmp_path: Path, form: Any) -> None:
    """Exported tables of a running Monitor read back from CSV, JSON and Parquet with equal
    values.
    """
    clock = FakeClock(time=BEGIN)
    with busy_monitor(clock) as monitor:
        await run(monitor, clock, 5)
        await rtmon.export(monitor, tmp_path, format=form)
        for table in TABLES_EXPORTED:
            _same(table, READ[form](tmp_path, table), getattr(monitor, table)())


async def test_exported_connections_are_in_the_order_of_the_monitor(tmp_path: Path) -> None:
    """Exported connections are in the Monitor's order: open connections first, then closed
    connections in the order in which they ended.
    """
    monitor = rtmon.Monitor(interval=1000)
    meters = [monitor.collector.meter() for _ in range(4)]
    for meter in meters:
        monitor.connection_opened(meter)
    for number in (2, 0):
        monitor.connection_closed(meters[number], Ending(close_code=1000))
    monitor.tick()
    await rtmon.export(monitor, tmp_path)
    pd.testing.assert_frame_equal(_csv(tmp_path, "connections"), monitor.connections())
    assert list(monitor.connections()["state"]) == ["open", "open", "closed", "closed"]
    monitor.close()


async def test_export_over_the_admin_listener_equals_the_monitor(tmp_path: Path) -> None:
    """Data export over a server's admin listener reads back equal to the Monitor's tables."""
    clock = FakeClock(time=BEGIN)
    with busy_monitor(clock) as monitor:
        await run(monitor, clock, 5)
        async with rtmon.serve_admin(monitor, port=0) as admin:
            await rtmon.export(admin.url, tmp_path)
        for table in TABLES_EXPORTED:
            _same(table, _csv(tmp_path, table), getattr(monitor, table)())


async def test_duckdb_reads_exported_parquet_with_equal_values_and_types(
    recording: Path, tmp_path: Path
) -> None:
    """DuckDB reads exported Parquet files with the same values and types, and times as timestamps
    with time zone.
    """
    await rtmon.export(recording, tmp_path, format="parquet")
    types = {
        "Int64": "BIGINT",
        "Float64": "DOUBLE",
        "string": "VARCHAR",
        "datetime64[us, UTC]": "TIMESTAMP WITH TIME ZONE",
    }
    for table in TABLES_EXPORTED:
        file = tmp_path / f"{table}.parquet"
        with duckdb.connect() as db:
            db.execute("SET TimeZone = 'UTC'")
            found = db.read_parquet(str(file))
            assert dict(zip(found.columns, map(str, found.types), strict=True)) == {
                column.name: types[column.dtype] for column in TABLES[table]
            }
            selected = ", ".join(
                f'epoch_us("{c.name}")' if c.kind == "time" else f'"{c.name}"'
                for c in TABLES[table]
            )
            rows = db.execute(f"SELECT {selected} FROM found").fetchall()  # noqa: S608
        wanted = pq.read_table(file)
        columns = [wanted.column(column.name) for column in TABLES[table]]
        values = [
            column.cast("int64").to_pylist()
            if str(column.type).startswith("time")
            else column.to_pylist()
            for column in columns
        ]
        assert rows == list(zip(*values, strict=True))
        assert len(rows) > 0


async def test_export_of_a_time_range_has_only_rows_within_it(
    recording: Path, tmp_path: Path
) -> None:
    """Data export of a time range has the ticks from the first to the last second of the range, and
    only the connections that were open within it.
    """
    since, until = BEGIN + 60, BEGIN + 64
    await rtmon.export(recording, tmp_path, since=since, until=until)
    samples = _csv(tmp_path, "samples")
    assert list(samples.seq) == [60, 61, 62, 63, 64]
    assert list(_csv(tmp_path, "events").kind) == []
    connections = _csv(tmp_path, "connections")
    assert set(connections.name) == {text.replace("\ud83d", "?") for text in HOSTILE[::2]}


@pytest.mark.parametrize(("every", "ticks"), [(1, 2 * 71), (10, 2 * 8), (60, 2 * 2), (None, 142)])
async def test_export_option_every_merges_ticks_and_keeps_the_sums(
    recording: Path, tmp_path: Path, every: Any, ticks: int
) -> None:
    """Data export with ``every=n`` writes one row for n ticks, and the sums of counters are the
    same as without ``every``.
    """
    await rtmon.export(recording, tmp_path, tables=("samples",), every=every)
    samples = _csv(tmp_path, "samples")
    assert len(samples) == ticks
    assert samples.opened.sum() == 2 * len(HOSTILE)
    assert samples.elapsed.sum() == pytest.approx(2 * TICKS, abs=1e-6)
    assert _names(tmp_path) == ["samples.csv"]


async def test_export_reports_the_number_of_rows_written_per_table(
    recording: Path, tmp_path: Path
) -> None:
    """Data export reports the number of rows written so far of each table to the caller's progress
    callback.
    """
    told: dict[str, int] = {}
    await rtmon.export(recording, tmp_path, progress=lambda table, rows: told.update({table: rows}))
    assert told == {table: len(_csv(tmp_path, table)) for table in TABLES_EXPORTED}


async def test_export_leaves_out_names_and_reasons_when_redacted(
    recording: Path, tmp_path: Path
) -> None:
    """Data export with a redaction that drops names and reasons has no names of connections and
    no details of events.
    """
    redaction = rtmon.Redaction(names="drop", reasons="drop")
    await rtmon.export(recording, tmp_path, redaction=redaction)
    assert _csv(tmp_path, "connections").name.isna().all()
    assert _csv(tmp_path, "events").detail.isna().all()
    assert "HYPERLINK" not in (tmp_path / "events.csv").read_text("utf-8")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"format": "xlsx"}, "give csv, json, parquet or rtmon"),
        ({"tables": ("samples", "people")}, "there is no table 'people'"),
        ({"since": "yesterday"}, "'yesterday' is not a time"),
        ({"format": "rtmon", "redaction": rtmon.Redaction(names="drop")}, "leave out"),
        ({"format": "rtmon", "since": 1.0}, "copies the whole recording"),
    ],
)
async def test_export_raises_and_writes_nothing_when_an_option_is_wrong(
    recording: Path, tmp_path: Path, options: dict[str, Any], words: str
) -> None:
    """Data export raises OptionError and writes no file when an option is wrong."""
    with pytest.raises(OptionError, match=words):
        await rtmon.export(recording, tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


async def test_export_refuses_to_merge_ticks_of_a_running_monitor(tmp_path: Path) -> None:
    """Data export raises OptionError that advises to record the server when ``every`` is given
    for a running Monitor.
    """
    with rtmon.Monitor(interval=3600) as monitor, pytest.raises(OptionError, match="record it"):
        await rtmon.export(monitor, tmp_path, every=10)
    assert _names(tmp_path) == []


def _write(path: Path, events: int) -> None:
    """Write a recording with this many events."""
    writer, clock = Writer(path, clock=FakeClock(time=BEGIN)), iter(range(1, 10**9))
    writer.begin("n", "e")
    for seq in range(1, events // 500 + 1):
        found = [
            Event(seq=next(clock), time=BEGIN + seq, kind="note", detail="x" * 100)
            for _ in range(500)
        ]
        sample = Sample(node="n", epoch="e", seq=seq, time=BEGIN + seq, elapsed=1.0)
        writer.write(TickData(sample=sample, events=found))
    writer.close()


async def test_export_of_a_damaged_recording_keeps_the_earlier_file(tmp_path: Path) -> None:
    """Data export of a damaged recording raises FileFormatError and leaves the earlier exported
    file unchanged.
    """
    path, out = tmp_path / "run.rtmon", tmp_path / "out"
    _write(path, 20_000)
    out.mkdir()
    (out / "events.csv").write_text("before", "utf-8")
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(size // 2)
        file.write(b"\0" * (size // 4))
    with pytest.raises(FileFormatError, match="is damaged"):
        await rtmon.export(path, out, tables=("events",))
    assert _names(out) == ["events.csv"]
    assert (out / "events.csv").read_text("utf-8") == "before"


@pytest.mark.matrix
@pytest.mark.parametrize("form", READ)
async def test_export_memory_does_not_grow_with_the_recording(tmp_path: Path, form: Any) -> None:
    """Data export of 100,000 events uses less than 1.3 times the memory of an export of 25,000
    events.
    """
    peaks = []
    for number, events in enumerate((25_000, 25_000, 100_000)):  # the first export includes imports
        path = tmp_path / f"{number}.rtmon"
        _write(path, events)
        tracemalloc.start()
        await rtmon.export(path, tmp_path / "out", tables=("events",), format=form)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[2] < 1.3 * peaks[1]
