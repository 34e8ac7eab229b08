"""CSV files that are renamed and continued in a new file when they reach a size limit."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from itertools import chain
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtmon import CSVSink, Monitor, read_csv
from rtmon.errors import OptionError
from rtmon.metrics import csv_text
from rtmon.metrics.meter import Ending
from rtmon.metrics.records import Event
from rtmon.sinks.csv import write_csv
from rtmon.sinks.rolling_file import RollingFile
from rtmon.testing import until

HEADER = csv_text.header("events")

text = st.text(st.sampled_from('a"\r\n,é'), max_size=20)


def _line(number: int, detail: str = "") -> str:
    return csv_text.line("events", Event(seq=number, time=0, kind="x", detail=detail))


def _file(path: Path, *, max_bytes: int | None = None, keep: int | None = None) -> RollingFile:
    return RollingFile(path, HEADER, max_bytes=max_bytes, keep=keep)


def _parts(folder: Path, table: str = "events") -> list[Path]:
    return sorted(folder.glob(f"{table}*.csv"))


def _events(folder: Path) -> pd.DataFrame:
    return pd.concat(map(read_csv, _parts(folder)), ignore_index=True)


def _details(path: Path) -> list[str]:
    with path.open(encoding="utf-8", newline="") as file:
        return csv_text.parse(file, where=path.name)[1]["detail"]


@settings(max_examples=50)
@given(
    details=st.lists(st.lists(text, max_size=6), max_size=6),
    max_bytes=st.integers(len(HEADER), 3 * len(HEADER)),
)
def test_rolled_csv_files_hold_every_line_in_order(
    details: list[list[str]], max_bytes: int
) -> None:
    """Rolled CSV files, sorted by name, hold every line in order, and no file is larger than the
    size limit unless it has only one line.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = _file(folder / "events.csv", max_bytes=max_bytes)
        for portion in details:
            file.write(_line(1, detail) for detail in portion)
        file.close()
        parts = {part: _details(part) for part in _parts(folder)}
        assert [*parts][-1].name == "events.csv"
        assert list(chain(*parts.values())) == list(chain(*details))
        for part, lines in parts.items():
            assert part.stat().st_size <= max_bytes or len(lines) == 1
            assert lines or len(parts) == 1


def test_oldest_rolled_csv_file_is_deleted_when_there_are_too_many(tmp_path: Path) -> None:
    """Oldest rolled CSV file is deleted when there are more rolled files than the number to keep,
    and no other file in the folder is changed.
    """
    others = [
        tmp_path / name for name in ("events.000000.csv.gz", "events.mine.csv", "events.1.csv")
    ]
    for other in others:
        other.write_text("mine")
    file = _file(tmp_path / "events.csv", max_bytes=1, keep=3)
    for number in range(10):
        file.write([_line(number)])
    file.close()
    parts = [path for path in _parts(tmp_path) if path not in others]
    assert [path.name for path in parts] == [
        *("events.000007.csv", "events.000008.csv", "events.000009.csv", "events.csv")
    ]
    assert [list(read_csv(path)["seq"]) for path in parts] == [[6], [7], [8], [9]]
    assert {other.read_text() for other in others} == {"mine"}


def test_next_run_keeps_csv_files_of_earlier_runs(tmp_path: Path) -> None:
    """CSV sink gives the next free number to the CSV file of an earlier program run, but replaces
    this file when it has no rows.
    """
    for run in range(3):
        file = _file(tmp_path / "events.csv")
        file.write([_line(run)])
        file.close()
    for _ in range(2):
        _file(tmp_path / "events.csv").close()
    assert [path.name for path in _parts(tmp_path)] == [
        *("events.000001.csv", "events.000002.csv", "events.000003.csv", "events.csv")
    ]
    assert list(_events(tmp_path)["seq"]) == [0, 1, 2]


DETAILS = ['a"\r\n"', "\r\n\r\n", 'é "quoted"\r\n', "b"]


def test_next_run_keeps_the_complete_lines_of_a_truncated_csv_file(tmp_path: Path) -> None:
    """Next run of a CSV sink keeps all complete lines of a CSV file that a crash truncated at
    any byte.
    """
    lines = [_line(1, detail) for detail in DETAILS]
    content = (HEADER + "".join(lines)).encode()
    ends = [len((HEADER + "".join(lines[:count])).encode()) for count in range(5)]
    for cut in range(len(content) + 1):
        folder = tmp_path / str(cut)
        folder.mkdir()
        (folder / "events.csv").write_bytes(content[:cut])
        _file(folder / "events.csv").close()
        details = [detail for part in _parts(folder) for detail in _details(part)]
        assert details == DETAILS[: max(0, sum(end <= cut for end in ends) - 1)], cut


def test_next_run_begins_a_csv_file_when_a_crash_left_none(tmp_path: Path) -> None:
    """Next run of a CSV sink begins a new CSV file with the next number when a crash left only
    a renamed and a partial file.
    """
    write_csv(tmp_path / "events.000041.csv", "events", [])
    (tmp_path / ".events.csv.1.partial").write_text("seq,")
    file = _file(tmp_path / "events.csv", max_bytes=1)
    file.write([_line(1), _line(2)])
    file.close()
    assert [path.name for path in _parts(tmp_path)[1:]] == ["events.000042.csv", "events.csv"]


def test_csv_sink_renames_a_foreign_file_without_changing_it(tmp_path: Path) -> None:
    """CSV sink renames a file that rtmon did not write, and does not change its content."""
    (tmp_path / "events.csv").write_bytes(b'a,b\n1,"x')
    _file(tmp_path / "events.csv").close()
    assert (tmp_path / "events.000001.csv").read_bytes() == b'a,b\n1,"x'


WRITER = """
import sys
from pathlib import Path
from rtmon.metrics import csv_text
from rtmon.metrics.records import Event
from rtmon.sinks.rolling_file import RollingFile

file = RollingFile(Path(sys.argv[1]), csv_text.header("events"), max_bytes=5000, keep=None)
number = 0
while True:
    events = [Event(seq=number + n, time=0, kind="x", detail="a\\r\\n" * n) for n in range(20)]
    file.write(csv_text.line("events", event) for event in events)
    number += 20
"""


async def test_killed_process_leaves_csv_files_without_missing_lines(tmp_path: Path) -> None:
    """CSV files of a process killed by SIGKILL can be read after the next run has started, and no
    line among them is missing.
    """
    path = tmp_path / "events.csv"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", WRITER, str(path))
    try:
        await until(lambda: process.returncode is not None or len(_parts(tmp_path)) > 10)
    finally:
        if process.returncode is None:
            process.kill()
    assert await process.wait() < 0
    _file(path).close()
    numbers = list(_events(tmp_path)["seq"])
    assert numbers == list(range(len(numbers)))
    assert len(numbers) > 20


def test_rolling_csv_sink_splits_each_table_into_several_files(tmp_path: Path) -> None:
    """CSV sink with a size limit splits each table into several files, which together equal the
    Monitor's DataFrame.
    """
    monitor = Monitor(interval=1000)
    with monitor.attach(CSVSink(tmp_path, max_bytes=2000, keep=None)):
        for number in range(40):
            meter = monitor.collector.meter()
            meter.name = f"user {number}"
            monitor.connection_opened(meter)
            monitor.tick()
            monitor.connection_closed(meter, Ending(close_code=1000))
    for table in ("samples", "connections", "events"):
        assert len(_parts(tmp_path, table)) > 2
        written = pd.concat(
            map(read_csv, sorted(tmp_path.glob(f"{table}*.csv"))), ignore_index=True
        )
        pd.testing.assert_frame_equal(written, getattr(monitor, table)())


@pytest.mark.parametrize(
    "options", [{"max_bytes": 0}, {"max_bytes": "1 GB"}, {"keep": 0}, {"keep": -1}]
)
def test_csv_sink_raises_and_names_the_option_when_a_limit_is_wrong(
    options: dict[str, Any], tmp_path: Path
) -> None:
    """CSV sink raises OptionError that names the option when a size limit or number of files is
    wrong.
    """
    with pytest.raises(OptionError, match=next(iter(options))):
        CSVSink(tmp_path, **options)
