"""Read large CSV files of rtmon with pyarrow, if it is installed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..metrics import csv_text
from ..metrics.columns import TABLES, names

if TYPE_CHECKING:
    import pandas as pd

    from ..metrics.column import Column

__all__ = ["read_whole"]

_PIECE = 1 << 20
"""Number of bytes read at once while the quotes in the file are counted."""


def read_whole(path: Path) -> pd.DataFrame | None:
    """Read a whole file that has exactly the form in which rtmon writes CSV files.

    Returns:
        The DataFrame. None if pyarrow or pandas is missing, or if the file has another form; then
        :func:`rtmon.metrics.csv_text.parse` reads it or reports the error.

    Raises:
        OSError: the file cannot be read.
    """
    try:
        import pandas as pd
        import pyarrow as pa  # type: ignore[import-untyped]
        from pyarrow import csv
    except ImportError:
        return None
    with path.open("rb") as file:
        first = file.readline()
        table = next((name for name in TABLES if csv_text.header(name).encode() == first), None)
        if table is None:
            return None
        quotes = sum(piece.count(b'"') for piece in iter(lambda: file.read(_PIECE), b""))
    if quotes % 2:  # the file ends inside a quoted text, which pyarrow would accept
        return None
    types = {
        "Int64": (pa.int64(), pd.Int64Dtype()),
        "Float64": (pa.float64(), pd.Float64Dtype()),
        "string": (pa.string(), pd.StringDtype()),
        "datetime64[us, UTC]": (pa.timestamp("us", tz="UTC"), None),
    }
    columns = TABLES[table]
    try:
        content = csv.read_csv(
            path,
            parse_options=csv.ParseOptions(newlines_in_values=True),
            convert_options=csv.ConvertOptions(
                column_types={column.name: types[column.dtype][0] for column in columns},
                null_values=[""],
                strings_can_be_null=True,
            ),
        )
    except pa.ArrowInvalid:
        return None
    content = pa.table(
        [_values(column, content[column.name]) for column in columns], names=list(names(columns))
    )
    frame: pd.DataFrame = content.to_pandas(types_mapper=dict(types.values()).get)
    return frame


def _values(column: Column, values: Any) -> Any:
    """Remove the apostrophes that :func:`rtmon.metrics.csv_text.cell` has put before texts."""
    if column.dtype != "string":
        return values
    import pyarrow.compute as pc  # type: ignore[import-untyped]

    marked = pc.starts_with(values, "'")
    if not pc.any(marked).as_py():
        return values
    return pc.if_else(marked, pc.utf8_slice_codeunits(values, 1), values)
