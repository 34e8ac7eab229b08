"""The record classes, one for each table. Records are immutable; times are Unix seconds.

Written by ``make docs`` from :mod:`rtmon.metrics.columns`, which defines the fields; do not edit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .close_causes import Cause
from .derived_values import ConnectionValues, SampleValues, SnapshotText
from .histogram import EMPTY, NO_SIZES, Histogram

__all__ = [
    "AddressInfo",
    "ChannelInfo",
    "ConnectionInfo",
    "Ending",
    "Event",
    "Latency",
    "Sample",
    "Snapshot",
    "SocketIOInfo",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample(SampleValues):
    """The measurements between two ticks: increases of counters, gauges and histograms."""

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
    closed_aborted: int = 0
    closed_normally: int = 0
    closed_handler_cancelled: int = 0
    closed_handler_failed: int = 0
    closed_peer_vanished: int = 0
    closed_ping_timeout: int = 0
    closed_protocol_error: int = 0
    closed_reset: int = 0
    closed_server_shutdown: int = 0
    closed_slow_consumer: int = 0
    closed_unknown: int = 0
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
    queue_age: float | None = 0.0
    rtt: Histogram | None = EMPTY
    size_in: Histogram | None = NO_SIZES
    size_out: Histogram | None = NO_SIZES
    handler: Histogram | None = EMPTY
    receive: Histogram | None = EMPTY
    fanout: Histogram | None = EMPTY
    lag: Histogram | None = EMPTY
    close_codes: Mapping[int, int] = field(default_factory=dict)
    cpu: float | None = None
    memory: int | None = None
    own: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionInfo(ConnectionValues):
    """One row of the connections table: an open or a recently closed connection."""

    id: str
    name: str | None = None
    user: str | None = None
    client_id: str | None = None
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
    rtt_p99: float | None = None
    send_queue: int | None = 0
    queue_age: float | None = None
    handler_time: float | None = 0.0
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a connection ended; the fields are columns of the connections table."""

    close_code: int | None = None
    code_sent: int | None = None
    reason_sent: str | None = None
    code_received: int | None = None
    reason_received: str | None = None
    initiator: str | None = None
    cause: Cause | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A single occurrence on the server, such as an opened connection or an error."""

    seq: int
    time: float
    kind: str
    connection: str | None = None
    client_id: str | None = None
    name: str | None = None
    remote: str | None = None
    code: int | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelInfo:
    """Totals of one channel of a hub, since the channel was first used."""

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
    """One row of the socketio table; ``kind`` says what the row counts."""

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
class Latency:
    """Percentiles of one kind of duration for one label, such as RTT for a path."""

    measure: str
    by: str
    label: str
    count: int = 0
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressInfo:
    """Counts of the connections from one client address."""

    address: str
    open: int = 0
    peak: int = 0
    opened: int = 0
    reconnects: int = 0
    reconnect_rate: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot(SnapshotText):
    """Totals since the Monitor was created; ``rates`` has each counter's current rate."""

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
    closed_aborted: int = 0
    closed_normally: int = 0
    closed_handler_cancelled: int = 0
    closed_handler_failed: int = 0
    closed_peer_vanished: int = 0
    closed_ping_timeout: int = 0
    closed_protocol_error: int = 0
    closed_reset: int = 0
    closed_server_shutdown: int = 0
    closed_slow_consumer: int = 0
    closed_unknown: int = 0
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
    close_codes: Mapping[int, int] = field(default_factory=dict)
    rates: Mapping[str, float] = field(default_factory=dict)
