"""A feed drawn for a terminal: pure, from what the feed says and how large the screen is."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ..feeds.feed import Feed
from ..views.condition import Condition
from ..views.numbers import UNKNOWN, clock, duration, exact, scaled
from ..views.rows import CONNECTION_COLUMNS, EVENT_COLUMNS, Cell, Columns, connection_row, event_row
from ..views.series import Series
from ..views.tiles import Tile, tiles
from .choices import HELP, Choices

__all__ = ["draw", "printable", "sparkline"]

WIDE = 120
"""Columns of a screen that has all tiles in one row, and most of the table."""

RECENT = 125
"""Samples that the tiles look at: two minutes and some."""

_EVENTS = 5
_BARS = "▁▂▃▄▅▆▇█"
_MOODS = {"good": "green", "warn": "yellow", "bad": "bold red", "soft": "dim"}
_ALERTS = {"": "bold", "warning": "bold yellow", "critical": "bold red"}
_ARROWS = {1: "▲ ", -1: "▼ ", 0: ""}
_LIGHTS = {"live": "green", "empty": "green", "recovered": "green", "paused": "yellow"}

_TITLES = {key: title for key, title, _ in CONNECTION_COLUMNS}
_LEFT_OUT = ((150, ()), (WIDE, ("path", "bytes_in", "bytes_out")))
_NARROW = ("path", "bytes_in", "bytes_out", "transport", "errors", "opened")
"""Columns that go first where there is little place."""


def printable(text: str) -> str:
    """Text from outside, as a terminal may be given it.

    Escape sequences would be obeyed, and marks that turn the direction of writing would turn
    what stands behind them.
    """
    return "".join([mark if mark.isprintable() else "�" for mark in text])


def sparkline(values: Sequence[float], width: int) -> str:
    """The last values as bars, the largest full; NaN is a gap."""
    shown = values[-width:]
    most = max((value for value in shown if not math.isnan(value)), default=0.0)
    return "".join([_bar(value, most) for value in shown]).rjust(width)


def _bar(value: float, most: float) -> str:
    if math.isnan(value):
        return " "
    return _BARS[min(len(_BARS) - 1, int(value / most * len(_BARS)))] if most > 0 else _BARS[0]


def draw(
    feed: Feed,
    condition: Condition,
    choices: Choices,
    series: Series,
    *,
    width: int,
    height: int,
) -> RenderableType:
    """The whole screen.

    Args:
        feed: what is shown.
        condition: how fresh that is.
        choices: which connections are to be seen.
        series: what the lines draw.
        width: characters in a line.
        height: lines.
    """
    parts: list[RenderableType] = [_head(feed, condition, width)]
    used = 3  # the head, the connections' heading, the help
    if condition.banner:
        parts.append(Text(printable(condition.banner), style="yellow", no_wrap=True))
        used += 1
    row = tiles(feed.samples()[-RECENT:], feed.snapshot())
    for some in [row] if width >= WIDE else [row[:4], row[4:]]:
        parts.append(_tiles(some))
        used += 4
    if height >= 20:
        for key, title in (("messages_in", "in "), ("messages_out", "out")):
            parts.append(_line(series, key, title, width))
        parts.append(Text())
        used += 3
    events = min(_EVENTS, max(0, (height - used - 4) // 3))
    rows = max(1, height - used - 1 - (events + 2 if events else 0))
    parts += _connections(feed, choices, width=width, rows=rows)
    if events:
        latest = feed.events()[: -events - 1 : -1]
        cells = [event_row(event) for event in latest]
        parts += [Text(), _table(EVENT_COLUMNS, cells, lines=events)]
    parts.append(_foot(choices))
    return Group(*parts)


def _head(feed: Feed, condition: Condition, width: int) -> Text:
    status, snapshot = feed.status, feed.snapshot()
    head = Text("rtmon top ", style="bold", no_wrap=True, overflow="ellipsis")
    head.append("● ", style=_LIGHTS.get(condition.kind, "red"))
    head.append(condition.pill, style="default not bold")
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


def _line(series: Series, key: str, title: str, width: int) -> Text:
    values = [getattr(point, key) for point in series.points]
    known = [value for value in values[-width:] if not math.isnan(value)]
    label = " at most {} {}".format(*scaled(max(known) if known else None, "/s"))
    line = Text(f"{title} ", style="dim", no_wrap=True)
    place = max(1, width - len(title) - 1 - len(label))
    line.append(sparkline(values, place), style="cyan not dim")
    line.append(label)
    return line


def _connections(
    feed: Feed, choices: Choices, *, width: int, rows: int
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
    """A table that always takes so many lines, and one for its titles."""
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
    return Text(printable(text), style=_MOODS.get(mood, ""))


def _foot(choices: Choices) -> Text:
    if choices.finding:
        return Text("find: type, Enter keeps, Esc ends", style="reverse", no_wrap=True)
    return Text(HELP, style="dim", no_wrap=True, overflow="ellipsis")
