"""Show a dashboard page or chart as the output of a notebook cell."""

from __future__ import annotations

from typing import Any

from ..core.option_validation import within
from ..display import show
from .notebook_page import NotebookPage
from .view_parameters import address, search

__all__ = ["PageView", "view"]

HEIGHT = 400
"""Default maximum height of a page in a notebook, in pixels."""


class PageView:
    """A dashboard page or chart that a notebook shows when it is the last line of a cell.

    The page keeps updating after the cell has finished. Links on the page navigate within the
    cell's output.

    Args:
        source: a Monitor, the address of an admin listener (``"ws://127.0.0.1:8766"``), the file
            of a recording, or a Feed. A Feed that the caller passes must be closed by the caller.
        page: name of the page, such as ``"latency"``; None for the overview.
        height: maximum height in pixels; longer pages scroll.
        parameters: parameters of the page, see :func:`view`.

    Raises:
        OptionError: the page, a parameter or its value does not exist.
        QueryError: the syntax of the query is wrong.
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
    """Return a dashboard page or chart that a notebook cell can show.

    ``rtmon.view(monitor, "latency")``, ``rtmon.view(monitor, "connections", query="rtt>200ms")``,
    ``rtmon.view(monitor, chart="rtt")``. A Monitor and a recording also have this function as a
    method: ``monitor.view("latency")``.

    Args:
        source: a Monitor, the address of an admin listener, the file of a recording, or a Feed.
        page: ``overview``, ``connections``, ``connection``, ``channels``, ``channel``,
            ``latency``, ``events``, ``socketio``; by default the overview.
        height: maximum height in pixels; longer pages scroll.
        parameters: parameters of the page. Pages with a table take ``query``, ``sort``,
            ``columns`` and ``size``. The page ``connections`` also takes ``state`` and ``by``,
            ``events`` takes ``kind`` and ``cause``, ``connection`` needs ``id``, and ``channel``
            needs ``channel``. All pages take ``seconds``, the time range of charts. ``chart``
            shows one chart instead of a page.

    Raises:
        OptionError: the page, a parameter or its value does not exist.
        QueryError: the syntax of the query is wrong.
    """
    return PageView(source, page, height=height, **parameters)
