"""Write and read tables as CSV text, without the risk of formula injection in spreadsheets.

The format is RFC 4180 with commas, CRLF line ends and UTF-8. Null is written as an empty cell, and
the empty text as a single ``'``. Times are ISO 8601 in UTC, with microseconds.

A spreadsheet takes a text for a formula if it begins with ``=``, ``+``, ``-``, ``@`` or the
full-width form of one of these, with a tab, or with a line end. Such a text is written with a ``'``
in front (https://owasp.org/www-community/attacks/CSV_Injection). A text that begins with ``'`` gets
another ``'`` in front.
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
    """Return a value as the text of a CSV cell. The CSV writer adds quotes where needed."""
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
    """Parse the text of a CSV cell, the inverse of :func:`cell`.

    Histograms and tallies are returned as text.

    Raises:
        ValueError: the text is not valid for the column's kind.
    """
    if text == "":
        return None
    if column.kind == "time":
        return (datetime.fromisoformat(text) - _EPOCH) / timedelta(seconds=1)
    if column.kind in {"counter", "gauge"}:
        return int(text) if column.dtype == "Int64" else float(text)
    return text.removeprefix("'")


def header(table: str) -> str:
    """Return the first line of a table's CSV file, which has the column names."""
    return _join(names(TABLES[table]))


def line(table: str, record: Any) -> str:
    """Return one record as a CSV line, line end included."""
    return _join([cell(column, getattr(record, column.name)) for column in TABLES[table]])


def lines(table: str, records: Iterable[Any]) -> Iterator[str]:
    """Yield the lines of a table's CSV file, header first."""
    yield header(table)
    for record in records:
        yield line(table, record)


def chosen(columns: Sequence[Column], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    """Yield the CSV lines for some columns of a table, column names first.

    Args:
        columns: the columns to write.
        rows: the rows, each a sequence with one value for each column.
    """
    yield _join([column.name for column in columns])
    for row in rows:
        yield _join([cell(column, content) for column, content in zip(columns, row, strict=True)])


def _join(cells: Sequence[str]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerow(cells)
    return out.getvalue()


def parse(source: Iterable[str], *, where: str) -> tuple[str, dict[str, list[Any]]]:
    """Parse the CSV text of a table.

    Args:
        source: lines of the text, with unchanged line ends (``open(..., newline="")``).
        where: name of the source in error messages, such as the file's name.

    Returns:
        Name of the table, and column name → list of values.

    Raises:
        FileFormatError: the first line is not that of a table of rtmon, or a line is damaged.
    """
    lines = iter(source)
    first = next(lines, "")
    # Spreadsheets separate cells by semicolons in countries that use a decimal comma.
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
        if not any(cells):  # Spreadsheets may write empty lines at the end of a file.
            continue
        if len(cells) != len(columns):
            raise ValueError(f"{len(cells)} cells where there are {len(columns)} columns")
        for column, text in zip(columns, cells, strict=True):
            decimal = text.replace(",", ".") if comma and column.kind == "gauge" else text
            content[column.name].append(value(column, decimal))
    return content
