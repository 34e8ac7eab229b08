"""The wire format of feeds, with its encoder and decoder: JSON messages over a WebSocket.

A server sends these messages to a remote feed, in this order:

``hello``
    Has ``protocol`` (1), ``node``, ``epoch``, ``interval`` (seconds between ticks), ``columns``
    (table → names of the columns, in the order of the values in each row), ``reset`` (true if the
    feed's data is of another epoch) and ``features`` (the requests that the server supports, see
    :mod:`.request_messages`).
``history``
    Several messages of at most :data:`PIECE_BYTES`. Each has one of ``samples``, ``events``,
    ``connections``, ``channels`` and ``socketio``, a list of rows. The last one has ``totals``
    and ``done: true``.
``tick``
    One message for each tick of the server. Has ``sample`` (one row), ``events`` (the new rows),
    ``connections`` (rows that changed), ``channels`` (rows of the busiest channels), ``socketio``
    (rows of Socket.IO totals) and ``totals`` (the Snapshot).

A row is a list of values, in the order of the columns in the ``hello``. Server and feed may run
different releases of rtmon: the decoder ignores columns that it does not know, and a column that
the server does not send is null. Histograms and tallies are sent as text. A feed that reconnects
requests ``/feed?since=EPOCH:SEQ``, to get only Samples and Events after that tick.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from ..errors import FeedError
from ..metrics.columns import HISTOGRAMS, SAMPLE, TABLES, Column, names
from ..metrics.histogram import BYTE, MICROSECOND, Histogram, parse_tally, plain
from ..metrics.meter import Meter
from ..metrics.records import (
    ChannelInfo,
    ConnectionInfo,
    Event,
    Sample,
    Snapshot,
    SocketIOInfo,
)

__all__ = [
    "PIECE_BYTES",
    "PROTOCOL",
    "Decoder",
    "encode_hello",
    "encode_history",
    "encode_tick",
    "parse_since",
    "sample_row",
]

PROTOCOL = 1
"""Version number of the wire format, sent in each ``hello``."""

PIECE_BYTES = 256 * 1024
"""Maximum size of a history message. Encoding a larger one would block the event loop too long."""

_encode = msgspec.json.Encoder().encode
_RECORDS: dict[str, Callable[..., Any]] = {
    "samples": Sample,
    "events": Event,
    "connections": ConnectionInfo,
    "channels": ChannelInfo,
    "socketio": SocketIOInfo,
}
_COLUMNS = {table: names(TABLES[table], derived=False) for table in _RECORDS}
_TOTALS = tuple(Snapshot.__dataclass_fields__)

T = TypeVar("T")


def _row(table: str, record: Any) -> list[Any]:
    return [plain(getattr(record, name)) for name in _COLUMNS[table]]


def _rows(tables: Mapping[str, Iterable[Any]]) -> dict[str, list[list[Any]]]:
    return {table: [_row(table, each) for each in records] for table, records in tables.items()}


def sample_row(sample: Sample) -> list[Any]:
    """Return a Sample as a row: a list of its values, in the order of the ``hello``'s columns."""
    return _row("samples", sample)


def encode_hello(
    *, node: str, epoch: str, interval: float, reset: bool, features: Sequence[str] = ()
) -> bytes:
    """Return the ``hello``, the first message that a server sends to a feed.

    Args:
        node: name of the server process.
        epoch: the server's epoch.
        interval: seconds between ticks.
        reset: True if the feed has no data yet, or data of another epoch.
        features: names of the requests that the server supports.
    """
    return _encode(
        {
            "type": "hello",
            "protocol": PROTOCOL,
            "node": node,
            "epoch": epoch,
            "interval": interval,
            "columns": _COLUMNS,
            "reset": reset,
            "features": features,
        }
    )


def encode_history(
    *,
    samples: Iterable[Sample],
    events: Iterable[Event],
    connections: Iterable[Meter],
    tables: Mapping[str, Iterable[Any]],
    snapshot: Snapshot | None,
) -> Iterator[bytes]:
    """Yield the ``history`` messages. The last one has ``done: true``.

    Each message is built only when the caller requests it, so that no step blocks the event loop
    for long.

    Args:
        samples: Samples to send, oldest first.
        events: Events to send, oldest first.
        connections: Meters of the connections to send.
        tables: further tables: name → all records of the table.
        snapshot: the server's totals; None before the first tick.
    """
    parts: dict[str, Iterable[list[Any]]] = {
        "samples": (_row("samples", sample) for sample in samples),
        "events": (_row("events", event) for event in events),
        "connections": (meter.row() for meter in connections),
        **_rows(tables),
    }
    for table, rows in parts.items():
        for piece in _pieces(_encode(row) for row in rows):
            yield b'{"type":"history","%s":[%s],"done":false}' % (table.encode(), piece)
    yield _encode({"type": "history", "totals": _totals(snapshot), "done": True})


def _pieces(rows: Iterable[bytes]) -> Iterator[bytes]:
    piece: list[bytes] = []
    size = 0
    for row in rows:
        if piece and size + len(row) >= PIECE_BYTES - 100:
            yield b",".join(piece)
            piece, size = [], 0
        piece.append(row)
        size += len(row) + 1
    if piece:
        yield b",".join(piece)


def encode_tick(
    sample: Sample,
    events: Iterable[Event],
    connections: Iterable[Meter],
    tables: Mapping[str, Iterable[Any]],
    snapshot: Snapshot | None,
) -> bytes:
    """Return the ``tick`` message for one tick of the server.

    Args:
        sample: Sample of the tick.
        events: Events since the tick before.
        connections: Meters of the connections whose rows changed.
        tables: further tables: name → records.
        snapshot: the server's totals.
    """
    return _encode(
        {
            "type": "tick",
            "sample": _row("samples", sample),
            "events": [_row("events", event) for event in events],
            "connections": [meter.row() for meter in connections],
            **_rows(tables),
            "totals": _totals(snapshot),
        }
    )


def _totals(snapshot: Snapshot | None) -> dict[str, Any] | None:
    if snapshot is None:
        return None
    totals = {name: plain(getattr(snapshot, name)) for name in _TOTALS}
    totals["rates"] = dict(snapshot.rates)
    return totals


_DIGITS = 20
"""A sequence number must have fewer digits than this: int() raises for texts with thousands of
digits."""


def parse_since(text: str) -> tuple[str, int]:
    """Parse the URL parameter ``since``, which is ``EPOCH:SEQ``.

    Returns:
        Epoch and sequence number; ``("", 0)`` if the text is invalid.
    """
    epoch, _, seq = text.rpartition(":")
    known = epoch and len(seq) < _DIGITS and seq.isascii() and seq.isdigit()
    return (epoch, int(seq)) if known else ("", 0)


class _Hello(msgspec.Struct):
    protocol: int
    node: str
    epoch: str
    interval: float
    columns: dict[str, list[str]]
    reset: bool


class Decoder:
    """Decoder of a server's messages into records.

    The server's ``hello`` message tells the decoder the order of the columns.
    """

    def __init__(self) -> None:
        self._columns: dict[str, list[str]] = {}

    def message(self, data: str | bytes) -> dict[str, Any]:
        """Decode a message into a dict of its fields, ``type`` included.

        Rows in the message are replaced by records, and ``totals`` by a Snapshot.

        Raises:
            FeedError: the message is malformed, or its protocol version is unknown.
        """
        try:
            message = msgspec.json.decode(data, type=dict[str, Any])
            if message.get("type") == "hello":
                self._hello(message)
            else:
                self._rows(message)
        except (msgspec.MsgspecError, UnicodeError, ValueError, TypeError, KeyError) as exc:
            raise FeedError(f"this does not look like a feed of rtmon's: {exc}") from exc
        return message

    def _hello(self, message: dict[str, Any]) -> None:
        hello = msgspec.convert(message, _Hello)
        if hello.protocol != PROTOCOL:
            raise FeedError(
                f"the server's feed is of version {hello.protocol}, this reader knows "
                f"{PROTOCOL}: use the same release of rtmon at both ends"
            )
        self._columns = hello.columns

    def samples(self, rows: Iterable[Sequence[Any]]) -> list[Sample]:
        """Decode rows of the samples table into Samples.

        Raises:
            FeedError: a row is malformed.
        """
        try:
            return [self._record("samples", row) for row in rows]
        except (ValueError, TypeError, KeyError) as exc:
            raise FeedError(f"this does not look like a feed of rtmon's: {exc}") from exc

    def _rows(self, message: dict[str, Any]) -> None:
        for table in _RECORDS:
            if table in message:
                message[table] = [self._record(table, row) for row in message[table]]
        if "sample" in message:
            message["sample"] = self._record("samples", message["sample"])
        if message.get("totals") is not None:
            message["totals"] = _snapshot(message["totals"])

    def _record(self, table: str, row: Sequence[Any]) -> Any:
        given = dict(zip(self._columns[table], row, strict=True))
        values = {
            column.name: _value(column, given.get(column.name))
            for column in TABLES[table]
            if not column.derived
        }
        return _RECORDS[table](**values)


def _snapshot(totals: Mapping[str, Any]) -> Snapshot:
    kinds = {column.name: column for column in SAMPLE}
    values: dict[str, Any] = {name: totals.get(name) for name in _TOTALS}
    for name in (*(column.name for column in HISTOGRAMS), "close_codes"):
        values[name] = _value(kinds[name], values[name])
    values["rates"] = dict(values["rates"] or {})
    return Snapshot(**values)


def _value(column: Column, value: Any) -> Any:
    if column.kind == "tally":
        return parse_tally(value or "")
    if value is None:
        return None
    if column.kind == "histogram":
        return Histogram.parse(value, BYTE if column.unit == "B" else MICROSECOND)
    if column.kind == "text":
        expected: type | tuple[type, ...] = str
    elif column.dtype == "Int64":
        expected = int
    else:
        expected = (int, float)
    if not isinstance(value, expected):
        raise TypeError(f"column {column.name!r} holds {value!r}")
    return value
