"""Convert records to pandas DataFrames. Requires pandas, from rtmon's extra ``dashboard``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import MissingExtra
from ..metrics.columns import TABLES, Column
from ..metrics.histogram import plain

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["frame", "frame_of_columns"]


def frame(table: str, records: Iterable[Any]) -> pd.DataFrame:
    """Return a DataFrame with one row for each record, in the given order.

    Args:
        table: name of a table in :data:`rtmon.metrics.columns.TABLES`.
        records: records of this table.

    Returns:
        A DataFrame with the columns and dtypes of the table. Histograms and tallies are converted
        to text.

    Raises:
        MissingExtra: pandas is not installed.
    """
    rows = list(records)
    return frame_of_columns(
        table,
        {
            column.name: [plain(getattr(row, column.name)) for row in rows]
            for column in TABLES[table]
        },
    )


def frame_of_columns(table: str, content: Mapping[str, Sequence[Any]]) -> pd.DataFrame:
    """Return a DataFrame of a table from lists of values.

    Args:
        table: name of a table in :data:`rtmon.metrics.columns.TABLES`.
        content: column name → values, for each column of the table. Histograms and tallies are
            given as text.

    Raises:
        MissingExtra: pandas is not installed.
    """
    try:
        import pandas as pd
    except ImportError:
        feature = "A DataFrame"
        raise MissingExtra(feature, "pandas", "dashboard") from None
    return pd.DataFrame(
        {column.name: _series(column, content[column.name]) for column in TABLES[table]}
    )


def _series(column: Column, values: Sequence[Any]) -> Any:
    import pandas as pd

    if column.kind == "time":
        micros = [None if value is None else round(value * 1e6) for value in values]
        stamps = pd.Series(pd.array(micros, dtype="Int64"))
        return pd.to_datetime(stamps, unit="us", utc=True).astype("datetime64[us, UTC]")
    return pd.array(list(values), dtype=column.dtype)
