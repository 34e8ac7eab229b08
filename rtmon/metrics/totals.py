"""Totals of a server, and how much they gained since they were last taken."""

from __future__ import annotations

from typing import Any

from .histogram import Histogram
from .ledger import DIRECT, Ledger

__all__ = ["LedgerTotals", "ServerTotals"]


class LedgerTotals:
    """Totals of a ledger: what its connections have done together."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self._taken = dict.fromkeys((*DIRECT, "partial_in", "partial_out"), 0)
        self._sized = dict.fromkeys(("messages_in", "messages_out", "bytes_in", "bytes_out"), 0)
        self._durations = {name: Histogram.empty() for name in ("handler", "receive")}
        self._sizes = {name: Histogram.empty(1.0) for name in ("size_in", "size_out")}

    def take(self) -> dict[str, Any]:
        """What a Sample holds of it; the next one counts from here."""
        ledger = self.ledger
        gains: dict[str, Any] = {
            "size_in": ledger.sizes_in.take(),
            "size_out": ledger.sizes_out.take(),
            "handler": ledger.handler.take(),
            "receive": ledger.receive.take(),
        }
        for name in self._sizes:
            self._sizes[name] = _merge(self._sizes[name], gains[name])
        for name in self._durations:
            self._durations[name] = _merge(self._durations[name], gains[name])
        for name in DIRECT:
            gains[name] = getattr(ledger, name) - self._taken[name]
        for way in ("in", "out"):
            sizes: Histogram = gains[f"size_{way}"]
            partial = getattr(ledger, f"partial_{way}") - self._taken[f"partial_{way}"]
            gains[f"messages_{way}"] = sizes.count
            gains[f"bytes_{way}"] = sizes.total + partial
            self._sized[f"messages_{way}"] += sizes.count
            self._sized[f"bytes_{way}"] += sizes.total + partial
        self._taken = {name: getattr(ledger, name) for name in self._taken}
        return gains

    def current(self) -> dict[str, Any]:
        """The totals as they are now, what has not been taken yet included."""
        ledger = self.ledger
        new = {
            "size_in": ledger.sizes_in.peek(),
            "size_out": ledger.sizes_out.peek(),
            "handler": ledger.handler.peek(),
            "receive": ledger.receive.peek(),
        }
        before = {**self._sizes, **self._durations}
        totals: dict[str, Any] = {name: _merge(before[name], new[name]) for name in before}
        totals.update({name: getattr(ledger, name) for name in DIRECT})
        for way in ("in", "out"):
            sizes = new[f"size_{way}"]
            partial = getattr(ledger, f"partial_{way}") - self._taken[f"partial_{way}"]
            totals[f"messages_{way}"] = self._sized[f"messages_{way}"] + sizes.count
            totals[f"bytes_{way}"] = self._sized[f"bytes_{way}"] + sizes.total + partial
        return totals


def _merge(before: Histogram, new: Histogram) -> Histogram:
    return Histogram.merged((before, new)) if new.counts else before


class ServerTotals:
    """Counters that belong to the server rather than to one of its connections."""

    _NAMES = ("opened", "closed", "rejected", "http_requests")

    def __init__(self) -> None:
        self.open = 0
        self.peak = 0
        self.opened = 0
        self.closed = 0
        self.rejected = 0
        self.http_requests = 0
        self.close_codes: dict[int, int] = {}
        self.close_causes: dict[str, int] = {}
        self._peak_before = 0
        self._codes_before: dict[int, int] = {}
        self._taken = dict.fromkeys(self._NAMES, 0)

    def arrived(self) -> None:
        """A connection was opened."""
        self.opened += 1
        self.open += 1
        self.peak = max(self.peak, self.open)

    def left(self, code: int | None, cause: str | None) -> None:
        """An open connection has ended, with a close code if its transport has them."""
        self.open -= 1
        self.closed += 1
        cause = cause or "unknown"
        self.close_causes[cause] = self.close_causes.get(cause, 0) + 1
        if code is not None:
            self.close_codes[code] = self.close_codes.get(code, 0) + 1

    def take(self) -> dict[str, Any]:
        """What a Sample holds of it; the next one counts from here."""
        gains: dict[str, Any] = {
            name: getattr(self, name) - self._taken[name] for name in self._NAMES
        }
        gains.update(open=self.open, peak=self.peak, close_codes=self.close_codes)
        self._codes_before = self._all_codes()
        self._taken = {name: getattr(self, name) for name in self._NAMES}
        self.close_codes = {}
        self._peak_before = max(self._peak_before, self.peak)
        self.peak = self.open
        return gains

    def current(self) -> dict[str, Any]:
        """The totals as they are now."""
        totals: dict[str, Any] = {name: getattr(self, name) for name in self._NAMES}
        totals.update(
            open=self.open,
            peak=max(self._peak_before, self.peak),
            close_codes=self._all_codes(),
        )
        return totals

    def _all_codes(self) -> dict[int, int]:
        codes = dict(self._codes_before)
        for code, count in self.close_codes.items():
            codes[code] = codes.get(code, 0) + count
        return codes
