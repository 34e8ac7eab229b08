"""The records that rtmon hands on: what was measured, frozen.

Fields are defined, with units, in :mod:`rtmon.metrics.columns`; a test holds both together.
Times are Unix seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from .columns import HISTOGRAMS
from .histogram import EMPTY, NO_SIZES, Histogram

__all__ = ["ChannelInfo", "ConnectionInfo", "Event", "Sample", "Snapshot", "SocketIOInfo"]

_HISTOGRAMS = frozenset(column.name for column in HISTOGRAMS)
_NO_CODES: Mapping[int, int] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What happened between two ticks: counter deltas, gauges and histograms."""

    node: str
    epoch: str
    seq: int
    time: float
    elapsed: float
    open: int = 0
    peak: int = 0
    opened: int = 0
    closed: int = 0
    rejected: int | None = 0
    http_requests: int | None = 0
    messages_in: int | None = 0
    messages_out: int | None = 0
    bytes_in: int | None = 0
    bytes_out: int | None = 0
    binary_in: int | None = 0
    binary_out: int | None = 0
    wire_in: int | None = 0
    wire_out: int | None = 0
    errors: int = 0
    dropped: int = 0
    fragmented_in: int | None = 0
    fragmented_out: int | None = 0
    pings_in: int | None = 0
    pings_out: int | None = 0
    pongs_in: int | None = 0
    pongs_out: int | None = 0
    slow: int | None = 0
    send_queue: int | None = 0
    rtt: Histogram | None = EMPTY
    size_in: Histogram | None = NO_SIZES
    size_out: Histogram | None = NO_SIZES
    handler: Histogram | None = EMPTY
    receive: Histogram | None = EMPTY
    fanout: Histogram | None = EMPTY
    lag: Histogram | None = EMPTY
    close_codes: Mapping[int, int] = field(default_factory=lambda: _NO_CODES)
    cpu: float | None = None
    memory: int | None = None
    own: float | None = None

    def __getattr__(self, name: str) -> float | None:
        """The derived columns, such as ``rtt_p95``: quantiles of the histograms."""
        histogram, _, percent = name.rpartition("_p")
        if histogram in _HISTOGRAMS and percent.isdigit():
            value: Histogram | None = getattr(self, histogram)
            return None if value is None else value.quantile(int(percent) / 100)
        raise AttributeError(name)

    @property
    def net(self) -> int:
        """By how many connections the number of open ones has changed."""
        return self.opened - self.closed

    def rate(self, counter: str) -> float | None:
        """A counter's increase per second during this Sample; None where it is not known."""
        value: int | None = getattr(self, counter)
        return None if value is None or self.elapsed <= 0 else value / self.elapsed


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionInfo:
    """One connection as of the last tick, open or closed."""

    id: str
    name: str | None = None
    role: str = "server"
    state: str = "open"
    transport: str = "websocket"
    remote: str | None = None
    path: str | None = None
    subprotocol: str | None = None
    user_agent: str | None = None
    tls: str | None = None
    opened: float = 0.0
    last_activity: float | None = None
    messages_in: int | None = 0
    messages_out: int | None = 0
    bytes_in: int | None = 0
    bytes_out: int | None = 0
    binary_in: int | None = 0
    binary_out: int | None = 0
    wire_in: int | None = 0
    wire_out: int | None = 0
    errors: int = 0
    dropped: int = 0
    fragmented_in: int | None = 0
    fragmented_out: int | None = 0
    pings_in: int | None = 0
    pings_out: int | None = 0
    pongs_in: int | None = 0
    pongs_out: int | None = 0
    rtt: float | None = None
    send_queue: int | None = 0
    queue_age: float | None = None
    paused: float | None = 0.0
    closed: float | None = None
    close_code: int | None = None
    code_sent: int | None = None
    reason_sent: str | None = None
    code_received: int | None = None
    reason_received: str | None = None
    initiator: str | None = None
    cause: str | None = None
    traceback: str | None = None
    last_frames: str | None = None

    @property
    def ratio_in(self) -> float | None:
        """Payload received per byte on the wire; None where either is not known, or nothing."""
        return _ratio(self.bytes_in, self.wire_in)

    @property
    def ratio_out(self) -> float | None:
        """Payload sent per byte on the wire; None where either is not known, or nothing."""
        return _ratio(self.bytes_out, self.wire_out)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened once."""

    seq: int
    time: float
    kind: str
    connection: str | None = None
    name: str | None = None
    remote: str | None = None
    code: int | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelInfo:
    """One channel of a hub, totals since it was first used."""

    channel: str
    subscribers: int = 0
    published: int = 0
    delivered: int = 0
    dropped: int = 0
    bytes: int = 0
    fanout: float = 0.0
    fanout_max: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketIOInfo:
    """What a Socket.IO server did in one namespace, for one event and so on; totals.

    What makes no sense for a kind of row is None.
    """

    kind: str
    namespace: str | None = None
    name: str | None = None
    clients: int | None = None
    connected: int | None = None
    refused: int | None = None
    left: int | None = None
    received: int | None = None
    emitted: int | None = None
    errors: int | None = None
    timed: int | None = None
    p50: float | None = None
    p95: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Totals since the Monitor began, and the rates of the last Sample.

    Attributes:
        uptime: seconds since the Monitor began, by the monotonic clock.
        open: connections open now; ``peak`` is the most there ever were at once.
        rates: counter → increase per second during the last Sample.
        close_codes: close code → connections that ended so.

    The other attributes are the totals of the Sample columns of the same name.
    """

    node: str
    epoch: str
    seq: int
    time: float
    uptime: float
    open: int = 0
    peak: int = 0
    opened: int = 0
    closed: int = 0
    rejected: int | None = 0
    http_requests: int | None = 0
    messages_in: int | None = 0
    messages_out: int | None = 0
    bytes_in: int | None = 0
    bytes_out: int | None = 0
    binary_in: int | None = 0
    binary_out: int | None = 0
    wire_in: int | None = 0
    wire_out: int | None = 0
    errors: int = 0
    dropped: int = 0
    fragmented_in: int | None = 0
    fragmented_out: int | None = 0
    pings_in: int | None = 0
    pings_out: int | None = 0
    pongs_in: int | None = 0
    pongs_out: int | None = 0
    rtt: Histogram | None = EMPTY
    size_in: Histogram | None = NO_SIZES
    size_out: Histogram | None = NO_SIZES
    handler: Histogram | None = EMPTY
    receive: Histogram | None = EMPTY
    fanout: Histogram | None = EMPTY
    lag: Histogram | None = EMPTY
    close_codes: Mapping[int, int] = field(default_factory=lambda: _NO_CODES)
    rates: Mapping[str, float] = field(default_factory=dict)

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
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"
