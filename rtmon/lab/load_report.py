"""Counts of simulated users, in total and per second."""

from __future__ import annotations

from collections import deque
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from ..metrics.histogram import EMPTY, Histogram, HistogramRecorder

__all__ = ["ConnectionReport", "LoadReport", "Second", "Totals", "UserCounts"]

_SECONDS = 7_200
"""Number of latest seconds with rows of their own; older seconds are in the totals only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionReport:
    """Counts of one simulated user's connection.

    Attributes:
        name: name of the user; a hub shows it as the connection's name.
        local: the client's socket address, which the server reports as ``remote``.
        messages_out, messages_in: number of complete messages sent and received.
        bytes_out, bytes_in: payload bytes of these messages.
        open: True while the connection is open.
        close_code: the close code; None while the connection is open.
    """

    name: str
    local: str
    messages_out: int
    bytes_out: int
    messages_in: int
    bytes_in: int
    open: bool
    close_code: int | None


@dataclass(slots=True)
class Totals:
    """Messages and payload bytes, summed over several connections."""

    messages_out: int = 0
    bytes_out: int = 0
    messages_in: int = 0
    bytes_in: int = 0

    def add(self, report: ConnectionReport) -> None:
        """Add the counts of one connection to the sums."""
        for name in (entry.name for entry in fields(self)):
            setattr(self, name, getattr(self, name) + getattr(report, name))


@dataclass(frozen=True, slots=True, kw_only=True)
class Second:
    """Counts of a load during about one second.

    Attributes:
        time: end of this period, in seconds since the start of the load.
        elapsed: length of this period in seconds.
        open: connections open at the end of this period.
        asked: messages that were due.
        sent: messages sent.
        answered: messages that the server has sent back to their sender.
        received: messages received by all users.
        connected, failed, lost: connections made, failed attempts to connect, and connections that
            ended although the user had not left.
        errors: ``error`` messages received from a hub.
        latency: times from when a message was due until its sender received it again.
        late: times from when a message was due until it was sent: the delay of the load generator.
    """

    time: float
    elapsed: float
    open: int = 0
    asked: int = 0
    sent: int = 0
    answered: int = 0
    received: int = 0
    connected: int = 0
    failed: int = 0
    lost: int = 0
    errors: int = 0
    latency: Histogram = EMPTY
    late: Histogram = EMPTY


_COUNTS = (
    *("asked", "sent", "answered", "received", "connected", "failed", "lost", "errors"),
    *("unanswered", "aborted"),
)


class UserCounts:
    """Counts of all users while a load runs, in total and per second.

    Attributes:
        latency, late: durations of the current second; see :class:`Second`.
        seconds: the latest finished seconds.
        problem: text of the error of the last failed attempt to connect; empty if none failed.
    """

    asked: int
    sent: int
    answered: int
    received: int
    connected: int
    failed: int
    lost: int
    errors: int
    unanswered: int
    aborted: int

    def __init__(self) -> None:
        for name in _COUNTS:
            setattr(self, name, 0)
        self.problem = ""
        self.latency, self.late = HistogramRecorder(), HistogramRecorder()
        self.seconds: deque[Second] = deque(maxlen=_SECONDS)
        self._before = dict.fromkeys(_COUNTS, 0)
        self._latency = self._late = EMPTY

    def counts(self, of: type[Second | LoadReport]) -> dict[str, int]:
        """Return name → value of each counter that is also a field of the given class."""
        return {name: getattr(self, name) for name in _COUNTS if name in of.__dataclass_fields__}

    def tick(self, time: float, elapsed: float, *, there: int) -> None:
        """Store the counts of the present second, and begin the next one.

        Args:
            time: seconds since the start of the load.
            elapsed: length of the second that ends now, in seconds.
            there: number of open connections.
        """
        counts = self.counts(Second)
        increase = {name: count - self._before[name] for name, count in counts.items()}
        self._before = counts
        latency, late = self.latency.take(), self.late.take()
        self._latency = Histogram.merged((self._latency, latency))
        self._late = Histogram.merged((self._late, late))
        self.seconds.append(
            Second(time=time, elapsed=elapsed, open=there, latency=latency, late=late, **increase)
        )

    def histograms(self) -> tuple[Histogram, Histogram]:
        """Return the histograms of latency and lateness since the start, in this order."""
        return (
            Histogram.merged((self._latency, self.latency.peek())),
            Histogram.merged((self._late, self.late.peek())),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadReport:
    """Counts of all users.

    Attributes:
        url: the server's URL.
        elapsed: seconds since the start.
        quiet: True if the users had stopped sending, and every sent message had been delivered.
        open: connections open.
        connected: connections made so far.
        failed: attempts to connect that failed.
        problem: text of the error of the last failed attempt; empty if none failed.
        lost: connections that ended although the user had not left.
        aborted: connections that users ended without a close frame. The server's last messages on
            such a connection may not have arrived, so the totals are exact only if this is 0.
        asked: messages that were due to be sent until the users stopped.
        sent: messages sent.
        answered: messages that the server has sent back to their sender.
        unanswered: messages sent that the server did not send back before the connection ended.
        errors: ``error`` messages received from a hub.
        latency: times from when a message was due until its sender received it again.
        late: times from when a message was due until it was sent. Long times mean that the load
            generator's process was too slow, or that the server reads messages too slowly.
        totals: sums over all connections.
        totals_open: sums over the connections that are open now.
        close_codes: close code → number of ended connections.
        seconds: one row for each of the latest 7,200 seconds.
        connections: one report for each open connection, then one for each of the latest ended
            connections.
    """

    url: str
    elapsed: float
    quiet: bool
    open: int
    connected: int
    failed: int
    problem: str
    lost: int
    aborted: int
    asked: int
    sent: int
    answered: int
    unanswered: int
    errors: int
    latency: Histogram
    late: Histogram
    totals: Totals
    totals_open: Totals
    close_codes: dict[int, int] = field(default_factory=dict)
    seconds: list[Second] = field(default_factory=list)
    connections: list[ConnectionReport] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain lists and dictionaries.

        A histogram becomes a dictionary with ``count``, quantiles in seconds (None if no duration
        was recorded) and ``buckets``, its sparse form, which :meth:`Histogram.parse` reads.
        """
        plain = {name: getattr(self, name) for name in self.__slots__}
        for name in ("totals", "totals_open"):
            plain[name] = asdict(plain[name])
        plain["connections"] = [asdict(each) for each in self.connections]
        plain["seconds"] = [
            {name: getattr(each, name) for name in Second.__slots__} for each in self.seconds
        ]
        for row in (plain, *plain["seconds"]):
            for name in ("latency", "late"):
                row[name] = _plain(row[name])
        return plain


def _plain(histogram: Histogram) -> dict[str, Any]:
    quantiles = {f"p{100 * q:g}": histogram.quantile(q) for q in (0.5, 0.9, 0.95, 0.99, 0.999)}
    most = histogram.quantile(1.0)
    return {"count": histogram.count, **quantiles, "max": most, "buckets": str(histogram)}
