"""Definitions of all columns of all tables: name, kind, unit, type and meaning.

Records, Meters, DataFrames, CSV files, feeds, Prometheus metrics and docs/columns.md are all made
from these definitions, so a column's name means the same everywhere. To add a column, add its
definition here, run ``make docs``, and measure the value in a probe. Probes add to a counter with
:meth:`rtmon.metrics.meter.Meter.bump`. Other columns of a connection are set as an attribute of
the Meter.

The conventions are those of Prometheus: values are in base units (seconds, bytes), counters only
grow, and gauges are current values. In a Sample, a counter is the *increase* since the previous
Sample. In a ConnectionInfo or a Snapshot, it is the total from the start. A value that a probe
cannot measure is null and never 0.
"""

from __future__ import annotations

from .close_causes import CAUSES, UNKNOWN, cause_column
from .column import (
    EVERY,
    FRAMES,
    HTTP,
    PINGS,
    WIRE,
    Column,
    Kind,
    counter,
    histogram,
    integer,
    required,
    seconds,
    sparse,
    text,
    time,
)

__all__ = [
    "ADDRESS",
    "CAUSE_COLUMNS",
    "CHANNEL",
    "CLIENT",
    "CONNECTION",
    "ENDING",
    "EVENT",
    "EVERY",
    "HISTOGRAMS",
    "LABELS",
    "LATENCY",
    "LEDGER_COUNTERS",
    "MESSAGE_HISTOGRAMS",
    "METER_COUNTERS",
    "METER_FIELDS",
    "SAMPLE",
    "SERVER_COUNTERS",
    "SHARED",
    "SNAPSHOT",
    "SOCKETIO",
    "TABLES",
    "Column",
    "Kind",
    "names",
]

LABELS = 32
"""Maximum number of values of a label that clients can choose, such as a channel or close code.

All further values are counted together, as ``other``."""

_METERED = (
    counter("messages_in", "messages", "Complete messages received; a fragmented one counts once."),
    counter(
        "messages_out",
        "messages",
        "Complete messages sent, those sent by websockets.broadcast() included.",
    ),
    counter(
        "bytes_in",
        "B",
        "Application payload received: after decompression, without frame headers.",
    ),
    counter(
        "bytes_out",
        "B",
        "Application payload sent: before compression, without frame headers.",
    ),
    counter("binary_in", "messages", "Binary messages among messages_in."),
    counter("binary_out", "messages", "Binary messages among messages_out."),
    counter(
        "wire_in",
        "B",
        "Bytes received from the transport: compressed, with handshake, frame headers and "
        "control frames; under TLS, after decryption.",
        probes=WIRE,
    ),
    counter(
        "wire_out",
        "B",
        "Bytes passed to the transport: compressed, with handshake, frame headers and "
        "control frames; under TLS, before encryption.",
        probes=WIRE,
    ),
    *required(
        counter(
            "errors",
            "errors",
            "Exceptions raised by handlers, protocol violations by the peer, and requests that "
            "the hub answered with an error.",
        ),
        counter("dropped", "messages", "Messages not sent because the peer reads too slowly."),
    ),
    counter(
        "fragmented_in",
        "messages",
        "Messages among messages_in that consisted of more than one frame.",
        probes=WIRE,
    ),
    counter(
        "fragmented_out",
        "messages",
        "Messages among messages_out that consisted of more than one frame.",
        probes=WIRE,
    ),
    counter("pings_in", "frames", "Ping frames received.", probes=WIRE),
    counter("pings_out", "frames", "Ping frames sent.", probes=WIRE),
    counter("pongs_in", "frames", "Pong frames received.", probes=WIRE),
    counter("pongs_out", "frames", "Pong frames sent.", probes=WIRE),
)

_RATIOS = (
    Column(
        "ratio_in",
        "gauge",
        "B/B",
        "Float64",
        "Payload bytes received per byte on the wire: more than 1 if compression saves bytes.",
        WIRE,
        derived=True,
    ),
    Column(
        "ratio_out",
        "gauge",
        "B/B",
        "Float64",
        "Payload bytes sent per byte on the wire: more than 1 if compression saves bytes.",
        WIRE,
        derived=True,
    ),
)

METER_COUNTERS: tuple[str, ...] = tuple(column.name for column in _METERED)
"""Names of the counters that every connection has."""

SHARED = ("messages_out", "bytes_out", "binary_out", "wire_out")
"""Counters of a connection that are also counted for groups of connections.

A message that is sent to a whole group is counted once; see :mod:`.group_message_counts`."""

LEDGER_COUNTERS = tuple(n for n in METER_COUNTERS if not n.startswith(("messages_", "bytes_")))
"""Counters of a connection that a Ledger sums up.

Numbers of messages and bytes are not among them: they come from the Ledger's histograms of sizes.
"""

_PER_MESSAGE = (
    *histogram("size_in", "B", "Payload size of each message received.", (50, 95)),
    *histogram("size_out", "B", "Payload size of each message sent.", (50, 95)),
    *histogram(
        "handler",
        "s",
        "Time that handlers took for each message: from the return of recv() to the next recv(), "
        "or to the handler's end; messages read by recv_streaming() are not included.",
        (50, 95, 99),
    ),
    *histogram(
        "receive",
        "s",
        "Time that each message waited for its handler: from its last byte until recv() returned; "
        "messages read by recv_streaming() are not included.",
        (95,),
        probes=WIRE,
    ),
)

MESSAGE_HISTOGRAMS: tuple[Column, ...] = tuple(c for c in _PER_MESSAGE if c.kind == "histogram")
"""Columns of the histograms to which probes add a value for each message."""

_SERVER = (
    *required(
        counter("opened", "connections", "Connections whose handshake was completed."),
        counter("closed", "connections", "Open connections that ended, for whatever cause."),
    ),
    counter(
        "rejected",
        "connections",
        "WebSocket handshakes that failed or were refused.",
        probes=HTTP,
    ),
    counter(
        "http_requests",
        "requests",
        "Plain HTTP requests answered on the WebSocket port.",
        probes=HTTP,
    ),
)

_CAUSES = required(
    *(
        counter(
            cause_column(cause),
            "connections",
            f"Closed connections with the cause {cause}."
            if cause != UNKNOWN
            else "Closed connections with an unknown cause.",
        )
        for cause in (*CAUSES, UNKNOWN)
    )
)
"""Columns that count the ended connections by cause, and that add up to the column ``closed``."""

CAUSE_COLUMNS: tuple[str, ...] = tuple(column.name for column in _CAUSES)
"""Names of the columns that count the ended connections by cause."""

SERVER_COUNTERS: tuple[str, ...] = tuple(column.name for column in (*_SERVER, *_CAUSES))
"""Names of the counters of a server as a whole, which single connections do not have."""

SAMPLE: tuple[Column, ...] = (
    *required(
        text("node", "The server process that was measured."),
        text(
            "epoch",
            "Id of a lifetime of the server's Monitor; in a new epoch, counters start again at 0.",
        ),
        integer(
            "seq",
            "ticks",
            "Number of the Sample in its epoch, starting at 1; it defines the order of Samples.",
        ),
        time(
            "time",
            "Wall-clock time at which the Sample was taken, for display only: the clock can jump.",
        ),
        seconds(
            "elapsed",
            "Time since the previous Sample, by the monotonic clock; rates divide by this value.",
        ),
        integer("open", "connections", "Connections open at the end of the Sample.", initial=0),
        integer(
            "peak",
            "connections",
            "Maximum number of connections open at once during the Sample.",
            initial=0,
        ),
    ),
    *_SERVER,
    *_CAUSES,
    *_METERED,
    *_RATIOS,
    integer(
        "slow",
        "connections",
        "Connections whose oldest unsent byte has waited for more than a second.",
        probes=WIRE,
        initial=0,
    ),
    integer(
        "send_queue", "B", "Bytes queued for sending, on all connections.", probes=WIRE, initial=0
    ),
    seconds(
        "queue_age",
        "Minimum age of the oldest byte queued for sending; 0 if no byte is queued.",
        probes=WIRE,
        initial=0.0,
    ),
    *histogram(
        "rtt",
        "s",
        "Round-trip times of pings answered during the Sample, the hub's pings included.",
        (50, 95, 99),
        probes=PINGS,
    ),
    *_PER_MESSAGE,
    *histogram(
        "fanout",
        "s",
        "Time from publishing a message until the hub passed it to the last receiver's transport.",
        (50, 95, 99),
    ),
    *histogram(
        "lag",
        "s",
        "Lateness of the event loop's timers, measured ten times a second.",
        (50, 95, 99),
    ),
    *required(
        Column(
            "close_codes",
            "tally",
            "connections",
            "string",
            "Connections closed during the Sample, by close code; transports without close codes "
            "are not included.",
        )
    ),
    Column("cpu", "gauge", "cores", "Float64", "CPU seconds that the process used per second."),
    integer(
        "memory", "B", "Resident memory of the process; null if the system does not report it."
    ),
    seconds("own", "Duration of the Monitor's previous tick, the sending to feeds included."),
)

SNAPSHOT: tuple[Column, ...] = (
    *SAMPLE[:4],
    *required(
        seconds("uptime", "Time since the Monitor began to count, by the monotonic clock."),
        integer("open", "connections", "Connections open now.", initial=0),
        integer(
            "peak",
            "connections",
            "Maximum number of connections open at once since the start.",
            initial=0,
        ),
    ),
    *(c for c in SAMPLE if c.kind in {"counter", "histogram", "tally"}),
)
"""Columns of a Snapshot, the totals since the Monitor was created. Snapshots have no table."""

_ENDING = (
    integer(
        "close_code",
        "",
        "Close code of the connection: the code that the peer sent. If the peer sent none, it is "
        "the code that this side sent, if this side failed the connection (1002, 1007 and so on) "
        "or the server does not report the peer's answer (ASGI), or else 1006; null on transports "
        "without close codes.",
    ),
    integer("code_sent", "", "Close code sent to the peer; null if no close frame was sent."),
    text("reason_sent", "Close reason sent to the peer; null if no close frame was sent."),
    integer(
        "code_received",
        "",
        "Close code received, 1005 for a close frame without a code; null if no close frame was "
        "received.",
    ),
    text("reason_received", "Close reason received; null if no close frame was received."),
    text(
        "initiator", "Side that sent the first close frame: local or remote; null if neither did."
    ),
    text(
        "cause", "Why the connection ended: one of the causes in docs/probes.md; null if unknown."
    ),
)

ENDING: tuple[str, ...] = tuple(column.name for column in _ENDING)
"""Names of the columns that describe how a connection ended."""

CONNECTION: tuple[Column, ...] = (
    *required(text("id", "Id of the connection, unique within the epoch.")),
    text(
        "name",
        "Display name of the connection; untrusted, since the peer may have chosen it.",
        external=True,
    ),
    text(
        "user",
        "Id of the authenticated user, or else the id that the client claims; null if neither.",
        external=True,
    ),
    text(
        "client_id",
        "Id of the client in the hub, as in the hub's messages; null without a hub, and until the "
        "hub has welcomed the client.",
        external=True,
    ),
    *required(
        text(
            "role", "End of the connection that was measured: server or client.", initial="server"
        ),
        text("state", "State of the connection: open or closed.", initial="open"),
        text(
            "transport",
            "Transport of the messages: websocket, sse, socketio-websocket or socketio-polling.",
            initial="websocket",
        ),
    ),
    text("remote", "Address and port of the peer.", external=True),
    text(
        "path",
        "Path of the handshake request, without the query string, which may contain secrets.",
        external=True,
    ),
    text("subprotocol", "Negotiated WebSocket subprotocol; null if none.", external=True),
    text(
        "user_agent",
        "User-Agent header of the handshake request; null if none was sent.",
        external=True,
    ),
    text("tls", "Version of TLS, such as TLSv1.3; null without TLS.", probes=WIRE),
    *required(time("opened", "Time at which the handshake was completed.", initial=0.0)),
    time("last_activity", "Time at which bytes were last received from or sent to the peer."),
    *_METERED,
    seconds(
        "rtt",
        "Round-trip time of the latest ping, the hub's pings included; null before the first pong.",
    ),
    seconds(
        "rtt_p99",
        "99th percentile of the latest 100 round-trip times, or the maximum while there are fewer; "
        "null before the first pong.",
    ),
    integer("send_queue", "B", "Bytes queued for sending.", probes=WIRE, initial=0),
    seconds(
        "queue_age",
        "Minimum age of the oldest byte queued for sending; null if no byte is queued.",
        probes=WIRE,
    ),
    seconds(
        "handler_time",
        "Total time that handlers took for the connection's messages.",
        initial=0.0,
    ),
    seconds(
        "paused",
        "Total time during which writing was paused because the peer read too slowly.",
        probes=WIRE,
        initial=0.0,
    ),
    *_RATIOS,
    time("closed", "Time at which the connection ended; null while it is open."),
    *_ENDING,
    text("traceback", "Traceback of the exception that ended the handler; null if there was none."),
    text(
        "last_frames",
        "Last frames before an abnormal end, each with its time relative to the end in seconds, "
        "direction, opcode and payload size; null after a normal end.",
        probes=FRAMES,
    ),
)

EVENT: tuple[Column, ...] = (
    *required(
        integer("seq", "events", "Number of the Event in its epoch, starting at 1."),
        time("time", "Time of the Event."),
        text("kind", "Kind of the Event: opened, closed, rejected, error and others."),
    ),
    text("connection", "Id of the Event's connection; null if the Event is about no connection."),
    text(
        "client_id",
        "Id of the connection's client in the hub; null without a hub, and if the hub had not yet "
        "welcomed the client at the end of the Event's tick.",
        external=True,
    ),
    text("name", "Display name of the connection at the time of the Event.", external=True),
    text("remote", "Address of the connection's peer.", external=True),
    integer("code", "", "Close code or HTTP status; null if there is neither."),
    text(
        "detail",
        "Description of the Event; untrusted, since parts of it may come from the peer.",
        external=True,
    ),
)

CHANNEL: tuple[Column, ...] = (
    *required(
        text(
            "channel",
            "Name of the channel: channel:NAME, room:NAME for a room, or chat for the global chat.",
        ),
        integer(
            "subscribers",
            "subscribers",
            "Connections that currently receive the channel's messages.",
            initial=0,
        ),
        counter("published", "messages", "Messages published to the channel."),
        counter(
            "delivered",
            "messages",
            "Messages passed to transports, counted once for each receiver.",
        ),
        counter("dropped", "messages", "Messages not delivered, counted once for each receiver."),
        counter(
            "bytes", "B", "Payload passed to transports: encoded messages, without frame headers."
        ),
        Column(
            "fanout",
            "counter",
            "s",
            "Float64",
            "Total time from publishing a message until the last receiver's transport had it.",
            initial=0.0,
        ),
        seconds(
            "fanout_max",
            "Longest time from publishing a message until the last receiver's transport had it.",
            initial=0.0,
        ),
    ),
)

SOCKETIO: tuple[Column, ...] = (
    *required(
        text(
            "kind",
            "Subject of the row: namespace, event, room, reason (of disconnects), acknowledgement "
            "or handler.",
        )
    ),
    text("namespace", "Namespace of the row; null for a row about all namespaces."),
    text("name", "Name of the event or room, or the reason; other for all those above the limit."),
    *sparse(
        integer("clients", "clients", "Clients that are in the namespace or room now."),
        counter("connected", "clients", "Clients that have connected to the namespace so far."),
        counter("refused", "clients", "Clients that the namespace's connect handler refused."),
        counter(
            "left",
            "clients",
            "Clients that disconnected from the namespace, or disconnected for this reason.",
        ),
        counter("received", "events", "Number of times that clients sent the event to a handler."),
        counter(
            "emitted", "events", "Number of emits of the event; one to many clients counts once."
        ),
        counter("errors", "errors", "Number of times that the event's handler raised."),
        counter("timed", "times", "Number of acknowledgements received, or of events handled."),
        seconds("p50", "Median time until an acknowledgement, or median duration of a handler."),
        seconds("p95", "95th percentile of the times whose median is in p50."),
    ),
)

LATENCY: tuple[Column, ...] = (
    *required(
        text("measure", "Duration that was measured: rtt, handler or delivery."),
        text("by", "Kind of the label: path, room or type."),
        text(
            "label",
            "Label of the durations: a path, a room or channel, or a message type; other for all "
            f"labels after the first {LABELS}.",
            external=True,
        ),
        integer("count", "times", "Number of durations in the last minute.", initial=0),
    ),
    seconds("p50", "50th percentile of the durations in the last minute."),
    seconds("p95", "95th percentile of the durations in the last minute."),
    seconds("p99", "99th percentile of the durations in the last minute."),
)

ADDRESS: tuple[Column, ...] = (
    *required(
        text("address", "Address of clients: an IPv4 address or an IPv6 /64 network."),
        integer("open", "connections", "Open connections from the address.", initial=0),
        integer(
            "peak",
            "connections",
            "Maximum number of connections from the address open at once.",
            initial=0,
        ),
        counter("opened", "connections", "Connections opened from the address so far."),
        counter(
            "reconnects",
            "connections",
            "Connections opened within a minute after a connection from the address closed.",
        ),
        Column(
            "reconnect_rate",
            "gauge",
            "connections/s",
            "Float64",
            "Reconnects per second; the weight of a reconnect halves every minute.",
            initial=0.0,
        ),
    ),
)

CLIENT: tuple[Column, ...] = (
    text("name", "Name of the client; null if it has none."),
    text("url", "URL that the client connects to, without the query."),
    text("state", "State of the client: connecting, open, reconnecting, closing or closed."),
    counter("attempts", "attempts", "Attempts to connect, the first attempt included."),
    counter("reconnects", "connections", "Connections opened after the first one."),
    seconds(
        "downtime",
        "Total time without a connection since the first one opened, a current outage included.",
    ),
    seconds("rtt", "Round-trip time of the last heartbeat; null before the first heartbeat."),
    integer("queued", "messages", "Messages queued for sending."),
    integer("unconfirmed", "messages", "Messages sent that the server has not acknowledged yet."),
    counter("sent", "messages", "Messages sent, with heartbeats and without file chunks."),
    counter("received", "messages", "Messages received, with heartbeats and without file chunks."),
    counter(
        "resent",
        "messages",
        "Messages sent again because a connection ended before they were acknowledged.",
    ),
    counter("duplicates", "messages", "Messages received twice but delivered only once."),
    counter("gaps", "gaps", "Number of times that recovery could not supply all missed messages."),
    counter("dropped", "messages", "Messages dropped because a queue or buffer was full."),
    counter("expired", "messages", "Messages dropped because they were queued for too long."),
)

TABLES: dict[str, tuple[Column, ...]] = {
    "samples": SAMPLE,
    "connections": CONNECTION,
    "events": EVENT,
    "channels": CHANNEL,
    "socketio": SOCKETIO,
    "clients": CLIENT,
    "latencies": LATENCY,
    "addresses": ADDRESS,
}
"""Name of each table → the table's columns, in order."""

METER_FIELDS: tuple[Column, ...] = tuple(
    column
    for column in CONNECTION
    if column.kind in {"text", "gauge"}
    and not (column.required or column.derived or column.name in ENDING)
)
"""Columns of a connection that a Meter stores as an attribute of the same name, except counters."""

HISTOGRAMS: tuple[Column, ...] = tuple(c for c in SAMPLE if c.kind == "histogram")
"""Columns of a Sample that are histograms."""


def names(table: tuple[Column, ...], *, derived: bool = True) -> tuple[str, ...]:
    """Return the column names of a table, in order.

    Args:
        table: columns of the table.
        derived: False to omit derived columns.
    """
    return tuple(column.name for column in table if derived or not column.derived)
