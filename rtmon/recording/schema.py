"""The tables of a recording: an SQLite database, whose columns follow the one table of columns.

``samples`` has the scalars and quantiles of merged Samples at three resolutions (``level``: 1, 10
or 60 ticks), ``histograms`` the distributions behind them, packed, read only where a range is
merged. ``labels`` has the distributions by path, room and type, of one and of 60 ticks.
``open_connections`` and ``channels`` hold the latest row of each; a connection that ends moves to
``connections``. ``totals`` has a Snapshot a minute, from which that of any moment is made;
``states`` the addresses and the Socket.IO table as they were last in each minute.
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
"""``user_version`` of the files that this release writes; a later one adds tables. Columns are
added without a new version: a release that does not know one leaves it alone."""

APPLICATION_ID = 0x72746D6E
"""``application_id`` of the files, "rtmn": what tells a recording from other databases."""

BLACKBOX = ("traceback", "last_frames")
"""Columns of the connections table that stand in ``blackboxes``: few connections have any."""

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
"""Table → those of its columns that are measured: a file of an older release may lack some."""


def definition(column: Column) -> str:
    """Return the definition of a column that a table of an older release gets."""
    return f'"{column.name}" {_TYPES[column.dtype]} DEFAULT {unmeasured(column)}'


def unmeasured(column: Column) -> str:
    """Return what a row has where the column was not measured: null, but for one that never is."""
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
"""Version → the statements that bring a file of the version before to it; 0 is an empty file."""


def insert_or_replace(table: str, columns: Iterable[str]) -> tuple[str, str]:
    """Return two statements that write a row: one that ignores, one that replaces an old one."""
    names = list(columns)
    return insert(table, names), insert(table, names, replace=True)


def insert(table: str, columns: Iterable[str], *, replace: bool = False) -> str:
    """Return the statement that writes a row of a table; one that is there stays by default."""
    names = list(columns)
    quoted = ", ".join(f'"{name}"' for name in names)
    verb = "INSERT OR REPLACE" if replace else "INSERT OR IGNORE"
    return f"{verb} INTO {table} ({quoted}) VALUES ({', '.join('?' * len(names))})"
