"""One column of a table, and short functions that define one."""

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
"""What a column holds.

* ``counter``: an integer that only grows (a delta in a Sample).
* ``gauge``: a number that is the case now.
* ``histogram``: a sparse log-linear histogram, see :mod:`rtmon.metrics.histogram`.
* ``tally``: how often each of a few integers occurred (close codes).
* ``text``: text, null where unknown.
* ``time``: a point in time, Unix seconds as float in records, UTC in DataFrames and files.
"""

Dtype = Literal["Int64", "Float64", "string", "datetime64[us, UTC]"]


EVERY = ("websockets", "asgi", "socketio", "aiohttp", "tornado", "websockets-sync")
"""The probes there are."""

WIRE = ("websockets",)
"""The probes that see frames and bytes on the wire."""

HTTP = ("websockets", "asgi", "aiohttp", "tornado", "websockets-sync")
"""The probes that see handshakes refused and plain HTTP requests answered."""

PINGS = ("websockets", "socketio", "tornado", "websockets-sync")
"""The probes that see pings answered."""

FRAMES = ("websockets", "asgi", "aiohttp", "tornado")
"""The probes that keep the last frames, or the messages in them."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of one table.

    Attributes:
        name: its name in every record, file and feed.
        kind: see :data:`Kind`.
        unit: ``s``, ``B``, or the things counted; empty for text and times.
        dtype: the pandas dtype in DataFrames.
        definition: what exactly is measured, one sentence.
        probes: the probes that know it; the others leave it null.
        derived: computed from another column where it is read, so never sent.
        required: never null.
        initial: value of a record's field that is not given, and of a meter that has counted
            nothing; None for null, or, if ``required``, for a field that has to be given.
        external: text chosen by the peer or the application; its length is bounded.
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
    """Define columns that are never null."""
    return tuple(replace(column, required=True) for column in columns)


def sparse(*columns: Column) -> tuple[Column, ...]:
    """Define columns that make no sense in every row: null where they are not given."""
    return tuple(replace(column, initial=None) for column in columns)


def text(
    name: str,
    definition: str,
    *,
    probes: tuple[str, ...] = EVERY,
    initial: str | None = None,
    external: bool = False,
) -> Column:
    """Define a text, null where unknown."""
    return Column(
        name, "text", "", "string", definition, probes, initial=initial, external=external
    )


def time(name: str, definition: str, *, initial: float | None = None) -> Column:
    """Define a point in time."""
    return Column(name, "time", "", "datetime64[us, UTC]", definition, initial=initial)


def counter(name: str, unit: str, definition: str, *, probes: tuple[str, ...] = EVERY) -> Column:
    """Define an integer that only grows."""
    return Column(name, "counter", unit, "Int64", definition, probes, initial=0)


def integer(
    name: str,
    unit: str,
    definition: str,
    *,
    probes: tuple[str, ...] = EVERY,
    initial: int | None = None,
) -> Column:
    """Define a whole number that is the case now."""
    return Column(name, "gauge", unit, "Int64", definition, probes, initial=initial)


def histogram(
    name: str,
    unit: str,
    definition: str,
    percents: tuple[int, ...],
    *,
    probes: tuple[str, ...] = EVERY,
) -> tuple[Column, ...]:
    """Define a histogram and its quantiles, which are derived from it."""
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
    """Define a duration that is the case now."""
    return Column(name, "gauge", "s", "Float64", definition, probes, initial=initial)
