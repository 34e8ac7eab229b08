"""What a column of a table is, and short ways of writing one down."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = [
    "EVERY",
    "HTTP",
    "PINGS",
    "WIRE",
    "Column",
    "Dtype",
    "Kind",
    "counter",
    "histogram",
    "integer",
    "seconds",
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


EVERY = ("websockets", "asgi", "socketio")
"""The probes there are."""

WIRE = ("websockets",)
"""The probes that see frames and bytes on the wire."""

HTTP = ("websockets", "asgi")
"""The probes that see handshakes refused and plain HTTP requests answered."""

PINGS = ("websockets", "socketio")
"""The probes that see pings answered."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of one table.

    Attributes:
        name: its name in every record, file and feed.
        kind: see :data:`Kind`.
        unit: ``s``, ``B``, or what is counted; empty for text and times.
        dtype: the pandas dtype in DataFrames.
        definition: what exactly is measured, one sentence.
        probes: the probes that know it; the others leave it null.
        derived: computed from another column where it is read, so never sent.
    """

    name: str
    kind: Kind
    unit: str
    dtype: Dtype
    definition: str
    probes: tuple[str, ...] = EVERY
    derived: bool = False


def text(name: str, definition: str, *, probes: tuple[str, ...] = EVERY) -> Column:
    """Text, null where unknown."""
    return Column(name, "text", "", "string", definition, probes)


def time(name: str, definition: str) -> Column:
    """A point in time."""
    return Column(name, "time", "", "datetime64[us, UTC]", definition)


def counter(name: str, unit: str, definition: str, *, probes: tuple[str, ...] = EVERY) -> Column:
    """An integer that only grows."""
    return Column(name, "counter", unit, "Int64", definition, probes)


def integer(name: str, unit: str, definition: str, *, probes: tuple[str, ...] = EVERY) -> Column:
    """A whole number that is the case now."""
    return Column(name, "gauge", unit, "Int64", definition, probes)


def histogram(
    name: str,
    unit: str,
    definition: str,
    percents: tuple[int, ...],
    *,
    probes: tuple[str, ...] = EVERY,
) -> tuple[Column, ...]:
    """A histogram and its quantiles, which are derived from it."""
    quantiles = (
        Column(
            f"{name}_p{percent}",
            "gauge",
            unit,
            "Float64",
            f"What {percent} % of {name} do not exceed; null if there was none.",
            probes,
            derived=True,
        )
        for percent in percents
    )
    return Column(name, "histogram", unit, "string", definition, probes), *quantiles


def seconds(name: str, definition: str, *, probes: tuple[str, ...] = EVERY) -> Column:
    """A duration that is the case now."""
    return Column(name, "gauge", "s", "Float64", definition, probes)
