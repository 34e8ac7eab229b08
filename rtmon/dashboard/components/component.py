"""Base of the components that draw themselves in the browser, and plain HTML."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import param
from panel.custom import JSComponent

__all__ = ["Component", "Html", "html"]

Download = Callable[[], tuple[str, str]]
"""Makes a file: its name and its text."""


class Component(JSComponent):
    """A component whose browser side asks for a file to download.

    Attributes:
        download: makes the file when the user presses the CSV button.
    """

    __abstract = True

    download: Download | None = None

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)  # type: ignore[no-untyped-call]

    def _handle_msg(self, data: Any) -> None:
        if data == "csv" and self.download is not None:
            name, text = self.download()
            self._send_msg({"name": name, "text": text})


class Html(Component):
    """A piece of HTML that changes; the caller escapes its texts.

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
    """Make a piece of HTML with its style sheet."""
    return Html(html=text, stylesheets=[sheet], sizing_mode="stretch_width", margin=0)
