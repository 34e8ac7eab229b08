"""Base class and messages of a picture: a notebook output with live charts, tiles and controls.

A page receives a picture's layout once, and new numbers with each update.
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
"""Chart points by column: ``time`` (milliseconds) or the key of a series → one value per point.
None means that the value is not known."""


class Slider(Struct, frozen=True, kw_only=True, tag="slider", tag_field="kind"):
    """A slider with which the user chooses a number."""

    name: str
    label: str
    low: float
    high: float
    step: float


class Toggle(Struct, frozen=True, kw_only=True, tag="toggle", tag_field="kind"):
    """A control that the user switches on and off."""

    name: str
    label: str


class Choice(Struct, frozen=True, kw_only=True, tag="choice", tag_field="kind"):
    """A control with which the user chooses one of several texts."""

    name: str
    label: str
    options: Sequence[str]


class Button(Struct, frozen=True, kw_only=True, tag="button", tag_field="kind"):
    """A button with which the user starts an action."""

    name: str
    label: str


Control = Slider | Toggle | Choice | Button


class TableLayout(Struct, frozen=True, kw_only=True):
    """The layout of a table that the page requests when the user opens it.

    Attributes:
        key: name of the table in messages.
        heading: title of the table.
        columns: the columns, in the form that ``picture_table.js`` reads; empty if the content is
            HTML.
        states: values of the query's ``state`` that the user can choose, and their labels.
        page_size: rows on one page; 0 to show all received rows.
        query: the initial query.
    """

    key: str
    heading: str
    columns: Sequence[Mapping[str, Any]] = ()
    states: Sequence[Sequence[str]] = ()
    page_size: int = 0
    query: Mapping[str, Any] = {}


class Layout(Struct, frozen=True, kw_only=True):
    """The part of a picture that does not change while it is shown.

    Attributes:
        heading: description of the picture for screen readers.
        axis: ``clock`` if times are Unix times, shown as times of day; ``seconds`` if times count
            from the start of a run.
        charts: the charts shown at first.
        more: further charts that the user can open.
        controls: the sliders, toggles, choices and buttons.
        tables: the tables that the user can open.
        windows: time ranges of the charts in seconds, with labels; the user chooses if several.
        window: initial time range of the charts, in seconds.
        csv: True if the numbers can be downloaded.
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
    """One update of a picture.

    Attributes:
        time: when the numbers were measured, in Unix seconds.
        status: how fresh the numbers are.
        source: name of the server, recording or scenario that was measured.
        columns: the new chart points, or all points if ``anew``.
        anew: True if the page must replace its chart points.
        tiles: the tiles with the present values.
        values: name of a control → its value.
        note: a sentence with further numbers.
        hidden: keys of tables without rows, and names of buttons without an effect at present.
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
    """Base class of notebook outputs with live charts, tiles, tables and controls.

    A picture is also updated after its cell has finished. All methods are called on the event loop
    of the notebook.

    Attributes:
        layout: the layout, which does not change.
        period: seconds between two updates.
    """

    layout: Layout
    period: float = 1.0

    async def start(self) -> None:  # noqa: B027 - many pictures have nothing to start
        """Start to collect numbers. May be called twice."""

    async def aclose(self) -> None:  # noqa: B027 - nor to release
        """Release all resources when the picture is no longer shown. May be called twice."""

    @property
    @abc.abstractmethod
    def ended(self) -> bool:
        """True once the picture no longer changes."""

    @abc.abstractmethod
    def text(self) -> str:
        """Return one line of text, for notebook front ends that show only text."""

    @abc.abstractmethod
    def update(self) -> PictureUpdate:
        """Return the numbers since the last call. Called every :attr:`period` seconds."""

    @abc.abstractmethod
    def whole(self, window: float) -> PictureUpdate:
        """Return an update with all numbers of a time range.

        Args:
            window: length of the time range that the charts show, in seconds.
        """

    @abc.abstractmethod
    def drawings(self) -> Iterable[tuple[Chart[Any], Columns]]:
        """Return the visible charts with their points, for the images in the saved output.

        The points' times are in seconds since a start, independent of :attr:`Layout.axis`.
        """

    def act(self, name: str, value: Any) -> None:  # noqa: B027 - nor to change
        """Handle a user's action on a control.

        Args:
            name: name of the control.
            value: the value that the user has chosen; None for a button.
        """

    def table(self, key: str, query: Mapping[str, Any]) -> Mapping[str, Any] | str:  # noqa: ARG002
        """Return a table's rows in the form that ``picture_table.js`` reads, or HTML."""
        raise KeyError(key)

    def csv(self, key: str, query: Mapping[str, Any]) -> tuple[str, str]:  # noqa: ARG002
        """Return the name and the text of a CSV file with a table; with samples if no ``key``."""
        raise KeyError(key)
