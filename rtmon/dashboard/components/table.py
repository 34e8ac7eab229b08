"""A table that the browser draws from texts, and asks the server to sort, filter and page."""

from __future__ import annotations

from typing import ClassVar

import param

from ...views import socketio
from ...views.browser import asset
from ...views.rows import CHANNEL_COLUMNS, CONNECTION_COLUMNS, EVENT_COLUMNS, Columns
from ...views.tables import FIRST_QUERY, PAGE_SIZE, STATES, described
from .component import Component

__all__ = ["Table", "channels_table", "connections_table", "events_table", "socketio_table"]


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


def connections_table() -> Table:
    """Make the connections table, still empty."""
    return Table(
        heading="Connections",
        columns=described(CONNECTION_COLUMNS, sortable=True),
        states=[list(item) for item in STATES],
        paged=True,
        page_size=PAGE_SIZE,
        query=dict(FIRST_QUERY),
    )


def channels_table() -> Table:
    """Make the table of a hub's channels, still empty."""
    return _bounded("Channels", CHANNEL_COLUMNS)


def socketio_table() -> Table:
    """Make the table of Socket.IO, still empty."""
    return _bounded("Socket.IO", socketio.COLUMNS)


def events_table() -> Table:
    """Make the event log, still empty."""
    return _bounded("Events", EVENT_COLUMNS)


def _bounded(heading: str, columns: Columns) -> Table:
    """Make an empty table that scrolls within its card and keeps the order of its rows."""
    return Table(
        heading=heading, columns=described(columns, sortable=False), css_classes=["bounded"]
    )
