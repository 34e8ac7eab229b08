"""CSV files that are put aside when they are full."""

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
def test_no_line_is_lost_or_cut(details: list[list[str]], max_bytes: int) -> None:
    """However much is written at once, the files in order of their names hold all lines in order;
    each is whole in itself, and none is too large that has more than one line.
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


def test_so_many_are_kept(tmp_path: Path) -> None:
    """The oldest goes when there are more than wanted; nothing else in the folder is touched."""
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


def test_the_next_run_goes_on(tmp_path: Path) -> None:
    """What an earlier run has left is put aside, not replaced, and counts on from there; an empty
    file is not worth it.
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


def test_wherever_a_crash_cuts_a_file_its_whole_lines_stay(tmp_path: Path) -> None:
    """Of a file that ends anywhere, in a cell that looks like the end of a line too, the next run
    keeps the whole lines.
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


def test_a_crash_at_the_turn_is_no_harm(tmp_path: Path) -> None:
    """Between the rename and the new file there is none: the next run begins one."""
    write_csv(tmp_path / "events.000041.csv", "events", [])
    (tmp_path / ".events.csv.1.partial").write_text("seq,")
    file = _file(tmp_path / "events.csv", max_bytes=1)
    file.write([_line(1), _line(2)])
    file.close()
    assert [path.name for path in _parts(tmp_path)[1:]] == ["events.000042.csv", "events.csv"]


def test_a_file_of_somebody_elses_is_put_aside_as_it_is(tmp_path: Path) -> None:
    """A file that rtmon does not write, or did with other columns, is neither lost nor changed."""
    (tmp_path / "events.csv").write_bytes(b'a,b\n1,"x')
    _file(tmp_path / "events.csv").close()
    assert (tmp_path / "events.000001.csv").read_bytes() == b'a,b\n1,"x'


WRITER = """
import sys
from pathlib import Path
from rtmon.metrics import csvtext
from rtmon.metrics.records import Event
from rtmon.sinks.rolling_file import RollingFile

file = RollingFile(Path(sys.argv[1]), csvtext.header("events"), max_bytes=5000, keep=None)
number = 0
while True:
    events = [Event(seq=number + n, time=0, kind="x", detail="a\\r\\n" * n) for n in range(20)]
    file.write(csvtext.line("events", event) for event in events)
    number += 20
"""


async def test_a_process_that_is_killed_leaves_whole_lines(tmp_path: Path) -> None:
    """After SIGKILL in the midst of writing, and the next run's beginning, all files can be read,
    and no line is missing between the first and the last.
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


def test_an_attached_sink_rolls_each_table(tmp_path: Path) -> None:
    """What a sink wrote to many files, put together, equals the Monitor's DataFrames; read by the
    line that the documentation gives.
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
def test_limits_that_make_no_sense_are_refused(options: dict[str, Any], tmp_path: Path) -> None:
    """A number that cannot be meant is an error at once, and says which it is."""
    with pytest.raises(OptionError, match=next(iter(options))):
        CSVSink(tmp_path, **options)
