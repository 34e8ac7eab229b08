"""Values computed from the fields of a record: quantiles, rates, ratios, one line of text."""

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
    """Compression of what was received and sent."""

    __slots__ = ()

    bytes_in: int | None
    bytes_out: int | None
    wire_in: int | None
    wire_out: int | None

    @property
    def ratio_in(self) -> float | None:
        """Payload received per byte on the wire; None if either is unknown or nothing came."""
        return _ratio(self.bytes_in, self.wire_in)

    @property
    def ratio_out(self) -> float | None:
        """Payload sent per byte on the wire; None if either is unknown or nothing was sent."""
        return _ratio(self.bytes_out, self.wire_out)


class SampleValues(Ratios):
    """Derived columns and rates of a Sample."""

    __slots__ = ()

    opened: int
    closed: int
    elapsed: float

    def __getattr__(self, name: str) -> float | None:
        """Compute a derived column, such as ``rtt_p95``: a quantile of a histogram."""
        histogram, _, percent = name.rpartition("_p")
        if histogram in _HISTOGRAMS and percent.isdigit():
            value: Histogram | None = getattr(self, histogram)
            return None if value is None else value.quantile(int(percent) / 100)
        raise AttributeError(name)

    @property
    def net(self) -> int:
        """Change of the number of open connections."""
        return self.opened - self.closed

    def rate(self, counter: str) -> float | None:
        """Return a counter's increase per second during this Sample; None if it is not known."""
        value: int | None = getattr(self, counter)
        return None if value is None or self.elapsed <= 0 else value / self.elapsed


class ConnectionValues(Ratios):
    """Derived columns of a connection."""

    __slots__ = ()


class SnapshotText:
    """A Snapshot as one line of text."""

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


@lru_cache(maxsize=64)  # a view asks for the same at every tick
def light_record(names: tuple[str, ...]) -> Any:
    """Return a class of records with some columns of the connections or events table.

    To make one of these costs a tenth of a ConnectionInfo: for filtering and sorting many.
    """
    base = namedtuple("_Light", names)  # type: ignore[misc]  # noqa: PYI024 - made at run time
    return type("Light", (base, ConnectionValues), {"__slots__": ()})
