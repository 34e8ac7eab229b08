"""CSV files: a sink that writes them tick by tick, and functions to write and read a file."""

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
"""Default maximum size of a CSV file, in bytes. A full file is renamed; a new one is started."""

KEEP = 16
"""Default number of renamed files that are kept for each table: one gibibyte at most."""


class CSVSink:
    """Writes ``samples.csv``, ``events.csv`` and ``connections.csv`` into a folder.

    Samples and Events are written at each tick, in whole lines. A connection is written when it has
    ended. Connections that are still open are written when the sink is detached.

    A full file is renamed to ``samples.000001.csv`` and so on. A file of an earlier run is renamed,
    too; see :mod:`rtmon.sinks.rolling_file`.

    Args:
        folder: folder of the files; created if it does not exist.
        max_bytes: maximum size of a file in bytes; None for no limit.
        keep: maximum number of renamed files of each table. The oldest are deleted. None to keep
            them all.

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

    def open(self, node: str, epoch: str) -> None:  # noqa: ARG002 - each row of the files has both
        """Create the folder and the files, each with its header.

        Raises:
            OSError: the folder or a file cannot be created.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        for table in _STREAMED:
            path = self.folder / f"{table}.csv"
            self._files[table] = RollingFile(path, csv_text.header(table), **self._limits)

    def write(self, tick: Tick) -> None:
        """Write one tick. After a full disk, a repeated call continues where the last one stopped.

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
    """Write one table to a CSV file. The file gets its name when it is complete.

    Args:
        path: the file to create or replace.
        table: name of a table in :data:`rtmon.metrics.columns.TABLES`.
        records: records of that table.

    Returns:
        The path of the file.

    Raises:
        OSError: the file cannot be written.
    """
    with writing(path) as file:
        file.writelines(csv_text.lines(table, records))
    return Path(path)


def csv_types(table: str) -> dict[str, str]:
    """Return the SQL type of each column of a CSV file, for programs that guess types.

    A type cannot be guessed if a column is null in all rows, or in the first thousand.

    Args:
        table: name of a table in :data:`rtmon.metrics.columns.TABLES`.

    Returns:
        The type of each column, in the order of columns: ``BIGINT``, ``DOUBLE``, ``VARCHAR`` or
        ``TIMESTAMPTZ``.

    Raises:
        OptionError: there is no such table.
    """
    if table not in TABLES:
        raise OptionError(f"there is no table {table!r}: give {', '.join(TABLES)}")
    return {column.name: _SQL[column.dtype] for column in TABLES[table]}


def read_csv(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read a CSV file of rtmon into a DataFrame, with the values and dtypes that the Monitor had.

    The header shows which table it is. Files that a spreadsheet program has saved can be read, too:
    with a byte order mark, with semicolons, and with lines of empty cells. If pyarrow is installed
    (the extra ``parquet``), a million rows take one or two seconds.

    Args:
        path: the file.

    Raises:
        FileFormatError: the file is not a CSV file of rtmon, or it is damaged.
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
