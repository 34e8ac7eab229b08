"""Base classes with one attribute for each counter column: of a server, a Ledger and a Meter.

Written by ``make docs`` from :mod:`rtmon.metrics.columns`, which defines them; do not edit.
"""

from __future__ import annotations

from .columns import LEDGER_COUNTERS, MESSAGE_HISTOGRAMS, METER_COUNTERS, METER_FIELDS, SHARED
from .histogram import BYTE, HistogramRecorder

__all__ = ["LedgerFields", "MeterFields", "ServerFields"]

_OWN = tuple(f"own_{name}" if name in SHARED else name for name in METER_COUNTERS)


class ServerFields:
    """Counters of a server, and of its connections' ends by cause."""

    def __init__(self) -> None:
        self.opened = 0
        self.closed = 0
        self.rejected = 0
        self.http_requests = 0
        self.closed_aborted = 0
        self.closed_normally = 0
        self.closed_handler_cancelled = 0
        self.closed_handler_failed = 0
        self.closed_peer_vanished = 0
        self.closed_ping_timeout = 0
        self.closed_protocol_error = 0
        self.closed_reset = 0
        self.closed_server_shutdown = 0
        self.closed_slow_consumer = 0
        self.closed_unknown = 0


class LedgerFields:
    """Counters and histograms that sum up all connections of one role."""

    __slots__ = (*LEDGER_COUNTERS, *(column.name for column in MESSAGE_HISTOGRAMS))

    def __init__(self) -> None:
        self.binary_in = 0
        self.binary_out = 0
        self.wire_in = 0
        self.wire_out = 0
        self.errors = 0
        self.dropped = 0
        self.fragmented_in = 0
        self.fragmented_out = 0
        self.pings_in = 0
        self.pings_out = 0
        self.pongs_in = 0
        self.pongs_out = 0
        self.size_in = HistogramRecorder(BYTE)
        self.size_out = HistogramRecorder(BYTE)
        self.handler = HistogramRecorder()
        self.receive = HistogramRecorder()


class MeterFields:
    """Attributes of one connection. A counter ``own_…`` excludes messages to groups."""

    __slots__ = (*_OWN, *(column.name for column in METER_FIELDS))

    def __init__(self) -> None:
        self.messages_in = 0
        self.own_messages_out = 0
        self.bytes_in = 0
        self.own_bytes_out = 0
        self.binary_in = 0
        self.own_binary_out = 0
        self.wire_in = 0
        self.own_wire_out = 0
        self.errors = 0
        self.dropped = 0
        self.fragmented_in = 0
        self.fragmented_out = 0
        self.pings_in = 0
        self.pings_out = 0
        self.pongs_in = 0
        self.pongs_out = 0
        self.name: str | None = None
        self.user: str | None = None
        self.client_id: str | None = None
        self.remote: str | None = None
        self.path: str | None = None
        self.subprotocol: str | None = None
        self.user_agent: str | None = None
        self.tls: str | None = None
        self.rtt: float | None = None
        self.rtt_p99: float | None = None
        self.send_queue = 0
        self.queue_age: float | None = None
        self.handler_time = 0.0
        self.paused = 0.0
        self.traceback: str | None = None
        self.last_frames: str | None = None
