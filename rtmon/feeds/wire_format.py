"""The feed's wire format, encoder and decoder: JSON messages over a WebSocket.

A server sends, in this order:

``hello``
    ``protocol`` (1), ``node``, ``epoch``, ``interval`` (seconds between ticks), ``columns``
    (table → names, the order of every row that follows) and ``reset``: true if the reader's data
    is of another epoch; ``features``: the requests that the server supports, see
    :mod:`.request_messages`.
``history``
    Pieces of at most :data:`PIECE_BYTES`: ``samples``, ``events``, ``connections``, ``channels``
    and ``socketio``, each a list of rows. The last piece has ``done: true``.
``tick``
    Once a second: ``sample`` (a row), ``events``, ``connections`` (rows that changed),
    ``channels`` (the busiest ones), ``socketio`` (totals of Socket.IO servers) and
    ``totals`` (the Snapshot).

A row is a list of values in the order of the ``hello``'s columns. Either end may know columns that
the other does not: unknown ones are ignored, missing ones are null. Histograms and
tallies are in their text form. A reader asks for ``/feed?since=EPOCH:SEQ`` to resume where it
stopped.
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
"""Version of the format."""

PIECE_BYTES = 256 * 1024
"""Maximum size of a piece of history, so that sending it never blocks the loop for long."""

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
    """Return a Sample as a row."""
    return _row("samples", sample)


def encode_hello(
    *, node: str, epoch: str, interval: float, reset: bool, features: Sequence[str] = ()
) -> bytes:
    """Return the first message of a feed."""
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
    """Yield the history in pieces; the last one is marked as the last.

    Rows are built lazily, piece by piece, so that no step takes long.

    Args:
        samples: the Samples, oldest first.
        events: the Events, oldest first.
        connections: the connections.
        tables: further tables, whole: name → records.
        snapshot: the totals.
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
    """Return the message of one tick; arguments as in :func:`encode_history`."""
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
"""Maximum digits of a sequence number; int() raises for thousands."""


def parse_since(text: str) -> tuple[str, int]:
    """Return the epoch and sequence number of a ``since``; ``("", 0)`` if it is invalid."""
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
    """Decodes messages into records, by the columns of the ``hello``."""

    def __init__(self) -> None:
        self._columns: dict[str, list[str]] = {}

    def message(self, data: str | bytes) -> dict[str, Any]:
        """Decode a message into a dict with its ``type``.

        Rows are records already: ``sample``, ``samples``, ``events``, ``connections``, and
        ``totals`` is a Snapshot.

        Raises:
            FeedError: the message is malformed, or of an unknown version.
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
            FeedError: they are malformed.
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
