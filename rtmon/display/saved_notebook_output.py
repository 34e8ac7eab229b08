"""Builds the HTML that a notebook saves for a live output.

The HTML contains the last data, images of the charts, and the script that starts live updates.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import cache
from html import escape
from typing import Any

import msgspec

from ..views import browser, palette
from ..views.chart_definition import DASHES, Chart
from ..views.svg_charts import Drawing, svg
from .compressed_script import asset, packed
from .notebook_picture import Columns, Picture

__all__ = ["MARK", "bundle", "of_picture", "prepare"]

MARK = "application/vnd.rtmon.view.v1+json"
"""MIME type that marks outputs of rtmon, for programs that search notebooks for such outputs.

Its value is an object with the output's id. Notebook pages show the HTML of the same output.
"""

_SCRIPTS = (
    "kernel_socket.js",
    "kernel_comm.js",
    "theme.js",
    "picture_view.js",
    "picture_axis.js",
    "picture_table.js",
    "picture_header.js",
    "controls.js",
    "view_element.js",
)
_SHEETS = ("view.css", "picture_header.css", "closes.css")


def of_picture(picture: Picture, *, view: str, kernel: str) -> dict[str, Any]:
    """Return the saved output of a picture: MIME type → data.

    Args:
        picture: the picture to show.
        view: id of the output. The page opens a comm with this id.
        kernel: the kernel's id on the Jupyter server; "" if unknown.
    """
    frame = picture.whole(picture.layout.window)
    tag, script = _script()
    attributes = {
        "kernel": kernel,
        "layout": msgspec.json.encode(picture.layout).decode(),
        "frame": msgspec.json.encode(frame).decode(),
    }
    return bundle(
        tag=tag,
        script=script,
        view=view,
        attributes=attributes,
        text=picture.text(),
        time=frame.time,
        drawings=picture.drawings(),
    )


def bundle(
    *,
    tag: str,
    script: str,
    view: str,
    attributes: Mapping[str, str],
    text: str,
    time: float,
    drawings: Iterable[tuple[Chart[Any], Columns]],
) -> dict[str, Any]:
    """Return a saved output, MIME type → data, whose HTML is a custom element with its script.

    Args:
        tag: tag name of the custom element.
        script: the script that defines the custom element.
        view: id of the output, with which the page opens a comm.
        attributes: further attributes of the element, by names without the prefix ``data-``.
        text: one line for front ends that cannot show HTML.
        time: time at which the output's data was measured, in Unix seconds.
        drawings: charts with their points, to be drawn as images for pages without scripts.
    """
    written = " ".join(
        f'data-{name}="{escape(value)}"' for name, value in {"view": view, **attributes}.items()
    )
    since = datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d %H:%M:%S")
    said = f"{text}. Not live since {since} UTC; run the cell again."
    charts = "".join(_figure(chart, columns) for chart, columns in drawings)
    html = f"<{tag} {written}><p>{escape(said)}</p>{charts}</{tag}><script>{script}</script>"
    return {"text/html": html, "text/plain": text, MARK: {"view": view}}


def prepare() -> None:
    """Build and cache the script, so that the first output does not block the event loop later."""
    _script()


@cache
def _script() -> tuple[str, str]:
    """Return the tag name of a picture's custom element, and the script that defines it."""
    colors = " ".join(map(palette.css, (palette.NOTEBOOK, palette.BAR, palette.CLOSE_CODES)))
    fonts = f":host {{ --rt-font: {browser.FONT}; {colors} }}"
    style = "\n".join((fonts, browser.rules(), *map(asset, _SHEETS)))
    parts = (browser.constant("STYLE", style), browser.script(), *map(asset, _SCRIPTS))
    return packed("rtmon-view", "\n".join(parts), element="RtmonView")


def _figure(chart: Chart[Any], columns: Columns) -> str:
    """Return a chart as an HTML figure with an SVG image, for pages that do not run scripts."""
    names = []
    for at, series in enumerate(chart.series):
        values = columns[series.key]
        latest = chart.text(values[-1] if values else None)
        line = f" ({DASHES[at % len(DASHES)][0]})" if len(chart.series) > 1 else ""
        names.append(f"{escape(series.label)}{line} {escape(latest)}")
    drawn = svg(Drawing(chart, [time or 0.0 for time in columns["time"]], columns))
    style = (
        f"svg {{ font: 13px {browser.FONT} }} text {{ fill: {palette.EITHER} }} "
        f".grid {{ stroke: {palette.EITHER}; stroke-opacity: 0.3 }}"
    )
    drawn = drawn.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"', 1)
    drawn = drawn.replace(">", f"><style>{style}</style>", 1)
    source = f"data:image/svg+xml;base64,{base64.b64encode(drawn.encode()).decode()}"
    title = escape(chart.title)
    return (
        f"<figure><figcaption>{title}: {', '.join(names)}</figcaption>"
        f'<img alt="{title}, as a chart over time" width="400" src="{source}"></figure>'
    )
