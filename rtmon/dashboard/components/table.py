"""A table that the browser draws from texts, and asks the server to sort, filter and page."""

from __future__ import annotations

from typing import Any, ClassVar

import param

from ...views.rows import Columns
from ..theme import asset
from .component import Component

__all__ = ["Table", "bounded_table", "described"]


class Table(Component):
    """A table of texts. The browser asks in ``query``; the server answers in ``page``.

    A cell is a text or a pair of text and status (a class of ``table.css``).
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


def bounded_table(heading: str, columns: Columns) -> Table:
    """Make an empty table that scrolls within its card and keeps the order of its rows."""
    return Table(
        heading=heading, columns=described(columns, sortable=False), css_classes=["bounded"]
    )


def described(columns: Columns, *, sortable: bool) -> list[dict[str, Any]]:
    """Describe columns as ``table.js`` reads them."""
    return [
        {"key": key, "title": title, "align": align, "sortable": sortable}
        for key, title, align in columns
    ]
