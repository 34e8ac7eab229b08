"""Write and read tables as CSV text, safe from formula injection in spreadsheets.

Format: RFC 4180, comma, CRLF, UTF-8. Null is an empty cell and empty text a lone ``'``. Text
whose first character a spreadsheet may take for a formula (``= + - @``, their full-width forms,
tab, line ends), or that begins with ``'``, gets one ``'`` in front
(https://owasp.org/www-community/attacks/CSV_Injection). Times are ISO 8601 in UTC with
microseconds.
"""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from ..errors import FileFormatError
from .columns import TABLES, Column, names
from .histogram import plain

__all__ = ["cell", "chosen", "header", "line", "lines", "parse", "value"]

_FORMULA = (*"=+-@", *"\uff1d\uff0b\uff0d\uff20", "\t", "\r", "\n", "'")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def cell(column: Column, content: Any) -> str:
    """Return a value as the text of a CSV cell, before quoting."""
    if content is None:
        return ""
    if column.kind == "time":
        return (_EPOCH + timedelta(microseconds=round(content * 1e6))).isoformat(
            timespec="microseconds"
        )
    if column.kind in {"counter", "gauge"}:
        return repr(content)
    text: str = plain(content)
    if not text:
        return "'"
    return f"'{text}" if text.startswith(_FORMULA) else text


def value(column: Column, text: str) -> Any:
    """Parse the text of :func:`cell`; histograms and tallies stay in their text form.

    Raises:
        ValueError: the text does not fit the column's kind.
    """
    if text == "":
        return None
    if column.kind == "time":
        return (datetime.fromisoformat(text) - _EPOCH) / timedelta(seconds=1)
    if column.kind in {"counter", "gauge"}:
        return int(text) if column.dtype == "Int64" else float(text)
    return text.removeprefix("'")


def header(table: str) -> str:
    """The first line of a table's file."""
    return _join(names(TABLES[table]))


def line(table: str, record: Any) -> str:
    """One record as a line, its end included."""
    return _join([cell(column, getattr(record, column.name)) for column in TABLES[table]])


def lines(table: str, records: Iterable[Any]) -> Iterator[str]:
    """A whole table, line by line, the header first."""
    yield header(table)
    for record in records:
        yield line(table, record)


def chosen(columns: Sequence[Column], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    """Some columns of a table, line by line, their names first.

    Args:
        columns: the columns.
        rows: for each row its values, one for each column.
    """
    yield _join([column.name for column in columns])
    for row in rows:
        yield _join([cell(column, content) for column, content in zip(columns, row, strict=True)])


def _join(cells: Sequence[str]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerow(cells)
    return out.getvalue()


def parse(source: Iterable[str], *, where: str) -> tuple[str, dict[str, list[Any]]]:
    """Read a table.

    Args:
        source: the text's lines, with their line ends as they are (``newline=""``).
        where: what to call the source in errors, such as the file's name.

    Returns:
        The table's name and its columns.

    Raises:
        FileFormatError: this is not a file that rtmon writes, or a line of it is damaged.
    """
    lines = iter(source)
    first = next(lines, "")
    # A spreadsheet writes semicolons where people write decimals with a comma.
    delimiter = ";" if ";" in first else ","
    rows = csv.reader(itertools.chain([first], lines), delimiter=delimiter, strict=True)
    try:
        head = tuple(next(rows, ()))
        table = next((name for name in TABLES if names(TABLES[name]) == head), "")
        if table:
            return table, _columns(TABLES[table], rows, comma=delimiter == ";")
    except (ValueError, csv.Error) as exc:
        raise FileFormatError(f"{where}, line {rows.line_num}: {exc}") from exc
    known = ", ".join(TABLES)
    raise FileFormatError(f"{where}: the first line is not that of a table of rtmon's ({known})")


def _columns(
    columns: Sequence[Column], rows: Iterable[Sequence[str]], *, comma: bool
) -> dict[str, list[Any]]:
    content: dict[str, list[Any]] = {column.name: [] for column in columns}
    for cells in rows:
        if not any(cells):  # as spreadsheets end a file
            continue
        if len(cells) != len(columns):
            raise ValueError(f"{len(cells)} cells where there are {len(columns)} columns")
        for column, text in zip(columns, cells, strict=True):
            decimal = text.replace(",", ".") if comma and column.kind == "gauge" else text
            content[column.name].append(value(column, decimal))
    return content
