"""Assets, colours and figure styles of the dashboard."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

from ..views import palette
from ..views.browser import FONT

__all__ = ["asset", "style_figure", "tokens"]

_AXES = "--bk-major-label-text-color: var(--rt-soft); --bk-grid-line-color: var(--rt-line);"


@cache
def asset(name: str) -> str:
    """Read a text file from this package's ``assets``."""
    return files(__package__).joinpath("assets", name).read_text(encoding="utf-8")


def tokens() -> str:
    """Write the style sheet that defines the colours as CSS custom properties."""
    common = f"{palette.css(palette.BAR)} {palette.css(palette.CLOSE_CODES)} {_AXES}"
    return (
        f":root {{ color-scheme: light; {palette.css(palette.LIGHT)} {common} }}\n"
        f':root[data-theme="dark"] {{ color-scheme: dark; {palette.css(palette.DARK)} }}\n'
        f"{asset('page.css')}"
    )


def style_figure(figure: Any) -> None:
    """Make a Bokeh figure quiet: no frame, faint dashed grid, small grey numbers.

    Colours of text and grid come from the style sheet (``--bk-…``), so that a switch between
    light and dark reaches the canvas without the server.
    """
    figure.toolbar_location = None
    figure.background_fill_color = None
    figure.border_fill_color = None
    figure.outline_line_color = None
    figure.min_border_top = 6
    figure.min_border_bottom = 22
    figure.min_border_left = 52
    figure.min_border_right = 10
    figure.xgrid.visible = False
    figure.ygrid.grid_line_dash = [3, 4]
    figure.xaxis.ticker.desired_num_ticks = 5
    figure.yaxis.ticker.desired_num_ticks = 4
    for axis in (*figure.xaxis, *figure.yaxis):
        axis.axis_line_color = None
        axis.major_tick_line_color = None
        axis.minor_tick_line_color = None
        axis.major_label_text_font = FONT
        axis.major_label_text_font_size = "11px"
        axis.major_label_standoff = 6
