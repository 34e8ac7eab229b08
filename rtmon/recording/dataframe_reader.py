"""Read a recording in a program: its tables as DataFrames, and a feed for every view."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from ..errors import OptionError
from ..feeds.queries import LEVELS, MOST_ROWS, RowsQuery
from ..monitor.dataframes import frame
from .query_reader import QueryReader
from .recording_feed import RecordingFeed

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Moment", "Run", "read"]

Moment = float | str | datetime | None
"""A time: Unix seconds, a datetime, or ISO 8601 text; without a time zone it is UTC."""


def seconds(moment: Moment) -> float | None:
    """Return a time as Unix seconds.

    Raises:
        OptionError: the text is not a time.
    """
    if moment is None or isinstance(moment, int | float):
        return moment
    if isinstance(moment, str):
        try:
            moment = datetime.fromisoformat(moment)
        except ValueError:
            raise OptionError(
                f"{moment!r} is not a time: write it as in 2026-05-04T14:05:00"
            ) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


class Run:
    """A recording opened for reading; as a context manager it closes the file at the end.

    Args:
        path: the file.

    Raises:
        FileFormatError: it is no recording, is damaged, or was written by a newer release.
        OSError: it is not there or cannot be read.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._reader = QueryReader(self.path)

    def __repr__(self) -> str:
        span = self._reader.span()
        if span is None:
            return f"<rtmon recording {self.path}: empty>"
        begin, end = (datetime.fromtimestamp(time, UTC).isoformat(" ", "seconds") for time in span)
        return f"<rtmon recording {self.path}: {begin} to {end}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._reader.close()

    def feed(self) -> RecordingFeed:
        """Return a feed of the recording for views; the caller starts and closes it."""
        return RecordingFeed(self.path)

    def view(self, page: str | None = None, **parameters: Any) -> Any:
        """Return a page or a chart of the dashboard over the recording, for a notebook to show.

        ``run.view("events", query="kind:closed")``: see :func:`rtmon.view`.

        Raises:
            OptionError: there is no such page, parameter or value.
            QueryError: the query is wrong.
        """
        from ..dashboard.notebook import view

        return view(self.path, page, **parameters)

    def samples(
        self, *, since: Moment = None, until: Moment = None, every: Literal[1, 10, 60] | None = None
    ) -> pd.DataFrame:
        """Return the Samples as a DataFrame, oldest first.

        Args:
            since: the beginning, included.
            until: the end, included.
            every: ticks merged into each row; None for the finest resolution available.

        Raises:
            OptionError: a time or ``every`` is wrong.
            MissingExtra: pandas is not installed.
        """
        if every is not None and every not in LEVELS:
            raise OptionError(f"every={every!r}: rows are of 1, 10 or 60 ticks")
        for level in LEVELS if every is None else (every,):
            points = self._reader.points.samples(
                level=level, since=seconds(since), until=seconds(until)
            )
            if points:
                break
        return frame("samples", [point.sample for point in points])

    def connections(self, *, where: str = "") -> pd.DataFrame:
        """Return the connections as a DataFrame: the newest epoch first, in it the open ones.

        Args:
            where: a condition in the query language, such as ``cause:"ping timeout"``.

        Raises:
            QueryError: the condition has an error.
            MissingExtra: pandas is not installed.
        """
        return self._rows("connections", where)

    def events(
        self, *, since: Moment = None, until: Moment = None, where: str = ""
    ) -> pd.DataFrame:
        """Return the Events as a DataFrame, oldest first.

        Raises:
            QueryError: the condition has an error.
            OptionError: a time is wrong.
            MissingExtra: pandas is not installed.
        """
        found = self._rows("events", where, since=seconds(since), until=seconds(until))
        return found.iloc[::-1].reset_index(drop=True)

    def channels(self) -> pd.DataFrame:
        """Return the hub's channels as a DataFrame."""
        return self._rows("channels", "")

    def _rows(self, table: Any, where: str, **limits: Any) -> pd.DataFrame:
        query = RowsQuery(table=table, where=where, limit=MOST_ROWS, **limits)
        answer: Any = self._reader.answer(query)
        return frame(table, [row.record for row in answer.rows])


def read(path: str | os.PathLike[str]) -> Run:
    """Open a recording: ``rtmon.read("run.rtmon").samples()``.

    It may still be written, by this process or another.

    Raises:
        FileFormatError: it is no recording, is damaged, or was written by a newer release.
        OSError: it is not there or cannot be read.
    """
    return Run(path)
