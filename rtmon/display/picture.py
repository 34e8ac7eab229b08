"""A picture: the layout that a notebook's output keeps, and the numbers that it gets each tick."""

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
"""``time``, in milliseconds, and the key of each series → the values of the points, None where not
known."""


class Slider(Struct, frozen=True, kw_only=True, tag="slider", tag_field="kind"):
    """A number that the user can choose."""

    name: str
    label: str
    low: float
    high: float
    step: float


class Toggle(Struct, frozen=True, kw_only=True, tag="toggle", tag_field="kind"):
    """Something that the user can switch on and off."""

    name: str
    label: str


class Choice(Struct, frozen=True, kw_only=True, tag="choice", tag_field="kind"):
    """One of several texts that the user can choose."""

    name: str
    label: str
    options: Sequence[str]


class Button(Struct, frozen=True, kw_only=True, tag="button", tag_field="kind"):
    """Something that the user can have done."""

    name: str
    label: str


Control = Slider | Toggle | Choice | Button


class TableLayout(Struct, frozen=True, kw_only=True):
    """A table that the page asks for when the user opens it.

    Attributes:
        key: its name in messages.
        heading: its title.
        columns: as ``picture_table.js`` reads them; none for a piece of HTML.
        states: values of the query's ``state`` that the user can choose, and their labels.
        page_size: rows on one page; 0 shows all rows that are sent.
        query: what is asked for at first.
    """

    key: str
    heading: str
    columns: Sequence[Mapping[str, Any]] = ()
    states: Sequence[Sequence[str]] = ()
    page_size: int = 0
    query: Mapping[str, Any] = {}


class Layout(Struct, frozen=True, kw_only=True):
    """What does not change while a picture is shown.

    Attributes:
        heading: what is shown, for a screen reader.
        axis: ``clock`` if times count from 1970 and are shown as times of day, ``seconds`` if they
            count from a start.
        charts: those in sight.
        more: those that the user can open.
        controls: what the user can change.
        tables: what the user can open.
        windows: seconds that the charts can show, and their labels; the user chooses if several.
        window: seconds that they show at first.
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
    """The numbers of one moment.

    Attributes:
        time: when they were measured, Unix seconds.
        status: how fresh they are.
        source: where they come from.
        columns: the points that are new; or all points, if ``anew``.
        anew: True if the page must replace its points.
        tiles: the tiles, if there are any.
        values: name of a control → its value.
        note: a sentence of numbers.
        hidden: keys of the tables that have nothing to show, names of the buttons that have
            nothing to do.
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
    """A live picture in a notebook, updated after its cell has finished.

    All methods are called on the event loop of the notebook.

    Attributes:
        layout: what does not change.
        period: seconds between two updates.
    """

    layout: Layout
    period: float = 1.0

    async def start(self) -> None:  # noqa: B027 - many pictures have nothing to start
        """Begin to receive numbers; idempotent."""

    async def aclose(self) -> None:  # noqa: B027 - nor to release
        """Release everything: the picture is no longer shown. Idempotent."""

    @property
    @abc.abstractmethod
    def ended(self) -> bool:
        """True once the picture no longer changes."""

    @abc.abstractmethod
    def text(self) -> str:
        """Return a line for a front end that shows text alone."""

    @abc.abstractmethod
    def update(self) -> PictureUpdate:
        """Collect and return the new numbers. Called once a period."""

    @abc.abstractmethod
    def whole(self, window: float) -> PictureUpdate:
        """Return all numbers collected so far.

        Args:
            window: seconds that the charts show.
        """

    @abc.abstractmethod
    def drawings(self) -> Iterable[tuple[Chart[Any], Columns]]:
        """Return the charts in sight with the points of :attr:`Layout.window`.

        Their times are seconds since a start, whatever the axis.
        """

    def act(self, name: str, value: Any) -> None:  # noqa: B027 - nor to change
        """Handle a user's action on a control.

        Args:
            name: of the control.
            value: that the user chose; None for a button.
        """

    def table(self, key: str, query: Mapping[str, Any]) -> Mapping[str, Any] | str:  # noqa: ARG002
        """Return the rows of a table for ``picture_table.js``, or its HTML."""
        raise KeyError(key)

    def csv(self, key: str, query: Mapping[str, Any]) -> tuple[str, str]:  # noqa: ARG002
        """Return a table, or the samples if ``key`` is empty, as a file: its name and text."""
        raise KeyError(key)
