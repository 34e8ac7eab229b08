"""Base classes of records with computed values: quantiles, rates, ratios, a one-line summary."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from ..core.si_prefixes import scale
from .columns import HISTOGRAMS
from .histogram import Histogram

__all__ = ["ConnectionValues", "SampleValues", "SnapshotText", "light_record"]

_HISTOGRAMS = frozenset(column.name for column in HISTOGRAMS)


class Ratios:
    """Computed columns ``ratio_in`` and ``ratio_out``: payload bytes per byte on the wire."""

    __slots__ = ()

    bytes_in: int | None
    bytes_out: int | None
    wire_in: int | None
    wire_out: int | None

    @property
    def ratio_in(self) -> float | None:
        """Payload bytes received per byte on the wire; None if unknown or nothing was received."""
        return _ratio(self.bytes_in, self.wire_in)

    @property
    def ratio_out(self) -> float | None:
        """Payload bytes sent per byte on the wire; None if unknown or nothing was sent."""
        return _ratio(self.bytes_out, self.wire_out)


class SampleValues(Ratios):
    """Computed columns and rates of a Sample."""

    __slots__ = ()

    opened: int
    closed: int
    elapsed: float

    def __getattr__(self, name: str) -> float | None:
        """Compute a percentile column such as ``rtt_p95`` from its histogram.

        The result is None if the histogram has no values or is unknown.
        """
        histogram, _, percent = name.rpartition("_p")
        if histogram in _HISTOGRAMS and percent.isdigit():
            value: Histogram | None = getattr(self, histogram)
            return None if value is None else value.quantile(int(percent) / 100)
        raise AttributeError(name)

    @property
    def net(self) -> int:
        """Change in the number of open connections: opened minus closed."""
        return self.opened - self.closed

    def rate(self, counter: str) -> float | None:
        """Return a counter's increase per second during this Sample; None if unknown."""
        value: int | None = getattr(self, counter)
        return None if value is None or self.elapsed <= 0 else value / self.elapsed


class ConnectionValues(Ratios):
    """Computed columns of a row of the connections table."""

    __slots__ = ()


class SnapshotText:
    """The one-line summary that ``str(snapshot)`` returns."""

    __slots__ = ()

    open: int
    errors: int
    rtt: Histogram | None
    rates: Mapping[str, float]

    def __str__(self) -> str:
        rate = self.rates.get
        parts = [
            f"{self.open:,} open",
            f"{rate('messages_in', 0.0):,.0f} msg/s in",
            f"{rate('messages_out', 0.0):,.0f} msg/s out",
            f"{_bytes(rate('bytes_in', 0.0))}/s in",
            f"{_bytes(rate('bytes_out', 0.0))}/s out",
        ]
        p95 = None if self.rtt is None else self.rtt.quantile(0.95)
        if p95 is not None:
            parts.append(f"RTT p95 {p95 * 1e3:.1f} ms")
        if self.errors:
            parts.append(f"{self.errors:,} errors")
        return " · ".join(parts)


def _ratio(payload: int | None, wire: int | None) -> float | None:
    return payload / wire if payload is not None and wire else None


def _bytes(value: float) -> str:
    number, prefix = scale(value)
    return f"{number:.1f} {prefix}B" if prefix else f"{number:.0f} B"


@lru_cache(maxsize=64)  # A view requests the same columns at every tick.
def light_record(names: tuple[str, ...]) -> Any:
    """Return a named-tuple class with only some columns of the connections or events table.

    Creating such a record costs a tenth of creating a ConnectionInfo. Queries use such records to
    filter and sort many rows.
    """
    base = namedtuple("_Light", names)  # type: ignore[misc]  # noqa: PYI024 - names vary
    return type("Light", (base, ConnectionValues), {"__slots__": ()})
