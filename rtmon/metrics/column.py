"""The class Column, which defines one column of a table, and functions to create Columns."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

__all__ = [
    "EVERY",
    "FRAMES",
    "HTTP",
    "PINGS",
    "WIRE",
    "Column",
    "Dtype",
    "Kind",
    "counter",
    "histogram",
    "integer",
    "required",
    "seconds",
    "sparse",
    "text",
    "time",
]

Kind = Literal["counter", "gauge", "histogram", "tally", "text", "time"]
"""The kind of value in a column.

* ``counter``: a number that only grows. In a Sample it is the increase since the previous Sample.
* ``gauge``: a current value, which can go up and down.
* ``histogram``: how often values fell into each bucket; see :mod:`rtmon.metrics.histogram`.
* ``tally``: integer → how often it occurred, such as close codes.
* ``text``: text; null if unknown.
* ``time``: a point in time. Records have Unix seconds as a float. DataFrames and files have UTC.
"""

Dtype = Literal["Int64", "Float64", "string", "datetime64[us, UTC]"]


EVERY = ("websockets", "asgi", "socketio", "aiohttp", "tornado", "websockets-sync")
"""All kinds of probe."""

WIRE = ("websockets",)
"""The kinds of probe that can count frames, and bytes on the wire."""

HTTP = ("websockets", "asgi", "aiohttp", "tornado", "websockets-sync")
"""The kinds of probe that can count refused handshakes and plain HTTP requests."""

PINGS = ("websockets", "socketio", "tornado", "websockets-sync")
"""The kinds of probe that can measure the round-trip times of pings."""

FRAMES = ("websockets", "asgi", "aiohttp", "tornado")
"""The kinds of probe that keep a connection's last frames, or its last messages."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of one table.

    Attributes:
        name: the column's name in all records, files and feeds.
        kind: see :data:`Kind`.
        unit: ``s``, ``B``, or a noun for the counted things; "" for text and times.
        dtype: pandas dtype of the column in DataFrames.
        definition: the exact meaning, in one sentence.
        probes: kinds of probe that can measure the value. With other probes it is null.
        derived: True if the value is computed from other columns when it is read. Derived values
            are not sent over feeds.
        required: True if the value is never null.
        initial: default of the record's field, and first value in a Meter. None means null; with
            ``required``, None means that the record's field has no default.
        external: True for text that the peer or the application chooses, whose length is limited.
    """

    name: str
    kind: Kind
    unit: str
    dtype: Dtype
    definition: str
    probes: tuple[str, ...] = EVERY
    derived: bool = False
    required: bool = False
    initial: int | float | str | None = None
    external: bool = False


def required(*columns: Column) -> tuple[Column, ...]:
    """Return the columns with ``required`` set: their values are never null."""
    return tuple(replace(column, required=True) for column in columns)


def sparse(*columns: Column) -> tuple[Column, ...]:
    """Return the columns with the default null, since they do not apply to every row."""
    return tuple(replace(column, initial=None) for column in columns)


def text(
    name: str,
    definition: str,
    *,
    probes: tuple[str, ...] = EVERY,
    initial: str | None = None,
    external: bool = False,
) -> Column:
    """Return a Column of kind ``text``."""
    return Column(
        name, "text", "", "string", definition, probes, initial=initial, external=external
    )


def time(name: str, definition: str, *, initial: float | None = None) -> Column:
    """Return a Column of kind ``time``."""
    return Column(name, "time", "", "datetime64[us, UTC]", definition, initial=initial)


def counter(name: str, unit: str, definition: str, *, probes: tuple[str, ...] = EVERY) -> Column:
    """Return a Column of kind ``counter``, an integer that only grows."""
    return Column(name, "counter", unit, "Int64", definition, probes, initial=0)


def integer(
    name: str,
    unit: str,
    definition: str,
    *,
    probes: tuple[str, ...] = EVERY,
    initial: int | None = None,
) -> Column:
    """Return a Column of kind ``gauge`` with an integer value."""
    return Column(name, "gauge", unit, "Int64", definition, probes, initial=initial)


def histogram(
    name: str,
    unit: str,
    definition: str,
    percents: tuple[int, ...],
    *,
    probes: tuple[str, ...] = EVERY,
) -> tuple[Column, ...]:
    """Return a Column of kind ``histogram``, and a derived Column for each percentile.

    Args:
        name: name of the histogram's column. A percentile's column is called ``{name}_p{percent}``.
        unit: unit of the values.
        definition: meaning of the values.
        percents: the percentiles, such as 95.
        probes: kinds of probe that can measure the values.
    """
    quantiles = (
        Column(
            f"{name}_p{percent}",
            "gauge",
            unit,
            "Float64",
            f"{percent}th percentile of {name}; null without values.",
            probes,
            derived=True,
        )
        for percent in percents
    )
    return Column(name, "histogram", unit, "string", definition, probes), *quantiles


def seconds(
    name: str,
    definition: str,
    *,
    probes: tuple[str, ...] = EVERY,
    initial: float | None = None,
) -> Column:
    """Return a Column of kind ``gauge`` that holds a duration in seconds."""
    return Column(name, "gauge", "s", "Float64", definition, probes, initial=initial)
