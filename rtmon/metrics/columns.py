"""The table of everything rtmon records: THE place where a number is defined.

Records, DataFrames, CSV files, the feed and the documentation all follow this table, so a
name means the same everywhere. Adding a column means adding a line here and a field of the
same name to its record in :mod:`rtmon.metrics.records`.

Conventions (Prometheus): base units (seconds, bytes), counters only grow, gauges are what is
the case now. In a Sample a counter is the *increase* since the Sample before; in a
ConnectionInfo and a Snapshot it is the total since the beginning. What a probe cannot know is
null, never 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = [
    "CHANNEL",
    "CLIENT",
    "CONNECTION",
    "EVENT",
    "EVERY",
    "HISTOGRAMS",
    "LABELS",
    "METER_COUNTERS",
    "SAMPLE",
    "TABLES",
    "Column",
    "Kind",
    "names",
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

PINGS = ("websockets", "socketio")
"""The probes that see pings answered."""


LABELS = 32
"""Values of a label, such as a close code or a channel, that have a series of their own where
outsiders choose them; those that come later are counted together, as ``other``."""


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


def _text(name: str, definition: str, *, probes: tuple[str, ...] = EVERY) -> Column:
    return Column(name, "text", "", "string", definition, probes)


def _time(name: str, definition: str) -> Column:
    return Column(name, "time", "", "datetime64[us, UTC]", definition)


def _counter(name: str, unit: str, definition: str, *, probes: tuple[str, ...] = EVERY) -> Column:
    return Column(name, "counter", unit, "Int64", definition, probes)


def _int(name: str, unit: str, definition: str, *, probes: tuple[str, ...] = EVERY) -> Column:
    return Column(name, "gauge", unit, "Int64", definition, probes)


def _histogram(
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


def _seconds(name: str, definition: str, *, probes: tuple[str, ...] = EVERY) -> Column:
    return Column(name, "gauge", "s", "Float64", definition, probes)


_METERED = (
    _counter("messages_in", "messages", "Whole messages received, however many frames each took."),
    _counter("messages_out", "messages", "Whole messages sent, websockets.broadcast() included."),
    _counter(
        "bytes_in",
        "B",
        "Application payload received: after decompression, without frame headers.",
    ),
    _counter(
        "bytes_out",
        "B",
        "Application payload sent: before compression, without frame headers.",
    ),
    _counter("binary_in", "messages", "Those of messages_in that were binary."),
    _counter("binary_out", "messages", "Those of messages_out that were binary."),
    _counter(
        "wire_in",
        "B",
        "Bytes that came from the transport: handshake, frame headers, control frames and "
        "compression included; under TLS after decryption.",
        probes=WIRE,
    ),
    _counter(
        "wire_out",
        "B",
        "Bytes handed to the transport: handshake, frame headers, control frames and "
        "compression included; under TLS before encryption.",
        probes=WIRE,
    ),
    _counter(
        "errors",
        "errors",
        "Exceptions that left a handler, protocol violations by the peer, and requests that "
        "the hub answered with an error.",
    ),
    _counter("dropped", "messages", "Messages not sent because the peer reads too slowly."),
    _counter(
        "fragmented_in",
        "messages",
        "Those of messages_in that took more than one frame.",
        probes=WIRE,
    ),
    _counter(
        "fragmented_out",
        "messages",
        "Those of messages_out that took more than one frame.",
        probes=WIRE,
    ),
    _counter("pings_in", "frames", "Ping frames received.", probes=WIRE),
    _counter("pings_out", "frames", "Ping frames sent.", probes=WIRE),
    _counter("pongs_in", "frames", "Pong frames received.", probes=WIRE),
    _counter("pongs_out", "frames", "Pong frames sent.", probes=WIRE),
)

METER_COUNTERS: tuple[str, ...] = tuple(column.name for column in _METERED)
"""The counters that every connection has."""

SAMPLE: tuple[Column, ...] = (
    _text("node", "The server process that was measured."),
    _text("epoch", "One life of that server's Monitor; a new one means that counting began anew."),
    _int("seq", "ticks", "Number of the Sample within its epoch, from 1; it orders Samples."),
    _time("time", "When the Sample was taken, by the wall clock: a label, not a measure."),
    _seconds(
        "elapsed", "Time since the Sample before, by the monotonic clock: rates divide by it."
    ),
    _int("open", "connections", "Connections open at the end of the Sample."),
    _int("peak", "connections", "Most connections open at once during the Sample."),
    _counter("opened", "connections", "Handshakes completed."),
    _counter("closed", "connections", "Open connections that ended, however they ended."),
    _counter("rejected", "connections", "WebSocket handshakes that failed or were refused."),
    _counter("http_requests", "requests", "Plain HTTP requests answered on the WebSocket port."),
    *_METERED,
    _int(
        "slow",
        "connections",
        "Connections whose oldest unsent byte waits for over a second.",
        probes=WIRE,
    ),
    _int("send_queue", "B", "Bytes that wait to be sent, on all connections.", probes=WIRE),
    *_histogram(
        "rtt",
        "s",
        "Round-trip times of pings answered during the Sample, the hub's own included.",
        (50, 95, 99),
        probes=PINGS,
    ),
    *_histogram("size_in", "B", "Payload of each message received.", (50, 95)),
    *_histogram("size_out", "B", "Payload of each message sent.", (50, 95)),
    *_histogram(
        "handler",
        "s",
        "Time that handlers took for a message: from recv() returning to the next recv(); of one "
        "read by recv_streaming() it is not known.",
        (50, 95, 99),
    ),
    *_histogram(
        "receive",
        "s",
        "Time that messages waited for their handler: from the last byte read to recv() returning; "
        "one read by recv_streaming() did not wait as a whole.",
        (95,),
        probes=WIRE,
    ),
    *_histogram(
        "fanout",
        "s",
        "Time from a message's publishing to the hub until the last transport had it, for each.",
        (50, 95, 99),
    ),
    *_histogram("lag", "s", "Lateness of the event loop, asked ten times a second.", (50, 95, 99)),
    Column(
        "close_codes",
        "tally",
        "connections",
        "string",
        "Connections closed during the Sample by close code (1006: without a close frame); those "
        "of transports without such codes are not in it.",
    ),
    Column("cpu", "gauge", "cores", "Float64", "CPU time of the process, per second of time."),
    _int("memory", "B", "Resident memory of the process; null where the system does not tell."),
    _seconds("own", "Time the Monitor itself took for the tick before, watchers included."),
)

CONNECTION: tuple[Column, ...] = (
    _text("id", "The connection's id, unique within the epoch."),
    _text("name", "What the application calls the connection; the peer's word, not to be trusted."),
    _text("role", "server or client: which end of the connection was measured."),
    _text("state", "open or closed."),
    _text(
        "transport", "How messages travel: websocket, sse, socketio-websocket or socketio-polling."
    ),
    _text("remote", "Address and port of the peer."),
    _text("path", "Path of the opening request, without the query, which may hold secrets."),
    _text("subprotocol", "Subprotocol agreed on; null if none."),
    _text("user_agent", "User-Agent of the opening request; null if none was sent."),
    _text("tls", "Version of TLS, such as TLSv1.3; null without TLS.", probes=WIRE),
    _time("opened", "When the handshake was completed."),
    _time("last_activity", "When bytes last came from or went to the peer."),
    *_METERED,
    _seconds(
        "rtt",
        "Latest round-trip time of a ping, be it the hub's own; null before the first answer.",
    ),
    _int("send_queue", "B", "Bytes that wait to be sent.", probes=WIRE),
    _seconds(
        "queue_age",
        "How long the oldest of them has waited, at least; null if none does.",
        probes=WIRE,
    ),
    _seconds(
        "paused",
        "Time during which writing was paused, because the peer reads too slowly.",
        probes=WIRE,
    ),
    Column(
        "ratio_in",
        "gauge",
        "B/B",
        "Float64",
        "Payload received per byte on the wire: over 1 with compression that pays.",
        WIRE,
        derived=True,
    ),
    Column(
        "ratio_out",
        "gauge",
        "B/B",
        "Float64",
        "Payload sent per byte on the wire: over 1 with compression that pays.",
        WIRE,
        derived=True,
    ),
    _time("closed", "When the connection ended; null while it is open."),
    _int(
        "close_code",
        "",
        "The code that ended the connection, 1006 if no close frame did; null without such codes.",
    ),
    _int("code_sent", "", "Close code sent; null if none was."),
    _text("reason_sent", "Close reason sent; null if no close frame was."),
    _int(
        "code_received", "", "Close code received; 1005 for a frame without one; null if none was."
    ),
    _text("reason_received", "Close reason received; null if no close frame was."),
    _text("initiator", "Who sent the first close frame: local, remote, or null if nobody did."),
    _text("cause", "Why the connection ended; see rtmon.metrics.causes."),
    _text("traceback", "Traceback of the exception that ended the handler; null if none did."),
    _text(
        "last_frames",
        "After an abnormal end, the last frames: seconds before the end, direction, opcode, bytes.",
    ),
)

EVENT: tuple[Column, ...] = (
    _int("seq", "events", "Number of the Event within its epoch, from 1."),
    _time("time", "When it happened."),
    _text("kind", "opened, closed, rejected, error, and what else rtmon has to say."),
    _text("connection", "Id of the connection it is about; null if it is about none."),
    _text("name", "Name of that connection at the time."),
    _text("remote", "Address of the peer."),
    _int("code", "", "Close code or HTTP status; null if there is none."),
    _text("detail", "What happened, in words; parts of it may come from the peer."),
)

CHANNEL: tuple[Column, ...] = (
    _text("channel", "The channel: channel:NAME, room:NAME, or chat for everybody."),
    _int("subscribers", "subscribers", "Connections that receive it now."),
    _counter("published", "messages", "Messages published to it."),
    _counter("delivered", "messages", "Messages handed to the transports of those who receive it."),
    _counter("dropped", "messages", "Messages that somebody should have had and did not get."),
    _counter("bytes", "B", "Payload handed to transports: encoded messages, without framing."),
    Column(
        "fanout",
        "counter",
        "s",
        "Float64",
        "Time from publishing until the last transport had it, in sum.",
    ),
    _seconds("fanout_max", "The longest time from publishing until the last transport had it."),
)

CLIENT: tuple[Column, ...] = (
    _text("name", "What the client calls itself; null if it has no name of its own."),
    _text("url", "Where it connects to, without the query."),
    _text("state", "connecting, open, reconnecting, closing or closed."),
    _counter("attempts", "attempts", "Attempts to connect, the first one included."),
    _counter("reconnects", "connections", "Connections after the first."),
    _seconds("downtime", "Time without a connection after the first, a current outage included."),
    _seconds("rtt", "What the last heartbeat took there and back; null before the first."),
    _int("queued", "messages", "Messages that wait to be sent."),
    _int("unconfirmed", "messages", "Messages sent that the server is not known to have."),
    _counter("sent", "messages", "Messages sent, heartbeats included, chunks of files not."),
    _counter("received", "messages", "The same for what was received."),
    _counter(
        "resent",
        "messages",
        "Those sent again: the connection ended before they were known to have arrived.",
    ),
    _counter("duplicates", "messages", "Messages received again, and not delivered again."),
    _counter("gaps", "gaps", "Times that history was lost."),
    _counter("dropped", "messages", "Messages dropped because a queue or buffer was full."),
    _counter("expired", "messages", "Messages dropped because they waited too long."),
)

TABLES: dict[str, tuple[Column, ...]] = {
    "samples": SAMPLE,
    "connections": CONNECTION,
    "events": EVENT,
    "channels": CHANNEL,
    "clients": CLIENT,
}
"""Table name → its columns, in order."""


HISTOGRAMS: tuple[Column, ...] = tuple(c for c in SAMPLE if c.kind == "histogram")
"""The histograms of a Sample."""


def names(table: tuple[Column, ...], *, derived: bool = True) -> tuple[str, ...]:
    """The column names of a table, in order, with or without the derived ones."""
    return tuple(column.name for column in table if derived or not column.derived)
