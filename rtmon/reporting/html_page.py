"""Write a self-contained HTML page of tiles, charts and tables, without scripts or other files.

Texts may come from clients and are untrusted. The functions of this module escape all of them;
callers must not escape texts themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from ..views.palette import DARK, LIGHT, css
from ..views.svg_charts import Drawing, svg

__all__ = ["Paragraph", "Section", "Table", "Tiles", "page"]

_COLORS = f"""
:root {{ color-scheme: light dark; {css(LIGHT)} }}
@media (prefers-color-scheme: dark) {{ :root {{ {css(DARK)} }} }}
"""

_STYLE = """
body { margin: 0 auto; max-width: 1180px; padding: 24px 16px; background: var(--rt-ground);
  color: var(--rt-text); font: 15px/1.45 system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif }
h1 { font-size: 24px; margin: 0 } h2 { font-size: 18px; margin: 28px 0 10px }
h3 { font-size: 14px; margin: 0 0 6px; font-weight: 600 } h3 small { color: var(--rt-soft) }
.about { color: var(--rt-soft); margin: 2px 0 16px; overflow-wrap: anywhere }
section > * + * { margin-top: 12px }
.tiles, .charts { display: grid; gap: 12px }
.tiles { grid-template-columns: repeat(auto-fill, minmax(150px, 1fr)) }
.charts { grid-template-columns: repeat(auto-fit, minmax(min(100%, 480px), 1fr)) }
.card { background: var(--rt-card); border: 1px solid var(--rt-line); border-radius: 10px;
  padding: 12px 14px; min-width: 0 }
.tiles .card { font-size: 13px; color: var(--rt-soft) }
.tiles b { display: block; font-size: 21px; color: var(--rt-text);
  font-variant-numeric: tabular-nums;
  overflow-wrap: anywhere }
.legend { float: right; color: var(--rt-soft); font-size: 12px }
.legend i { display: inline-block; width: 10px; height: 3px; margin: 0 5px 3px 10px }
svg { width: 100%; height: auto; display: block } svg text { fill: var(--rt-soft); font-size: 11px }
svg .grid { stroke: var(--rt-line); stroke-dasharray: 3 4 }
.scroll { overflow-x: auto } table { border-collapse: collapse; width: 100%; font-size: 13px }
th { text-align: left; color: var(--rt-soft); font-weight: 500 }
td, th { padding: 4px 14px 4px 0; border-bottom: 1px solid var(--rt-line); vertical-align: top }
td { font-variant-numeric: tabular-nums; overflow-wrap: break-word; max-width: 420px }
td.number, th.number { text-align: right; white-space: nowrap }
.note { color: var(--rt-soft); margin: 6px 0; overflow-wrap: anywhere }
@media (max-width: 600px) { svg text { font-size: 16px } }
"""

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
"""Content security policy of the page: inline styles are allowed, loading and scripts are not."""


@dataclass(frozen=True, slots=True)
class Tiles:
    """A row of tiles.

    Attributes:
        numbers: for each tile its name and its number, both as text.
    """

    numbers: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Table:
    """A table. Numbers get thousands separators; a column with only numbers is right-aligned.

    Attributes:
        title: heading of the table.
        header: column titles.
        rows: the cells of each row; None is shown as "–".
    """

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str | float | None]]


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A paragraph of text."""

    text: str


Part = Tiles | Table | Paragraph | Drawing


@dataclass(frozen=True, slots=True)
class Section:
    """A section of the page.

    Attributes:
        title: heading of the section.
        parts: tiles, tables, paragraphs and charts. Consecutive charts are placed side by side.
    """

    title: str
    parts: Sequence[Part]


def page(title: str, about: str, sections: Sequence[Section]) -> str:
    """Return the whole page as HTML.

    Args:
        title: the heading, which is also the title in the browser's tab.
        about: a line of text below the heading.
        sections: the sections of the page.
    """
    body = "\n".join(_section(section) for section in sections)
    text = (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_COLORS}{_STYLE}</style>\n</head>\n<body>\n"
        f'<h1>{escape(title)}</h1>\n<p class="about">{escape(about)}</p>\n'
        f"{body}\n</body>\n</html>\n"
    )
    return text.encode(errors="replace").decode()  # UTF-8 has no lone surrogates


def _section(section: Section) -> str:
    parts: list[str] = []
    charts: list[str] = []
    for part in (*section.parts, None):
        if isinstance(part, Drawing):
            charts.append(_chart(part))
            continue
        if charts:
            parts.append(f'<div class="charts">{"".join(charts)}</div>')
            charts = []
        if isinstance(part, Tiles):
            parts.append(_tiles(part))
        elif isinstance(part, Table):
            parts.append(_table(part))
        elif isinstance(part, Paragraph):
            parts.append(f'<p class="note">{escape(part.text)}</p>')
    return f"<section><h2>{escape(section.title)}</h2>\n" + "\n".join(parts) + "</section>"


def _tiles(tiles: Tiles) -> str:
    cards = (
        f'<div class="card"><b>{escape(value)}</b>{escape(name)}</div>'
        for name, value in tiles.numbers
    )
    return f'<div class="tiles">{"".join(cards)}</div>'


def _chart(drawing: Drawing) -> str:
    chart = drawing.chart
    legend = "".join(
        f'<i style="background:{escape(series.color)}"></i>{escape(series.label)}'
        for series in chart.series
        if len(chart.series) > 1
    )
    return (
        f'<div class="card"><span class="legend">{legend}</span>'
        f"<h3>{escape(chart.title)} <small>{escape(chart.unit)}</small></h3>{svg(drawing)}</div>"
    )


def _table(table: Table) -> str:
    columns = len(table.header)
    numeric = [
        any(row[n] is not None for row in table.rows)
        and all(row[n] is None or isinstance(row[n], int | float) for row in table.rows)
        for n in range(columns)
    ]

    def line(tag: str, cells: Sequence[str | float | None]) -> str:
        return "".join(
            f"<{tag}{' class=number' if numeric[n] else ''}>{escape(_cell(cell))}</{tag}>"
            for n, cell in enumerate(cells)
        )

    rows = "\n".join(f"<tr>{line('td', row)}</tr>" for row in table.rows)
    return (
        f'<div class="card scroll"><h3>{escape(table.title)}</h3>'
        f"<table><thead><tr>{line('th', table.header)}</tr></thead>"
        f"<tbody>{rows}</tbody></table></div>"
    )


def _cell(value: str | float | None) -> str:
    if value is None:
        return "–"
    if isinstance(value, str):
        return value
    return f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"
