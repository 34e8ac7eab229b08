"""Draw the screen of ``rtmon top``: tiles, sparklines, connections and Events of a feed.

The functions return rich renderables; they do not write to the terminal themselves.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import islice

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ..feeds.feed import Feed
from ..views.chart_definition import Chart, Series
from ..views.chart_points import Timeline
from ..views.data_freshness import Freshness
from ..views.merged_samples import MergedSamples
from ..views.number_format import UNKNOWN, clock, duration, exact
from ..views.number_tiles import Tile, tiles
from ..views.server_charts import BRIEF
from ..views.table_rows import (
    CONNECTION_COLUMNS,
    EVENT_COLUMNS,
    Cell,
    Columns,
    connection_row,
    event_row,
)
from .key_bindings import HELP, KeyChoices

__all__ = ["draw", "printable", "sparkline"]

WIDE = 120
"""Minimum width of a screen, in characters, that shows all tiles in one row."""

RECENT = 125
"""Number of Samples from which tiles are computed: at least two minutes at one tick a second."""

_LABEL = 13
"""Width of the label before a sparkline, in characters."""

_MOST = 13
"""Width of the text after a sparkline, which shows its maximum, in characters."""

_NARROWEST = 36
"""Minimum width of a sparkline with both texts, in characters, if a line has several of them."""

_SHOWN = 60
"""Minimum number of points that a sparkline covers; on a narrow screen, a bar merges several."""

_EVENTS = 5
_BARS = "▁▂▃▄▅▆▇█"
_MOODS = {"good": "green", "warn": "yellow", "bad": "bold red", "soft": "dim"}
_ALERTS = {"": "bold", "warning": "bold yellow", "critical": "bold red"}
_ARROWS = {1: "▲ ", -1: "▼ ", 0: ""}
_LIGHTS = {"live": "green", "empty": "green", "recovered": "green", "paused": "yellow"}

_EVENT_COLUMNS = (("time", "UTC", "left"), *EVENT_COLUMNS[1:])
_TITLES = {key: title for key, title, _ in CONNECTION_COLUMNS}
_LEFT_OUT = ((150, ()), (WIDE, ("path", "bytes_in", "bytes_out")))
_NARROW = ("path", "bytes_in", "bytes_out", "transport", "errors", "opened")
"""Columns of the connections table that a screen narrower than :data:`WIDE` does not show."""


def printable(text: str) -> str:
    """Replace unprintable characters in untrusted text, to make the text safe for a terminal.

    A terminal would execute escape sequences, and bidirectional control characters would change
    the order of the following text.
    """
    return "".join([mark if mark.isprintable() else "�" for mark in text])


def sparkline(values: Sequence[float], width: int) -> str:
    """Return the last ``width`` values as a text of bar characters.

    The bar of the largest value has full height. NaN is shown as a gap.
    """
    shown = values[-width:]
    most = max((value for value in shown if not math.isnan(value)), default=0.0)
    return "".join([_bar(value, most) for value in shown]).rjust(width)


def _bar(value: float, most: float) -> str:
    if math.isnan(value):
        return " "
    return _BARS[min(len(_BARS) - 1, int(value / most * len(_BARS)))] if most > 0 else _BARS[0]


def draw(
    feed: Feed,
    freshness: Freshness,
    choices: KeyChoices,
    timeline: Timeline,
    *,
    width: int,
    height: int,
) -> RenderableType:
    """Draw the whole screen of ``rtmon top``.

    Args:
        feed: the feed to show.
        freshness: whether the feed's data is live, stalled and so on.
        choices: the user's view settings. The offset is corrected if it is beyond the last row.
        timeline: the points of the charts, for sparklines.
        width: width of the screen in characters.
        height: height of the screen in lines.
    """
    parts: list[RenderableType] = [_head(feed, freshness, width)]
    used = 3  # lines: the head, the heading of the connections, the key help
    if freshness.banner:
        parts.append(Text(printable(freshness.banner), style="yellow", no_wrap=True))
        used += 1
    row = tiles(feed.samples()[-RECENT:], feed.snapshot())
    for some in [row] if width >= WIDE else [row[:4], row[4:]]:
        parts.append(_tiles(some))
        used += 4
    if height >= 20:
        # Leave three lines: a blank one, the column titles of the connections, and one row.
        lines = _charts(timeline, width, lines=height // 4, most=height - used - 3)
        parts += [*lines, Text()]
        used += len(lines) + 1
    events = min(_EVENTS, max(0, (height - used - 4) // 3))
    rows = max(1, height - used - 1 - (events + 2 if events else 0))
    parts += _connections(feed, choices, width=width, rows=rows)
    if events:
        latest = feed.events()[: -events - 1 : -1]
        cells = [event_row(event) for event in latest]
        parts += [Text(), _table(_EVENT_COLUMNS, cells, lines=events)]
    parts.append(_foot(choices))
    return Group(*parts)


def _head(feed: Feed, freshness: Freshness, width: int) -> Text:
    status, snapshot = feed.status, feed.snapshot()
    head = Text("rtmon top ", style="bold", no_wrap=True, overflow="ellipsis")
    head.append("● ", style=_LIGHTS.get(freshness.kind, "red"))
    head.append(freshness.pill, style="default not bold")
    head.append(f"  {printable(status.node)}", style="not bold")
    head.append(f"  {printable(status.source)}", style="dim not bold")
    up = "" if snapshot is None else f"up {duration(snapshot.uptime)} · "
    right = f"{up}{clock(feed.now())} UTC"
    gap = width - head.cell_len - len(right)
    if gap > 0:
        head.append(" " * gap + right, style="dim not bold")
    return head


def _tiles(row: Sequence[Tile]) -> Table:
    grid = Table.grid(expand=True, padding=(0, 2, 1, 0))
    cells = []
    for tile in row:
        grid.add_column(ratio=1, no_wrap=True)
        text = Text(f"{tile.label}\n", style="dim")
        text.append(tile.value, style=_ALERTS[tile.alert] + " not dim")
        text.append(f" {tile.unit}\n", style="not dim")
        below = tile.reason or f"{_ARROWS[tile.sign]}{tile.change}" or UNKNOWN
        text.append(below, style=_ALERTS[tile.alert] + " not dim" if tile.alert else "")
        cells.append(text)
    grid.add_row(*cells)
    return grid


def _charts(timeline: Timeline, width: int, *, lines: int, most: int) -> list[Text]:
    """Draw each series of each chart as a sparkline.

    Args:
        timeline: the points of the charts.
        width: width of the screen in characters.
        lines: wanted number of lines. Sparklines are placed side by side to fit into these lines,
            as far as the width allows.
        most: maximum number of lines; further sparklines are omitted.
    """
    series = [(chart, each) for chart in BRIEF for each in chart.series]
    beside = min(math.ceil(len(series) / lines), max(1, width // _NARROWEST))
    cells = [
        _spark(chart, each, timeline, width // beside - 2 * (beside > 1)) for chart, each in series
    ]
    rows = [cells[at : at + beside] for at in range(0, len(cells), beside)]
    return [Text("  ", no_wrap=True, overflow="ellipsis").join(row) for row in rows[:most]]


def _spark(
    chart: Chart[MergedSamples], series: Series[MergedSamples], timeline: Timeline, width: int
) -> Text:
    label = chart.key if len(chart.series) == 1 else f"{chart.key} {series.label}"
    bars = max(1, width - _LABEL - _MOST - 2)
    values = _bars(timeline, series.key, bars)
    most = max((value for value in values if not math.isnan(value)), default=None)
    line = Text(f"{label[:_LABEL]:<{_LABEL}} ", style="dim", no_wrap=True)
    line.append(sparkline(values, bars), style="cyan not dim")
    line.append(f" max {chart.text(most)}".ljust(_MOST + 1))
    return line


def _bars(timeline: Timeline, key: str, bars: int) -> list[float]:
    """Return the latest values of a series, one for each bar of a sparkline.

    The bars cover at least a minute. So if there are fewer than 60 bars, each bar is the highest
    value of several points.
    """
    each = math.ceil(_SHOWN / bars)
    groups: dict[int, float] = {}
    for point in islice(reversed(timeline.points), bars * each):
        group, value = point.seq // each, point[key]
        if not math.isnan(value):
            groups[group] = max(value, groups.get(group, value))
        else:
            groups.setdefault(group, value)
    return list(groups.values())[::-1]


def _connections(
    feed: Feed, choices: KeyChoices, *, width: int, rows: int
) -> tuple[RenderableType, ...]:
    page = feed.connections(choices.query(rows))
    if not page.rows and page.total:
        choices.offset = max(0, page.total - rows)
        page = feed.connections(choices.query(rows))
    left_out = next((names for least, names in _LEFT_OUT if width >= least), _NARROW)
    kept = [at for at, column in enumerate(CONNECTION_COLUMNS) if column[0] not in left_out]
    now = feed.now()
    heading = Text("Connections ", style="bold", no_wrap=True)
    first = choices.offset + 1 if page.rows else 0
    span = f"{exact(first)}–{exact(choices.offset + len(page.rows))} of {exact(page.total)}"
    arrow = "▼" if choices.descending else "▲"
    order = f"by {_TITLES[choices.sort].lower()} {arrow}"
    heading.append(f"{span} {choices.state or 'in all'}, {order}", style="dim not bold")
    if choices.contains or choices.finding:
        heading.append(f" with “{printable(choices.contains)}”", style="yellow not bold")
    columns = tuple([CONNECTION_COLUMNS[at] for at in kept])
    cells = [[row[at] for at in kept] for row in (connection_row(info, now) for info in page.rows)]
    return heading, _table(columns, cells, lines=rows)


def _table(columns: Columns, rows: Sequence[Sequence[Cell]], *, lines: int) -> Table:
    """Draw a table of constant height: a line with titles, and ``lines`` rows or blank lines."""
    table = Table(box=None, expand=True, padding=(0, 1, 0, 0), header_style="dim")
    for _, title, side in columns:
        table.add_column(
            title,
            justify="right" if "right" in side else "left",
            no_wrap=True,
            overflow="ellipsis",
            ratio=1 if "wide" in side else None,
        )
    for row in rows:
        table.add_row(*map(_cell, row))
    for _ in range(lines - len(rows)):
        table.add_row()
    return table


def _cell(cell: Cell) -> Text:
    text, mood = (cell, "") if isinstance(cell, str) else cell
    if mood == "time":
        return Text(clock(float(text)), style="dim")
    return Text(printable(text), style=_MOODS.get(mood, ""))


def _foot(choices: KeyChoices) -> Text:
    if choices.finding:
        return Text("find: type, Enter keeps, Esc ends", style="reverse", no_wrap=True)
    return Text(HELP, style="dim", no_wrap=True, overflow="ellipsis")
