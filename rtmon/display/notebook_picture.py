"""Interface for pictures: live notebook outputs with charts, tiles, tables and controls.

The layout of a picture is constant. At each update, the picture's new data is sent to the page.
"""

from __future__ import annotations

import abc
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from msgspec import Struct

from ..views.chart_definition import Chart
from ..views.chart_json import ChartLayout
from ..views.data_freshness import Freshness
from ..views.number_tiles import Tile

__all__ = [
    "Button",
    "Choice",
    "Columns",
    "Control",
    "Layout",
    "Picture",
    "PictureUpdate",
    "Slider",
    "TableLayout",
    "Toggle",
]

Columns = Mapping[str, Sequence[float | None]]
"""Chart points by column: ``time`` or the key of a series → one value per point.

Times are in milliseconds. Unknown values are None.
"""


class Slider(Struct, frozen=True, kw_only=True, tag="slider", tag_field="kind"):
    """A slider with which the user chooses a number from ``low`` to ``high``."""

    name: str
    label: str
    low: float
    high: float
    step: float


class Toggle(Struct, frozen=True, kw_only=True, tag="toggle", tag_field="kind"):
    """A switch that the user can turn on and off."""

    name: str
    label: str


class Choice(Struct, frozen=True, kw_only=True, tag="choice", tag_field="kind"):
    """A menu from which the user chooses one of several texts."""

    name: str
    label: str
    options: Sequence[str]


class Button(Struct, frozen=True, kw_only=True, tag="button", tag_field="kind"):
    """A button that starts an action when the user clicks it."""

    name: str
    label: str


Control = Slider | Toggle | Choice | Button


class TableLayout(Struct, frozen=True, kw_only=True):
    """Description of a table whose rows the page requests when the user opens the table.

    Attributes:
        key: the table's name in messages.
        heading: the table's title.
        columns: descriptions of the columns for ``picture_table.js``; empty if the content is
            HTML instead of rows.
        states: pairs of a value for the query's ``state`` and the value's label.
        page_size: number of rows per page; 0 to show all rows on one page.
        query: the query for the first request.
    """

    key: str
    heading: str
    columns: Sequence[Mapping[str, Any]] = ()
    states: Sequence[Sequence[str]] = ()
    page_size: int = 0
    query: Mapping[str, Any] = {}


class Layout(Struct, frozen=True, kw_only=True):
    """The parts of a picture that do not change while the picture is shown.

    Attributes:
        heading: description of the picture for screen readers.
        axis: ``clock`` if chart times count from 1970 and are shown as times of day; ``seconds``
            if chart times count from a start.
        charts: the charts that are shown at first.
        more: further charts that the user can open.
        controls: sliders, switches, menus and buttons.
        tables: tables that the user can open.
        windows: pairs of a time span in seconds and its label. If there are several, the user can
            choose the time span that the charts show.
        window: time span that the charts show at first, in seconds.
        csv: True if the user can download the data as CSV.
    """

    heading: str
    axis: Literal["clock", "seconds"]
    charts: Sequence[ChartLayout] = ()
    more: Sequence[ChartLayout] = ()
    controls: Sequence[Control] = ()
    tables: Sequence[TableLayout] = ()
    windows: Sequence[tuple[int, str]] = ()
    window: int = 60
    csv: bool = False


class PictureUpdate(Struct, frozen=True, kw_only=True):
    """One update of a picture, as sent to the page.

    Attributes:
        time: time of the measurement, in Unix seconds.
        status: freshness of the data, such as live or ended.
        source: description of the data's source.
        columns: the new chart points, or all chart points if ``anew`` is true.
        anew: True if ``columns`` replaces all chart points of the page; False if it is appended.
        tiles: the tiles; empty if the picture has none.
        values: name of a control → the control's present value.
        note: a sentence with further numbers; "" for none.
        hidden: keys of empty tables and names of unusable buttons, which the page hides.
    """

    time: float
    status: Freshness
    source: str
    columns: Columns
    anew: bool = False
    tiles: Sequence[Tile] = ()
    values: Mapping[str, Any] = {}
    note: str = ""
    hidden: Sequence[str] = ()


class Picture(abc.ABC):
    """Abstract base class of pictures: live notebook outputs with charts and controls.

    A picture is updated also after the output's cell has finished. All methods are called on the
    notebook's event loop.

    Attributes:
        layout: the parts of the picture that do not change.
        period: seconds between two updates.
    """

    layout: Layout
    period: float = 1.0

    async def start(self) -> None:  # noqa: B027 - optional to override
        """Start to receive live data. May be called twice."""

    async def aclose(self) -> None:  # noqa: B027 - optional to override
        """Release all resources, because the picture is not live any more. May be called twice."""

    @property
    @abc.abstractmethod
    def ended(self) -> bool:
        """True once the picture will not change any more, so that updates can stop."""

    @abc.abstractmethod
    def text(self) -> str:
        """Return the picture's state as one line, for front ends that cannot show HTML."""

    @abc.abstractmethod
    def update(self) -> PictureUpdate:
        """Return an update with the data since the last call. Called once per :attr:`period`."""

    @abc.abstractmethod
    def whole(self, window: float) -> PictureUpdate:
        """Return an update with all chart points of a time span, for a page that has no data.

        Args:
            window: the time span that the charts show, in seconds.
        """

    @abc.abstractmethod
    def drawings(self) -> Iterable[tuple[Chart[Any], Columns]]:
        """Return the charts to draw as images, with the points of the time span ``layout.window``.

        The times of these points are always in seconds since some start, even if
        :attr:`Layout.axis` is ``clock``.
        """

    def act(self, name: str, value: Any) -> None:  # noqa: B027 - optional to override
        """Handle a user's action on a control.

        Args:
            name: the control's name.
            value: the value that the user has chosen; None for a button.
        """

    def table(self, key: str, query: Mapping[str, Any]) -> Mapping[str, Any] | str:  # noqa: ARG002
        """Return one page of a table's rows for ``picture_table.js``, or the table's HTML.

        Args:
            key: the table's key in the layout.
            query: the filter, order and page that the user has chosen.
        """
        raise KeyError(key)

    def csv(self, key: str, query: Mapping[str, Any]) -> tuple[str, str]:  # noqa: ARG002
        """Return the name and the text of a CSV file.

        Args:
            key: key of the table to write; "" for the samples behind the charts.
            query: the filter and order that the user has chosen for the table.
        """
        raise KeyError(key)
