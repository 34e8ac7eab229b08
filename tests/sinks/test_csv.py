"""CSV files: values, types, spreadsheet formulas, and files that rtmon did not write."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtmon import CSVSink, Monitor, csv_types, read_csv
from rtmon.errors import FileFormatError, OptionError
from rtmon.metrics import csv_text
from rtmon.metrics.columns import TABLES
from rtmon.metrics.histogram import HistogramRecorder
from rtmon.metrics.meter import Ending
from rtmon.metrics.records import ConnectionInfo, Event, Sample
from rtmon.monitor.dataframes import frame, frame_of_columns
from rtmon.sinks.csv import write_csv
from rtmon.sinks.csv_pyarrow_reader import read_whole

FULL_WIDTH = "\uff1d\uff0b\uff0d\uff20"
"""Full-width forms of = + - @, which some spreadsheets treat like these."""

text = st.one_of(
    st.sampled_from(FULL_WIDTH).map(lambda sign: f"{sign}1+1"),
    st.none(),
    st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=30),
    st.sampled_from(
        [
            "",
            "NA",
            "None",
            "'",
            "''=1",
            "=1+1",
            "+x",
            "-x",
            "@x",
            "\tx",
            "\rx",
            "\nx",
            'a,"b"\r\nc',
        ]
    ),
)
number = st.one_of(st.none(), st.integers(-(2**40), 2**53))
time = st.integers(0, 4 * 10**15).map(lambda micros: micros / 1e6)


def _histogram(values: list[float]) -> Any:
    recorder = HistogramRecorder()
    for value in values:
        recorder.record(value)
    return recorder.take()


connections = st.builds(
    ConnectionInfo,
    **dict.fromkeys(("name", "remote", "path", "reason_sent", "reason_received"), text),
    id=st.text("abc", min_size=1),
    opened=time,
    last_activity=st.one_of(st.none(), time),
    messages_in=number,
    rtt=st.one_of(st.none(), st.floats(0, 1e6)),
)
events = st.builds(
    Event, seq=st.integers(1, 9), time=time, kind=st.just("x"), name=text, detail=text
)
samples = st.builds(
    Sample,
    node=st.text("ab-", min_size=1),
    epoch=st.just("e"),
    seq=st.integers(1, 9),
    time=time,
    elapsed=st.floats(0, 1e6),
    bytes_in=number,
    rtt=st.one_of(st.none(), st.lists(st.floats(0, 100)).map(_histogram)),
    close_codes=st.dictionaries(st.integers(1000, 4999), st.integers(1, 9)),
)


@settings(max_examples=60)
@pytest.mark.parametrize(
    ("table", "records"),
    [("connections", connections), ("events", events), ("samples", samples)],
)
@given(data=st.data())
def test_csv_file_reads_back_with_equal_values_and_types(
    table: str, records: Any, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """CSV file reads back with the same values and types, also nulls, empty texts, formulas and
    times.
    """
    rows = data.draw(st.lists(records, max_size=5))
    path = write_csv(tmp_path_factory.mktemp("csv") / "file.csv", table, rows)
    pd.testing.assert_frame_equal(read_csv(path), frame(table, rows))
    assert read_whole(path) is not None
    with path.open(encoding="utf-8", newline="") as file:
        pd.testing.assert_frame_equal(
            frame_of_columns(*csv_text.parse(file, where="")), frame(table, rows)
        )


@given(text.filter(bool))
def test_csv_file_puts_an_apostrophe_before_a_spreadsheet_formula(content: str) -> None:
    """CSV file puts an apostrophe before text that a spreadsheet would run as a formula."""
    row = next(csv.reader([csv_text.line("events", Event(seq=1, time=0, kind=content))]))
    assert row[2][0] not in "=+-@\t\r\n" + FULL_WIDTH


def test_csv_file_saved_by_a_spreadsheet_reads_back_equal(tmp_path: Path) -> None:
    """CSV file saved by a spreadsheet with a byte order mark, semicolons and decimal commas reads
    back with equal values.
    """
    rows = [Sample(node="n", epoch="e", seq=1, time=1.5, elapsed=0.25, bytes_in=3, lag=None)]
    text = "".join(csv_text.lines("samples", rows))
    assert "," not in text.replace(",", ";").replace(".", ",").split("\r\n")[0]
    head, row = text.replace(",", ";").split("\r\n")[:2]
    row = row.replace(";0.25;", ";0,25;")
    path = tmp_path / "samples.csv"
    for end in ("", "\r\n", ";" * head.count(";") + "\r\n"):
        path.write_text(f"\ufeff{head}\r\n{row}\r\n{end}", encoding="utf-8", newline="")
        pd.testing.assert_frame_equal(read_csv(path), frame("samples", rows))


def test_csv_types_let_duckdb_read_empty_columns_with_their_type(tmp_path: Path) -> None:
    """Function csv_types() lets DuckDB read columns without values with their documented type."""
    path = write_csv(tmp_path / "events.csv", "events", [Event(seq=1, time=0, kind="x")])
    types = csv_types("events")
    read = duckdb.read_csv(str(path), dtype=types)
    told = {"TIMESTAMP WITH TIME ZONE": "TIMESTAMPTZ"}
    found = [told.get(str(each), str(each)) for each in read.types]
    assert dict(zip(read.columns, found, strict=True)) == types
    assert types["code"] == "BIGINT"
    with pytest.raises(OptionError, match="give samples"):
        csv_types("rooms")


def test_empty_dataframe_has_the_documented_columns_and_types() -> None:
    """Empty DataFrame of each table has the documented columns and types."""
    for table, columns in TABLES.items():
        dtypes = {name: str(dtype) for name, dtype in frame(table, []).dtypes.items()}
        assert dtypes == {column.name: column.dtype for column in columns}


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("a,b\r\n1,2\r\n", "the first line is not that of a table"),
        ("", "the first line is not that of a table"),
        (
            "seq,time,kind,connection,client_id,name,remote,code,detail\r\n1,now,x,,,,,,\r\n",
            "line 2",
        ),
        (
            "seq,time,kind,connection,client_id,name,remote,code,detail\r\n1\r\n",
            "1 cells where there are 9",
        ),
        ('seq,time,kind,connection,client_id,name,remote,code,detail\r\n1,"', "line 2"),
        ('seq,time,kind,connection,client_id,name,remote,code,detail\r\n1,,x,,,,,,"a', "line 2"),
    ],
)
def test_reading_a_foreign_or_damaged_csv_file_raises(
    tmp_path: Path, content: str, complaint: str
) -> None:
    """Reading a CSV file that rtmon did not write, or that is damaged, raises FileFormatError with
    the file's name and the fault.
    """
    path = tmp_path / "some.csv"
    path.write_text(content, newline="")
    with pytest.raises(FileFormatError, match=complaint) as caught:
        read_csv(path)
    assert "some.csv" in str(caught.value)


def test_csv_file_is_replaced_only_by_a_complete_one(tmp_path: Path) -> None:
    """Writing a CSV file that fails half-way leaves the earlier file unchanged and no other
    file.
    """
    path = write_csv(tmp_path / "events.csv", "events", [Event(seq=1, time=0, kind="old")])
    before = path.read_bytes()

    def broken() -> Any:
        yield Event(seq=2, time=0, kind="new")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_csv(path, "events", broken())
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_csv_sink_writes_the_tables_of_its_monitor(tmp_path: Path) -> None:
    """CSV sink that has finished has written files equal to the Monitor's DataFrames."""
    monitor = Monitor()
    with monitor.attach(CSVSink(tmp_path / "run")):
        gone, here = monitor.collector.meter(), monitor.collector.meter()
        monitor.connection_opened(gone)
        monitor.connection_opened(here)
        here.name = "=cmd()"
        monitor.tick()
        monitor.connection_closed(gone, Ending(close_code=1000))
        monitor.tick()
    for table in ("samples", "connections", "events"):
        written = read_csv(tmp_path / "run" / f"{table}.csv")
        known = getattr(monitor, table)()
        if table == "connections":
            written, known = (df.sort_values("id", ignore_index=True) for df in (written, known))
        pd.testing.assert_frame_equal(written, known)
