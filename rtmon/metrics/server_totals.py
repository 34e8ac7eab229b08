"""Totals of a server's counters and histograms, and their increases since the last tick."""

from __future__ import annotations

from typing import Any

from .close_causes import CAUSES, UNKNOWN, cause_column
from .columns import LEDGER_COUNTERS, MESSAGE_HISTOGRAMS, SERVER_COUNTERS
from .counter_fields import ServerFields
from .histogram import Histogram, HistogramRecorder, merge_tallies
from .labelled_durations import LabelledDurations
from .meter import Ledger

__all__ = ["LedgerTotals", "ServerTotals"]


class LedgerTotals:
    """Totals of the counters and histograms in a Ledger, over all of its connections.

    Args:
        ledger: the Ledger.
        handler: recorder of the durations of handlers, by path. It replaces the Ledger's own
            recorder of these durations.
    """

    def __init__(self, ledger: Ledger, *, handler: LabelledDurations) -> None:
        self.ledger = ledger
        self._recorders: dict[str, HistogramRecorder | LabelledDurations] = {
            column.name: getattr(ledger, column.name) for column in MESSAGE_HISTOGRAMS
        }
        ledger.handler = handler.unlabelled
        self._recorders["handler"] = handler
        self._histograms = {
            name: Histogram.empty(recorder.resolution) for name, recorder in self._recorders.items()
        }
        self._taken = dict.fromkeys((*LEDGER_COUNTERS, "partial_in", "partial_out"), 0)
        self._sized = dict.fromkeys(("messages_in", "messages_out", "bytes_in", "bytes_out"), 0)

    def take(self) -> dict[str, Any]:
        """Return the increases since the last call, as column name → value of a Sample."""
        gained = {name: recorder.take() for name, recorder in self._recorders.items()}
        self._histograms = self._with(gained)
        sized = self._by_size(gained)
        self._sized = {name: self._sized[name] + count for name, count in sized.items()}
        counted = {name: getattr(self.ledger, name) - self._taken[name] for name in LEDGER_COUNTERS}
        self._taken = {name: getattr(self.ledger, name) for name in self._taken}
        return {**gained, **counted, **sized}

    def current(self) -> dict[str, Any]:
        """Return the current totals, as column name → value of a Snapshot."""
        new = {name: recorder.peek() for name, recorder in self._recorders.items()}
        sized = {name: self._sized[name] + count for name, count in self._by_size(new).items()}
        counted = {name: getattr(self.ledger, name) for name in LEDGER_COUNTERS}
        return {**self._with(new), **counted, **sized}

    def _with(self, new: dict[str, Histogram]) -> dict[str, Histogram]:
        return {
            name: Histogram.merged((before, new[name])) if new[name].counts else before
            for name, before in self._histograms.items()
        }

    def _by_size(self, new: dict[str, Histogram]) -> dict[str, int]:
        """Derive the numbers of messages and bytes since :meth:`take` from the message sizes.

        Args:
            new: histograms of message sizes since the last :meth:`take`.
        """
        counts = {}
        for way in ("in", "out"):
            sizes, partial = new[f"size_{way}"], f"partial_{way}"
            counts[f"messages_{way}"] = sizes.count
            counts[f"bytes_{way}"] = (
                sizes.total + getattr(self.ledger, partial) - self._taken[partial]
            )
        return counts


class ServerTotals(ServerFields):
    """Counters of the server as a whole: opened and closed connections, close codes and causes."""

    def __init__(self) -> None:
        super().__init__()
        self.open = 0
        self.peak = 0
        self.close_codes: dict[int, int] = {}
        self._peak_before = 0
        self._codes_before: dict[int, int] = {}
        self._taken = dict.fromkeys(SERVER_COUNTERS, 0)

    def arrived(self) -> None:
        """Count a connection that has opened."""
        self.opened += 1
        self.open += 1
        self.peak = max(self.peak, self.open)

    def left(self, code: int | None, cause: str | None) -> None:
        """Count the end of an open connection.

        Args:
            code: close code; None if the transport has no close codes.
            cause: cause of the end; None if unknown.
        """
        self.open -= 1
        self.closed += 1
        column = cause_column(cause or UNKNOWN)
        setattr(self, column, getattr(self, column) + 1)
        if code is not None:
            self.close_codes[code] = self.close_codes.get(code, 0) + 1

    @property
    def close_causes(self) -> dict[str, int]:
        """Cause → number of connections that have ended for this cause; zeros are omitted."""
        causes = {cause: getattr(self, cause_column(cause)) for cause in (*CAUSES, UNKNOWN)}
        return {cause: count for cause, count in causes.items() if count}

    def take(self) -> dict[str, Any]:
        """Return the increases since the last call, as column name → value of a Sample.

        ``open`` is the current number, and ``peak`` the maximum since the last call.
        """
        gains: dict[str, Any] = {
            name: getattr(self, name) - self._taken[name] for name in SERVER_COUNTERS
        }
        gains.update(open=self.open, peak=self.peak, close_codes=self.close_codes)
        self._codes_before = self._all_codes()
        self._taken = {name: getattr(self, name) for name in SERVER_COUNTERS}
        self.close_codes = {}
        self._peak_before = max(self._peak_before, self.peak)
        self.peak = self.open
        return gains

    def current(self) -> dict[str, Any]:
        """Return the current totals, as column name → value of a Snapshot."""
        totals: dict[str, Any] = {name: getattr(self, name) for name in SERVER_COUNTERS}
        totals.update(
            open=self.open,
            peak=max(self._peak_before, self.peak),
            close_codes=self._all_codes(),
        )
        return totals

    def _all_codes(self) -> dict[int, int]:
        return merge_tallies((self._codes_before, self.close_codes))
