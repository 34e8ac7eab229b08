"""File formats for an exported table: CSV, JSON lines and Parquet, written batch by batch."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import attrgetter
from pathlib import Path
from typing import Any, Literal

import msgspec

from ..core.atomic_file import writing, writing_bytes
from ..errors import MissingExtra
from ..metrics import csv_text
from ..metrics.column import Column
from ..metrics.columns import TABLES
from ..metrics.histogram import plain

__all__ = ["FORMATS", "Append", "Format"]

Format = Literal["csv", "json", "parquet"]

Append = Callable[[Sequence[Any]], None]
"""Function that writes a batch of records to an open file."""

ROW_GROUP = 20_000
"""Minimum number of rows that are encoded and compressed together in a Parquet file."""

_ARROW = {
    "Int64": "int64",
    "Float64": "float64",
    "string": "string",
    "datetime64[us, UTC]": "timestamp",
}


@contextlib.contextmanager
def csv_file(folder: Path, table: str) -> Iterator[Append]:
    """Open ``TABLE.csv`` for writing, in the format of :mod:`rtmon.metrics.csv_text`."""
    with writing(folder / f"{table}.csv") as file:
        file.write(csv_text.header(table))

        def append(records: Sequence[Any]) -> None:
            file.writelines(csv_text.line(table, record) for record in records)

        yield append


@contextlib.contextmanager
def json_file(folder: Path, table: str) -> Iterator[Append]:
    """Open ``TABLE.jsonl`` for writing: one JSON object per line, with times in Unix seconds."""
    names = [column.name for column in TABLES[table]]
    encode = msgspec.json.Encoder().encode
    with writing(folder / f"{table}.jsonl") as file:

        def append(records: Sequence[Any]) -> None:
            for record in records:
                row = {name: plain(getattr(record, name)) for name in names}
                file.write(encode(row).decode() + "\n")

        yield append


@contextlib.contextmanager
def parquet_file(folder: Path, table: str) -> Iterator[Append]:
    """Open ``TABLE.parquet`` for writing. Times are stored as UTC timestamps in microseconds.

    Raises:
        MissingExtra: pyarrow is not installed.
    """
    try:
        import pyarrow as pa  # type: ignore[import-untyped]
        import pyarrow.compute as pc  # type: ignore[import-untyped]
        import pyarrow.parquet as pq  # type: ignore[import-untyped]
    except ImportError:
        feature = "Parquet"
        raise MissingExtra(feature, "pyarrow", "parquet") from None
    types: Mapping[str, Any] = {
        "int64": pa.int64(),
        "float64": pa.float64(),
        "string": pa.string(),
        "timestamp": pa.timestamp("us", tz="UTC"),
    }
    columns = TABLES[table]
    schema = pa.schema([(c.name, types[_ARROW[c.dtype]]) for c in columns])
    # Parquet's dictionary encoding is used only for texts that repeat. For other texts it takes
    # time and saves nothing.
    repeated = [column.name for column in columns if column.kind == "text"]
    held: dict[str, list[Any]] = {column.name: [] for column in columns}
    with (
        writing_bytes(folder / f"{table}.parquet") as file,
        pq.ParquetWriter(file, schema, compression="zstd", use_dictionary=repeated) as writer,
    ):

        def array(column: Column) -> Any:
            values = held[column.name]
            if column.kind == "time":
                seconds = pa.array(values, type=pa.float64())
                return pc.round(pc.multiply(seconds, 1e6)).cast(pa.int64()).cast(types["timestamp"])
            if column.kind in {"histogram", "tally"}:
                values = list(map(plain, values))
            return pa.array(values, type=types[_ARROW[column.dtype]])

        def write_held() -> None:
            writer.write_table(pa.Table.from_arrays(list(map(array, columns)), schema=schema))
            for values in held.values():
                values.clear()

        def append(records: Sequence[Any]) -> None:
            for name, values in _columns(records, tuple(held)):
                held[name].extend(values)
            if len(held[columns[0].name]) >= ROW_GROUP:
                write_held()

        yield append
        write_held()


def _columns(records: Sequence[Any], names: tuple[str, ...]) -> Iterator[tuple[str, Sequence[Any]]]:
    """Yield the name and the values of each column of records, which are faster as named tuples."""
    if not records:
        return
    stored: dict[str, Sequence[Any]] = {}
    if isinstance(records[0], tuple):
        fields: tuple[str, ...] = records[0]._fields  # type: ignore[attr-defined]
        stored = dict(zip(fields, zip(*records, strict=True), strict=True))
    for name in names:
        yield name, stored.get(name) or list(map(attrgetter(name), records))


FORMATS: Mapping[str, Callable[[Path, str], contextlib.AbstractContextManager[Append]]] = {
    "csv": csv_file,
    "json": json_file,
    "parquet": parquet_file,
}
"""Format → function that opens the file of a table in a folder. A file gets its name when it is
complete."""

SUFFIXES: Mapping[str, str] = {"csv": ".csv", "json": ".jsonl", "parquet": ".parquet"}


def path_of(folder: str | os.PathLike[str], table: str, form: str) -> Path:
    """Return the path of the file that a format writes for a table."""
    return Path(folder) / f"{table}{SUFFIXES[form]}"
