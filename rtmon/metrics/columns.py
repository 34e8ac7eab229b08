"""The columns of all tables: the one place where a number is defined.

Records, meters, DataFrames, CSV files, the feed, Prometheus and the documentation all follow this
table, so a name means the same everywhere. To add a column, add a line here, run ``make docs``,
and count it in a probe: a counter with :meth:`rtmon.metrics.meter.Meter.bump`, other columns of a
connection by setting the meter's attribute of that name.

Conventions (Prometheus): base units (seconds, bytes), counters only grow, gauges are what is
the case now. In a Sample a counter is the *increase* since the Sample before; in a
ConnectionInfo and a Snapshot it is the total since the beginning. What a probe cannot know is
null, never 0.
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
"""Values of a label, such as a close code or a channel, that have a series of their own where
outsiders choose them; those that come later are counted together, as ``other``."""

_METERED = (
    counter("messages_in", "messages", "Whole messages received, however many frames each took."),
    counter("messages_out", "messages", "Whole messages sent, websockets.broadcast() included."),
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
        "Bytes that came from the transport: handshake, frame headers, control frames and "
        "compression included; under TLS after decryption.",
        probes=WIRE,
    ),
    counter(
        "wire_out",
        "B",
        "Bytes handed to the transport: handshake, frame headers, control frames and "
        "compression included; under TLS before encryption.",
        probes=WIRE,
    ),
    *required(
        counter(
            "errors",
            "errors",
            "Exceptions that left a handler, protocol violations by the peer, and requests that "
            "the hub answered with an error.",
        ),
        counter("dropped", "messages", "Messages not sent because the peer reads too slowly."),
    ),
    counter(
        "fragmented_in",
        "messages",
        "Fragmented messages, of more than one frame, among messages_in.",
        probes=WIRE,
    ),
    counter(
        "fragmented_out",
        "messages",
        "Fragmented messages, of more than one frame, among messages_out.",
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
        "Payload received per byte on the wire: over 1 if compression saves bytes.",
        WIRE,
        derived=True,
    ),
    Column(
        "ratio_out",
        "gauge",
        "B/B",
        "Float64",
        "Payload sent per byte on the wire: over 1 if compression saves bytes.",
        WIRE,
        derived=True,
    ),
)

METER_COUNTERS: tuple[str, ...] = tuple(column.name for column in _METERED)
"""The counters that every connection has."""

SHARED = ("messages_out", "bytes_out", "binary_out", "wire_out")
"""Those of them that can be counted once for several connections that were sent the same."""

LEDGER_COUNTERS = tuple(n for n in METER_COUNTERS if not n.startswith(("messages_", "bytes_")))
"""Those of them that a ledger counts; its histograms of sizes give the others."""

_PER_MESSAGE = (
    *histogram("size_in", "B", "Payload of each message received.", (50, 95)),
    *histogram("size_out", "B", "Payload of each message sent.", (50, 95)),
    *histogram(
        "handler",
        "s",
        "Time that handlers took for a message: from recv() returning to the next recv(), or "
        "to the handler's end; of one read by recv_streaming() it is not known.",
        (50, 95, 99),
    ),
    *histogram(
        "receive",
        "s",
        "Time that messages waited for their handler: from the last byte read to recv() returning; "
        "one read by recv_streaming() did not wait as a whole.",
        (95,),
        probes=WIRE,
    ),
)

MESSAGE_HISTOGRAMS: tuple[Column, ...] = tuple(c for c in _PER_MESSAGE if c.kind == "histogram")
"""The histograms that probes add to with each message."""

_SERVER = (
    *required(
        counter("opened", "connections", "Handshakes completed."),
        counter("closed", "connections", "Open connections that ended, however they ended."),
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
"""Ends by cause, which tells one 1006 from another; together they are ``closed``."""

CAUSE_COLUMNS: tuple[str, ...] = tuple(column.name for column in _CAUSES)
"""Names of the columns that count ends by cause."""

SERVER_COUNTERS: tuple[str, ...] = tuple(column.name for column in (*_SERVER, *_CAUSES))
"""The counters that belong to a server rather than to one of its connections."""

SAMPLE: tuple[Column, ...] = (
    *required(
        text("node", "The server process that was measured."),
        text(
            "epoch", "One life of that server's Monitor; a new one means that counting began anew."
        ),
        integer(
            "seq", "ticks", "Number of the Sample within its epoch, from 1; it orders Samples."
        ),
        time("time", "When the Sample was taken, by the wall clock: a label, not a measure."),
        seconds(
            "elapsed", "Time since the Sample before, by the monotonic clock: rates divide by it."
        ),
        integer("open", "connections", "Connections open at the end of the Sample.", initial=0),
        integer(
            "peak", "connections", "Most connections open at once during the Sample.", initial=0
        ),
    ),
    *_SERVER,
    *_CAUSES,
    *_METERED,
    *_RATIOS,
    integer(
        "slow",
        "connections",
        "Connections whose oldest unsent byte waits for over a second.",
        probes=WIRE,
        initial=0,
    ),
    integer(
        "send_queue", "B", "Bytes that wait to be sent, on all connections.", probes=WIRE, initial=0
    ),
    seconds(
        "queue_age",
        "Least age of the oldest byte that waits to be sent; 0 if none waits.",
        probes=WIRE,
        initial=0.0,
    ),
    *histogram(
        "rtt",
        "s",
        "Round-trip times of pings answered during the Sample, the hub's own included.",
        (50, 95, 99),
        probes=PINGS,
    ),
    *_PER_MESSAGE,
    *histogram(
        "fanout",
        "s",
        "Time from publishing a message to the hub until the last transport had it.",
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
            "Connections closed during the Sample by close code; those of transports without such "
            "codes are not in it.",
        )
    ),
    Column("cpu", "gauge", "cores", "Float64", "CPU time of the process, per second of time."),
    integer(
        "memory", "B", "Resident memory of the process; null if the system does not report it."
    ),
    seconds("own", "Time that the Monitor took for the tick before, its feed's readers included."),
)

SNAPSHOT: tuple[Column, ...] = (
    *SAMPLE[:4],
    *required(
        seconds("uptime", "Time since the Monitor began to count, by the monotonic clock."),
        integer("open", "connections", "Connections open now.", initial=0),
        integer("peak", "connections", "Most connections open at once since the start.", initial=0),
    ),
    *(c for c in SAMPLE if c.kind in {"counter", "histogram", "tally"}),
)
"""The totals since the Monitor began; no table of their own."""

_ENDING = (
    integer(
        "close_code",
        "",
        "The code that the connection ended with: the peer's; if it sent none, this side's where "
        "that failed the connection (1002, 1007 and so on) or no answer is told (ASGI); else 1006. "
        "Null on transports without such codes.",
    ),
    integer("code_sent", "", "Close code sent; null if none was."),
    text("reason_sent", "Close reason sent; null if no close frame was."),
    integer(
        "code_received", "", "Close code received; 1005 for a frame without one; null if none was."
    ),
    text("reason_received", "Close reason received; null if no close frame was."),
    text(
        "initiator", "Side that sent the first close frame: local or remote; null if neither did."
    ),
    text(
        "cause", "Why the connection ended, in a word: docs/probes.md lists them; null if unknown."
    ),
)

ENDING: tuple[str, ...] = tuple(column.name for column in _ENDING)
"""The columns that say how a connection ended."""

CONNECTION: tuple[Column, ...] = (
    *required(text("id", "The connection's id, unique within the epoch.")),
    text(
        "name",
        "Display name of the connection; it may come from the peer, so do not trust it.",
        external=True,
    ),
    text(
        "user",
        "Id of the user: the authenticated one, else what the client claims; null if neither.",
        external=True,
    ),
    text(
        "client_id",
        "Id of the client in its hub, as messages carry it; null without a hub, and before the "
        "client's welcome.",
        external=True,
    ),
    *required(
        text(
            "role", "server or client: which end of the connection was measured.", initial="server"
        ),
        text("state", "open or closed.", initial="open"),
        text(
            "transport",
            "How messages travel: websocket, sse, socketio-websocket or socketio-polling.",
            initial="websocket",
        ),
    ),
    text("remote", "Address and port of the peer.", external=True),
    text(
        "path",
        "Path of the opening request, without the query, which may hold secrets.",
        external=True,
    ),
    text("subprotocol", "Subprotocol agreed on; null if none.", external=True),
    text("user_agent", "User-Agent of the opening request; null if none was sent.", external=True),
    text("tls", "Version of TLS, such as TLSv1.3; null without TLS.", probes=WIRE),
    *required(time("opened", "When the handshake was completed.", initial=0.0)),
    time("last_activity", "When bytes last came from or went to the peer."),
    *_METERED,
    seconds(
        "rtt",
        "Latest round-trip time of a ping, the hub's own included; null before the first pong.",
    ),
    seconds(
        "rtt_p99",
        "99th percentile of the latest 100 round-trip times, the longest of fewer; null before the "
        "first pong.",
    ),
    integer("send_queue", "B", "Bytes that wait to be sent.", probes=WIRE, initial=0),
    seconds(
        "queue_age",
        "Least age of the oldest byte that waits to be sent; null if none waits.",
        probes=WIRE,
    ),
    seconds(
        "handler_time",
        "Time that handlers took for the connection's messages, in sum.",
        initial=0.0,
    ),
    seconds(
        "paused",
        "Time during which writing was paused, because the peer reads too slowly.",
        probes=WIRE,
        initial=0.0,
    ),
    *_RATIOS,
    time("closed", "When the connection ended; null while it is open."),
    *_ENDING,
    text("traceback", "Traceback of the exception that ended the handler; null if none did."),
    text(
        "last_frames",
        "After an abnormal end, the last frames: seconds before the end, direction, opcode, bytes.",
        probes=FRAMES,
    ),
)

EVENT: tuple[Column, ...] = (
    *required(
        integer("seq", "events", "Number of the Event within its epoch, from 1."),
        time("time", "When it happened."),
        text("kind", "Kind of the Event: opened, closed, rejected, error and others."),
    ),
    text("connection", "Id of the Event's connection; null if it has none."),
    text(
        "client_id",
        "Id of that connection's client in its hub, as messages carry it; null without a hub, and "
        "if it was not welcomed within the tick.",
        external=True,
    ),
    text("name", "Name of that connection at the time.", external=True),
    text("remote", "Address of the peer.", external=True),
    integer("code", "", "Close code or HTTP status; null if there is none."),
    text("detail", "What happened, in words; parts of it may come from the peer.", external=True),
)

CHANNEL: tuple[Column, ...] = (
    *required(
        text("channel", "The channel: channel:NAME, room:NAME, or chat for everybody."),
        integer(
            "subscribers",
            "subscribers",
            "Connections that receive the channel's messages now.",
            initial=0,
        ),
        counter("published", "messages", "Messages published to the channel."),
        counter("delivered", "messages", "Messages handed to transports, once for each receiver."),
        counter("dropped", "messages", "Messages not delivered, counted once for each receiver."),
        counter("bytes", "B", "Payload handed to transports: encoded messages, without framing."),
        Column(
            "fanout",
            "counter",
            "s",
            "Float64",
            "Time from publishing until the last transport had it, in sum.",
            initial=0.0,
        ),
        seconds(
            "fanout_max",
            "The longest time from publishing until the last transport had it.",
            initial=0.0,
        ),
    ),
)

SOCKETIO: tuple[Column, ...] = (
    *required(
        text(
            "kind", "namespace, event, room, reason (why clients left), acknowledgement or handler."
        )
    ),
    text("namespace", "The namespace; null where a row is about all of them."),
    text("name", "The event, the room or the reason; other for those beyond the limit."),
    *sparse(
        integer("clients", "clients", "Clients in the namespace or the room now."),
        counter("connected", "clients", "Clients ever let into the namespace."),
        counter("refused", "clients", "Clients turned away by the namespace's connect handler."),
        counter("left", "clients", "Clients that left the namespace, or left for this reason."),
        counter("received", "events", "How often clients sent the event to a handler."),
        counter("emitted", "events", "How often the event was emitted, to however many clients."),
        counter("errors", "errors", "How often the event's handler raised."),
        counter("timed", "times", "Acknowledgements received, or events handled."),
        seconds("p50", "Median time."),
        seconds("p95", "95th percentile of the times."),
    ),
)

LATENCY: tuple[Column, ...] = (
    *required(
        text("measure", "rtt, handler or delivery: what was measured."),
        text("by", "Kind of the label: path, room or type."),
        text(
            "label",
            "The path, the room or channel, or the type of message; other for all that came after "
            f"the first {LABELS}.",
            external=True,
        ),
        integer("count", "times", "How often it was measured in the last minute.", initial=0),
    ),
    seconds("p50", "50th percentile of the times in the last minute."),
    seconds("p95", "95th percentile of the times in the last minute."),
    seconds("p99", "99th percentile of the times in the last minute."),
)

ADDRESS: tuple[Column, ...] = (
    *required(
        text("address", "The IPv4 address, or the IPv6 /64 network, of clients."),
        integer("open", "connections", "Open connections from the address.", initial=0),
        integer("peak", "connections", "Most connections open at once.", initial=0),
        counter("opened", "connections", "Connections ever opened from the address."),
        counter(
            "reconnects",
            "connections",
            "Connections opened within a minute after another from the address closed.",
        ),
        Column(
            "reconnect_rate",
            "gauge",
            "connections/s",
            "Float64",
            "Reconnects per second, weighted by age: a minute halves the weight.",
            initial=0.0,
        ),
    ),
)

CLIENT: tuple[Column, ...] = (
    text("name", "Name of the client; null if it has none."),
    text("url", "URL that the client connects to, without the query."),
    text("state", "connecting, open, reconnecting, closing or closed."),
    counter("attempts", "attempts", "Attempts to connect, the first one included."),
    counter("reconnects", "connections", "Connections after the first."),
    seconds("downtime", "Time without a connection after the first, a current outage included."),
    seconds("rtt", "Round-trip time of the last heartbeat; null before the first."),
    integer("queued", "messages", "Messages that wait to be sent."),
    integer("unconfirmed", "messages", "Messages sent and not yet acknowledged."),
    counter("sent", "messages", "Messages sent, heartbeats included, chunks of files not."),
    counter("received", "messages", "Messages received, heartbeats included, chunks of files not."),
    counter(
        "resent",
        "messages",
        "Messages sent again, after a connection ended before their acknowledgement.",
    ),
    counter("duplicates", "messages", "Messages received twice, and delivered once."),
    counter("gaps", "gaps", "Number of times that history was lost."),
    counter("dropped", "messages", "Messages dropped because a queue or buffer was full."),
    counter("expired", "messages", "Messages dropped because they waited too long."),
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
"""Table name → its columns, in order."""

METER_FIELDS: tuple[Column, ...] = tuple(
    column
    for column in CONNECTION
    if column.kind in {"text", "gauge"}
    and not (column.required or column.derived or column.name in ENDING)
)
"""The columns of a connection, its counters aside, that a meter holds as they are."""

HISTOGRAMS: tuple[Column, ...] = tuple(c for c in SAMPLE if c.kind == "histogram")
"""The histograms of a Sample."""


def names(table: tuple[Column, ...], *, derived: bool = True) -> tuple[str, ...]:
    """The column names of a table, in order, with or without the derived ones."""
    return tuple(column.name for column in table if derived or not column.derived)
