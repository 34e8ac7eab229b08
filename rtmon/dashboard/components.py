"""The two parts of a view that are drawn in the browser: its head, and its tables."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import param
from panel.custom import JSComponent

from .theme import asset

__all__ = ["WINDOWS", "Bar", "Html", "Table", "html"]

WINDOWS: dict[int, str] = {60: "1 min", 300: "5 min", 900: "15 min", 3600: "1 h"}
"""Seconds that the charts can show, and how that is called."""

Download = Callable[[], tuple[str, str]]
"""Makes a file: its name and its text."""


class _Component(JSComponent):
    """A component that talks: its button asks for a download, its being on a page for updates.

    Attributes:
        download: makes the file that the button asks for.
        alive: called now and then by what stands on a page.
    """

    __abstract = True

    download: Download | None = None
    alive: Callable[[], None] | None = None

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)  # type: ignore[no-untyped-call]

    def _handle_msg(self, data: Any) -> None:
        if data == "csv" and self.download is not None:
            name, text = self.download()
            self._send_msg({"name": name, "text": text})
        elif data == "alive" and self.alive is not None:
            self.alive()


class Bar(_Component):
    """The head of a view: state, pause, time window, download, and light or dark."""

    condition = param.Dict(default={"kind": "connecting", "pill": "", "banner": ""})
    source = param.String(default="")
    paused = param.Boolean(default=False)
    window = param.Integer(default=300)
    windows = param.List(default=[list(item) for item in WINDOWS.items()])
    themed = param.Boolean(default=False)

    _esm: ClassVar[str] = asset("common.js") + asset("bar.js")
    _stylesheets: ClassVar[list[str]] = [asset("bar.css")]


class Table(_Component):
    """A table of texts. The browser says what it wants in ``query``; the answer is ``page``.

    A cell is a text or a pair of text and look (a class of ``table.css``).
    """

    heading = param.String(default="")
    columns = param.List(default=[])
    states = param.List(default=[])
    paged = param.Boolean(default=False)
    page_size = param.Integer(default=10)
    query = param.Dict(default={})
    page = param.Dict(default={"rows": [], "total": 0, "offset": 0, "note": "", "empty": ""})

    _esm: ClassVar[str] = asset("common.js") + asset("table.js")
    _stylesheets: ClassVar[list[str]] = [asset("table.css")]


class Html(_Component):
    """A piece of HTML that changes. Whoever writes it escapes the texts.

    ``panel.pane.HTML`` would send its style sheets again with every change in a notebook, and
    their addresses are outside.
    """

    html = param.String(default="")

    _esm: ClassVar[str] = """
export function render({model, el}) {
  const draw = () => { el.innerHTML = model.html }
  model.on("html", draw)
  draw()
}
"""


def html(sheet: str, text: str = "") -> Html:
    """A piece of HTML with a style sheet of this package."""
    return Html(html=text, stylesheets=[asset(sheet)], sizing_mode="stretch_width", margin=0)
