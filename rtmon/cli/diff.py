"""``rtmon diff``: compare two recordings, or two time ranges of a recording."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ..views.time_range_comparison import Difference, Stretch

__all__ = ["diff"]

WORSE = 3
"""Exit code if a value is worse by more than noise."""

MOST_ROWS = 50_000
"""Maximum number of points and of closed connections that are read from each recording."""

_COLOURS = {"better": "green", "worse": "red", "changed": "yellow"}

RangeHelp = "A recording, or a part of one: FILE[@SINCE..UNTIL], times as 2026-05-04T14:05, UTC."


def diff(
    a: Annotated[str, typer.Argument(metavar="A", help=RangeHelp)],
    b: Annotated[str, typer.Argument(metavar="B", help="A recording or range to compare with A.")],
    *,
    least: Annotated[
        float,
        typer.Option(
            min=0.0, max=10.0, metavar="SHARE", help="Smallest change that counts; 0.1 is 10 %."
        ),
    ] = 0.1,
    all_rows: Annotated[
        bool, typer.Option("--all", help="Show equal and unknown values, too.")
    ] = False,
) -> None:
    """Compare two recordings, or two ranges of time.

    A table shows rates, percentiles, errors and close causes side by side, and marks values that
    differ by more than noise as better, worse or changed. The exit code is 3 if a value is worse,
    so the command can be used in CI.

    \b
    Examples:
      rtmon diff before.rtmon after.rtmon
      rtmon diff run.rtmon@2026-05-04T14:00..2026-05-04T14:10 run.rtmon@2026-05-04T15:00..
      rtmon diff before.rtmon after.rtmon --least 0.25 || echo slower
    """
    before, after = asyncio.run(_stretches(a, b))
    from ..views.time_range_comparison import compare

    found = compare(before, after, least=least)
    _print((a, before), (b, after), found, all_rows=all_rows)
    if any(each.verdict == "worse" for each in found):
        raise typer.Exit(WORSE)


async def _stretches(a: str, b: str) -> tuple[Stretch, Stretch]:
    return await _stretch(a), await _stretch(b)


async def _stretch(text: str) -> Stretch:
    from ..errors import OptionError
    from ..feeds.queries import RowsQuery, SeriesQuery
    from ..recording.dataframe_reader import seconds
    from ..recording.recording_feed import RecordingFeed
    from ..views.time_range_comparison import Stretch

    file, _, span = text.partition("@")
    begin, dots, end = span.partition("..")
    if span and not dots:
        raise OptionError(f"{text!r}: write a range as FILE@SINCE..UNTIL; either may be empty")
    since, until = seconds(begin or None), seconds(end or None)
    feed = RecordingFeed(file)
    try:
        points = await feed.query(SeriesQuery(since=since, until=until, points=MOST_ROWS))
        if not len(points):
            raise OptionError(f"{text!r} holds no numbers of that time")
        merged = await feed.query(SeriesQuery(since=since, until=until, merge=True))
        closed = await feed.query(
            RowsQuery(where="state:closed", since=since, until=until, limit=MOST_ROWS)
        )
        ends = (
            row.record.cause or "unknown"
            for row in closed.rows
            if until is None or row.record.closed <= until
        )
        return Stretch(points, merged, Counter(ends))
    finally:
        await feed.aclose()


def _print(
    a: tuple[str, Stretch], b: tuple[str, Stretch], found: list[Difference], *, all_rows: bool
) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from ..views.number_format import duration
    from ..views.time_range_comparison import causes

    console = Console(highlight=False, markup=False)
    for name, (text, stretch) in zip("AB", (a, b), strict=True):
        console.print(f"{name}: {text}, {duration(stretch.seconds)}")
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    for title in ("A", "B", "change"):
        table.add_column(title, justify="right")
    table.add_column("")
    for each in found:
        if not all_rows and each.verdict in {"same", "unknown"}:
            continue
        verdict = Text(each.verdict, style=_COLOURS.get(each.verdict, "dim"))
        table.add_row(each.measure.title, *each.texts(), verdict)
    if table.row_count:
        console.print(table)
    else:
        console.print("No rate or percentile differs beyond noise.")
    ends = causes(a[1], b[1])
    if ends:
        ended = Table(box=None, pad_edge=False)
        ended.add_column("Connections ended by")
        ended.add_column("A", justify="right")
        ended.add_column("B", justify="right")
        for name, first, second in ends:
            ended.add_row(Text(name), f"{first:,}", f"{second:,}")
        console.print(ended)
