"""Read a recording in a program: its tables as pandas DataFrames, and a feed for views."""

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
"""A time: Unix seconds, a datetime, or ISO 8601 text. A time without a zone is in UTC."""


def seconds(moment: Moment) -> float | None:
    """Convert a time to Unix seconds; None stays None.

    Raises:
        OptionError: the text is not an ISO 8601 time.
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
    """A recording opened for reading. As a context manager, it closes the file at the end.

    Args:
        path: the recording.

    Raises:
        FileFormatError: the file is not a recording, is damaged, or was written by a newer rtmon.
        OSError: the file does not exist or cannot be read.
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
        """Close the recording's file."""
        self._reader.close()

    def feed(self) -> RecordingFeed:
        """Return a feed of the recording for views; the caller must start and close the feed."""
        return RecordingFeed(self.path)

    def view(self, page: str | None = None, **parameters: Any) -> Any:
        """Show a page or a chart of the dashboard with the recording's data in a notebook.

        For example ``run.view("events", query="kind:closed")``; see :func:`rtmon.view`.

        Args:
            page: name of the page or chart; None for the overview.
            parameters: the page's parameters, such as ``query``.

        Raises:
            OptionError: the page, a parameter or its value does not exist.
            QueryError: the query has an error.
        """
        from ..dashboard.notebook import view

        return view(self.path, page, **parameters)

    def samples(
        self, *, since: Moment = None, until: Moment = None, every: Literal[1, 10, 60] | None = None
    ) -> pd.DataFrame:
        """Return the Samples as a DataFrame, oldest first.

        Args:
            since: start of the time range, included; None for the start of the recording.
            until: end of the time range, included; None for the end of the recording.
            every: number of ticks merged into each row. None for the finest resolution that has
                Samples in the time range.

        Raises:
            OptionError: a time or ``every`` is invalid.
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
        """Return the connections as a DataFrame.

        The newest epoch comes first. Within an epoch, open connections come before closed ones.

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

        Args:
            since: start of the time range, included; None for the start of the recording.
            until: end of the time range, included; None for the end of the recording.
            where: a condition in the query language, such as ``kind:closed``.

        Raises:
            QueryError: the condition has an error.
            OptionError: a time is invalid.
            MissingExtra: pandas is not installed.
        """
        found = self._rows("events", where, since=seconds(since), until=seconds(until))
        return found.iloc[::-1].reset_index(drop=True)

    def channels(self) -> pd.DataFrame:
        """Return the hub's channels in their last recorded state as a DataFrame."""
        return self._rows("channels", "")

    def _rows(self, table: Any, where: str, **limits: Any) -> pd.DataFrame:
        query = RowsQuery(table=table, where=where, limit=MOST_ROWS, **limits)
        answer: Any = self._reader.answer(query)
        return frame(table, [row.record for row in answer.rows])


def read(path: str | os.PathLike[str]) -> Run:
    """Open a recording for reading: ``rtmon.read("run.rtmon").samples()``.

    This process or another one may still write the recording.

    Raises:
        FileFormatError: the file is not a recording, is damaged, or was written by a newer rtmon.
        OSError: the file does not exist or cannot be read.
    """
    return Run(path)
