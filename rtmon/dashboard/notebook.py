"""Pages and charts of the dashboard as objects in a notebook, each in a cell of its own."""

from __future__ import annotations

from typing import Any

from ..core.option_validation import within
from ..display import show
from .notebook_page import NotebookPage
from .view_parameters import address, search

__all__ = ["PageView", "view"]

HEIGHT = 400
"""Default maximum height of a view, in pixels."""


class PageView:
    """A page or a chart of the dashboard, live as the last line of a notebook's cell.

    It stays live after the cell has finished. Its links navigate within the cell.

    Args:
        source: a Monitor, the address of an admin listener (``"ws://127.0.0.1:8766"``), the file
            of a recording, or a Feed, which stays its maker's to close.
        page: the page.
        height: maximum height in pixels; longer pages scroll.
        parameters: of the page, see :func:`view`.

    Raises:
        OptionError: there is no such page, parameter or value.
        QueryError: the query is wrong.
    """

    def __init__(
        self, source: Any, page: str | None = None, *, height: int = HEIGHT, **parameters: Any
    ) -> None:
        within("height", height, 100, 10_000)
        self._parameters = address(page, parameters)
        self._source = source
        self._height = height

    def __repr__(self) -> str:
        return f"<rtmon view {search(self._parameters)} of {self._source!r}>"

    def _ipython_display_(self) -> None:
        show(NotebookPage(self._source, parameters=self._parameters, height=self._height))


def view(
    source: Any, page: str | None = None, *, height: int = HEIGHT, **parameters: Any
) -> PageView:
    """Return a page or a chart of the dashboard, for a notebook to show.

    ``rtmon.view(monitor, "latency")``, ``rtmon.view(monitor, "connections", query="rtt>200ms")``,
    ``rtmon.view(monitor, chart="rtt")``. A Monitor and a recording have the same as a method:
    ``monitor.view("latency")``.

    Args:
        source: a Monitor, the address of an admin listener, the file of a recording, or a Feed.
        page: ``overview``, ``connections``, ``connection``, ``channels``, ``channel``,
            ``latency``, ``events``, ``socketio``; by default the overview.
        height: maximum height in pixels; longer pages scroll.
        parameters: ``query``, ``sort``, ``columns``, ``size`` of a page with rows; ``state`` and
            ``by`` of connections; ``kind`` and ``cause`` of events; ``id`` of a connection;
            ``channel`` of a channel; ``seconds`` that charts show; ``chart`` for one chart
            instead of a page.

    Raises:
        OptionError: there is no such page, parameter or value.
        QueryError: the query is wrong.
    """
    return PageView(source, page, height=height, **parameters)
