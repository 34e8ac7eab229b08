"""CSV files: a sink that writes them tick by tick, and a reader."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.atomic_file import writing
from ..core.option_validation import within
from ..errors import OptionError
from ..metrics import csv_text
from ..metrics.columns import TABLES
from .csv_pyarrow_reader import read_whole
from .rolling_file import RollingFile

if TYPE_CHECKING:
    import pandas as pd

    from ..metrics.collector import Tick
    from ..metrics.records import ConnectionInfo

__all__ = ["CSVSink", "csv_types", "read_csv", "write_csv"]

_SQL = {
    "Int64": "BIGINT",
    "Float64": "DOUBLE",
    "string": "VARCHAR",
    "datetime64[us, UTC]": "TIMESTAMPTZ",
}

_STREAMED = ("samples", "events", "connections")

MAX_BYTES = 64 * 1024 * 1024
"""How large a file may become before it is put aside."""

KEEP = 16
"""Files put aside that are kept, of each table: a gibibyte at most."""


class CSVSink:
    """Writes ``samples.csv``, ``events.csv`` and ``connections.csv`` into a folder.

    Samples and Events are written tick by tick, whole lines at a time; a connection when it
    has ended, and those still open when the sink is detached.

    A file that is full is put aside as ``samples.000001.csv`` and so on, and so is what an earlier
    run has left; see :mod:`rtmon.sinks.rolling_file`.

    Args:
        folder: where to; made if it is not there.
        max_bytes: how large a file may become; None for one file of each table, however large.
        keep: how many files of each table to have beside the one that is written; when there are
            more, the oldest is deleted. None for all.

    Raises:
        OptionError: a number is out of range.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        max_bytes: int | None = MAX_BYTES,
        keep: int | None = KEEP,
    ) -> None:
        if max_bytes is not None:
            within("max_bytes", max_bytes, 1, 1 << 50)
        if keep is not None:
            within("keep", keep, 1, 1 << 20)
        self.folder = Path(folder)
        self._limits = {"max_bytes": max_bytes, "keep": keep}
        self._files: dict[str, RollingFile] = {}
        self._begun: object = None

    def __repr__(self) -> str:
        return f"CSVSink({str(self.folder)!r})"

    def open(self, node: str, epoch: str) -> None:  # noqa: ARG002 - the files hold both
        """Create the folder and the files, each with its header.

        Raises:
            OSError: the folder or a file cannot be made.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        for table in _STREAMED:
            path = self.folder / f"{table}.csv"
            self._files[table] = RollingFile(path, csv_text.header(table), **self._limits)

    def write(self, tick: Tick) -> None:
        """Write one tick; a repeated call resumes where a full disk has stopped it.

        Raises:
            OSError: a file cannot be written now.
        """
        connections = (meter.info() for meter in tick.closed)
        self._append(tick, samples=[tick.sample], events=tick.events, connections=connections)

    def close(self, connections: Sequence[ConnectionInfo]) -> None:
        """Write the connections that are still open, and close the files.

        Raises:
            OSError: a file cannot be written now.
        """
        self._append(connections, connections=[row for row in connections if row.state == "open"])
        for file in self._files.values():
            file.close()

    def _append(self, source: object, **tables: Iterable[Any]) -> None:
        if self._begun is not source:
            for table, records in tables.items():
                self._files[table].add(csv_text.line(table, record) for record in records)
            self._begun = source
        for table in tables:
            self._files[table].flush()
        self._begun = None


def write_csv(path: str | os.PathLike[str], table: str, records: Iterable[Any]) -> Path:
    """Write one table to a file, which appears under its name once it is complete.

    Args:
        path: the file; an existing one is replaced.
        table: a name in :data:`rtmon.metrics.columns.TABLES`.
        records: records of that table.

    Raises:
        OSError: the file cannot be written.
    """
    with writing(path) as file:
        file.writelines(csv_text.lines(table, records))
    return Path(path)


def csv_types(table: str) -> dict[str, str]:
    """Return the SQL type of each column of a table's file, for programs that would guess it.

    The type of a column that is null in all rows, or in the first thousand, cannot be guessed.

    Args:
        table: a name in :data:`rtmon.metrics.columns.TABLES`.

    Returns:
        Column → ``BIGINT``, ``DOUBLE``, ``VARCHAR`` or ``TIMESTAMPTZ``, in their order.

    Raises:
        OptionError: there is no such table.
    """
    if table not in TABLES:
        raise OptionError(f"there is no table {table!r}: give {', '.join(TABLES)}")
    return {column.name: _SQL[column.dtype] for column in TABLES[table]}


def read_csv(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read a file that rtmon wrote: the same values and dtypes that the Monitor had.

    The header tells which table it is. A file saved by a spreadsheet can be read, too,
    with a byte order mark, semicolons, and lines of empty cells. With pyarrow (the extra
    ``parquet``) a million rows take a second or two.

    Raises:
        FileFormatError: the file is not one that rtmon writes, or it is damaged.
        MissingExtra: pandas is not installed.
        OSError: the file cannot be read.
    """
    from ..monitor.dataframes import frame_of_columns

    whole = read_whole(Path(path))
    if whole is not None:
        return whole
    with Path(path).open(encoding="utf-8-sig", newline="") as file:
        table, content = csv_text.parse(file, where=str(path))
    return frame_of_columns(table, content)
