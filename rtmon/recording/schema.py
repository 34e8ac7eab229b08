"""SQL schema of a recording, and its migrations. Column definitions come from metrics/columns.py.

* ``samples`` has the numbers and quantiles of Samples at three resolutions: ``level`` is 1, 10 or
  60 ticks. ``histograms`` has the serialized histograms of the same Samples; they are read only
  to merge a time range into one Sample.
* ``labels`` has histograms of durations by path, room and message type, of 1 and of 60 ticks.
* ``open_connections`` and ``channels`` have the latest state of each connection and channel. When
  a connection closes, its row moves to ``connections``.
* ``totals`` has one Snapshot per minute, from which the totals at any moment are computed.
* ``states`` has the last state of the address table and of the Socket.IO table in each minute.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..metrics.columns import CHANNEL, CONNECTION, EVENT, SAMPLE, Column

__all__ = [
    "APPLICATION_ID",
    "BLACKBOX",
    "CHANNEL_ROW",
    "COLUMNS",
    "CONNECTION_ROW",
    "EVENT_ROW",
    "MIGRATIONS",
    "SAMPLE_ROW",
    "VERSION",
    "definition",
    "insert",
    "insert_or_replace",
    "unmeasured",
]

VERSION = 2
"""Format version of a recording, stored as SQLite's ``user_version``. A higher version has more
tables. New columns do not change the version: an older rtmon ignores columns that it does not
know."""

APPLICATION_ID = 0x72746D6E
"""SQLite's ``application_id`` of a recording, "rtmn" in ASCII. It distinguishes recordings from
other SQLite databases."""

BLACKBOX = ("traceback", "last_frames")
"""Columns of connections that are stored in the table ``blackboxes``: few connections have them."""

_TYPES = {"Int64": "INTEGER", "Float64": "REAL", "string": "TEXT", "datetime64[us, UTC]": "REAL"}


def _stored(columns: Iterable[Column], *without: str) -> tuple[Column, ...]:
    return tuple(c for c in columns if c.name not in without and c.kind != "histogram")


_SAMPLE = _stored(SAMPLE, "node", "epoch", "seq")
_CONNECTION = tuple(c for c in _stored(CONNECTION, *BLACKBOX) if not c.derived)
_EVENT = _stored(EVENT)
_CHANNEL = _stored(CHANNEL)

SAMPLE_ROW: tuple[str, ...] = ("level", "epoch", "seq", "ticks", *(c.name for c in _SAMPLE))
CONNECTION_ROW: tuple[str, ...] = ("epoch", *(c.name for c in _CONNECTION))
EVENT_ROW: tuple[str, ...] = ("epoch", *(c.name for c in _EVENT))
CHANNEL_ROW: tuple[str, ...] = ("epoch", *(c.name for c in _CHANNEL))

COLUMNS: Mapping[str, tuple[Column, ...]] = {
    "samples": _SAMPLE,
    "events": _EVENT,
    "connections": _CONNECTION,
    "open_connections": _CONNECTION,
    "channels": _CHANNEL,
}
"""Table → its columns with measurements. The file of an older rtmon may lack some of them."""


def definition(column: Column) -> str:
    """Return the SQL definition for adding a column to a table that an older rtmon created."""
    return f'"{column.name}" {_TYPES[column.dtype]} DEFAULT {unmeasured(column)}'


def unmeasured(column: Column) -> str:
    """Return the SQL literal for a column's value in rows where the column was not measured.

    It is ``NULL``, or the column's initial value if the column must not be null.
    """
    return repr(column.initial) if column.required and column.initial is not None else "NULL"


def _definitions(columns: Iterable[Column]) -> str:
    return ", ".join(f'"{column.name}" {_TYPES[column.dtype]}' for column in columns)


_DDL = f"""
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;

CREATE TABLE epochs (
    id INTEGER PRIMARY KEY, node TEXT NOT NULL, epoch TEXT NOT NULL,
    wall REAL NOT NULL, monotonic REAL NOT NULL, ended REAL, UNIQUE (node, epoch));

CREATE TABLE samples (
    level INTEGER, epoch INTEGER, seq INTEGER, ticks INTEGER, {_definitions(_SAMPLE)},
    PRIMARY KEY (level, epoch, seq)) WITHOUT ROWID;
CREATE INDEX samples_by_time ON samples (level, time);

CREATE TABLE histograms (
    level INTEGER, epoch INTEGER, seq INTEGER, packed BLOB,
    PRIMARY KEY (level, epoch, seq)) WITHOUT ROWID;

CREATE TABLE events (
    epoch INTEGER, {_definitions(_EVENT)}, PRIMARY KEY (epoch, seq)) WITHOUT ROWID;
CREATE INDEX events_by_time ON events (time);
CREATE INDEX events_by_connection ON events (epoch, connection);

CREATE TABLE connections (
    epoch INTEGER, {_definitions(_CONNECTION)}, PRIMARY KEY (epoch, id)) WITHOUT ROWID;
CREATE INDEX connections_by_time ON connections (closed);

CREATE TABLE open_connections (
    epoch INTEGER, {_definitions(_CONNECTION)}, PRIMARY KEY (epoch, id)) WITHOUT ROWID;

CREATE TABLE channels (
    epoch INTEGER, {_definitions(_CHANNEL)}, PRIMARY KEY (epoch, channel)) WITHOUT ROWID;
CREATE INDEX channels_by_published ON channels (published);

CREATE TABLE blackboxes (
    epoch INTEGER, id TEXT, traceback TEXT, last_frames TEXT,
    PRIMARY KEY (epoch, id)) WITHOUT ROWID;

CREATE TABLE totals (
    epoch INTEGER, seq INTEGER, time REAL, packed BLOB, PRIMARY KEY (epoch, seq)) WITHOUT ROWID;
CREATE INDEX totals_by_time ON totals (time);

CREATE TABLE gaps (epoch INTEGER, since REAL, until REAL, reason TEXT);
"""

_LABELS_AND_STATES = """
CREATE TABLE labels (
    level INTEGER, epoch INTEGER, seq INTEGER, time REAL, packed BLOB,
    PRIMARY KEY (level, epoch, seq)) WITHOUT ROWID;
CREATE INDEX labels_by_time ON labels (level, time);

CREATE TABLE states (
    epoch INTEGER, name TEXT, minute INTEGER, seq INTEGER, time REAL, packed BLOB,
    PRIMARY KEY (epoch, name, minute)) WITHOUT ROWID;
CREATE INDEX states_by_time ON states (time);
"""


def _statements(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(";") if part.strip())


MIGRATIONS: Mapping[int, tuple[str, ...]] = {
    1: _statements(_DDL),
    2: _statements(_LABELS_AND_STATES),
}
"""Format version → the SQL statements that upgrade a file from the version before. An empty file
has version 0."""


def insert_or_replace(table: str, columns: Iterable[str]) -> tuple[str, str]:
    """Return two INSERT statements for a table.

    If a row with the same key exists, the first statement keeps the existing row, and the second
    statement replaces it.
    """
    names = list(columns)
    return insert(table, names), insert(table, names, replace=True)


def insert(table: str, columns: Iterable[str], *, replace: bool = False) -> str:
    """Return an INSERT statement for a table.

    Args:
        table: the table.
        columns: names of the columns to write.
        replace: True to replace an existing row with the same key; False to keep it.
    """
    names = list(columns)
    quoted = ", ".join(f'"{name}"' for name in names)
    verb = "INSERT OR REPLACE" if replace else "INSERT OR IGNORE"
    return f"{verb} INTO {table} ({quoted}) VALUES ({', '.join('?' * len(names))})"
