"""Show one page or chart of the dashboard as the output of a notebook cell: ``rtmon.view()``."""

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
    """A page or a chart of the dashboard for a notebook.

    A notebook shows the page if the object is the last expression of a cell. The page is updated
    also after the cell has finished. Links on the page open other dashboard pages in the same
    output.

    Args:
        source: a Monitor, the address of an admin listener (``"ws://127.0.0.1:8766"``), the path
            of a recording, or a Feed. The caller must close the Feed.
        page: the page's name, see :func:`view`.
        height: maximum height in pixels; taller pages scroll.
        parameters: the page's parameters, see :func:`view`.

    Raises:
        OptionError: the page, a parameter or a parameter's value does not exist.
        QueryError: the query has a syntax error or an unknown column.
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
    """Return a page or a chart of the dashboard that a notebook can show.

    Examples: ``rtmon.view(monitor, "latency")``, ``rtmon.view(monitor, chart="rtt")``,
    ``rtmon.view(monitor, "connections", query="rtt>200ms")``. A Monitor and a recording also have
    a method ``view``: ``monitor.view("latency")``.

    Args:
        source: a Monitor, the address of an admin listener, the path of a recording, or a Feed.
        page: ``overview``, ``connections``, ``connection``, ``channels``, ``channel``,
            ``latency``, ``events`` or ``socketio``. The default is the overview.
        height: maximum height in pixels; taller pages scroll.
        parameters: the page's parameters. All pages: ``seconds``, the time span of the charts.
            Pages with a table: ``query``, ``sort``, ``columns``, ``size``. ``connections``:
            ``state``, ``by``. ``events``: ``kind``, ``cause``. ``connection``: ``id``.
            ``channel``: ``channel``. To show one chart instead of a page, omit ``page`` and pass
            ``chart``.

    Raises:
        OptionError: the page, a parameter or a parameter's value does not exist.
        QueryError: the query has a syntax error or an unknown column.
    """
    return PageView(source, page, height=height, **parameters)
