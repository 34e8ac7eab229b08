"""Generate files from the table of columns; with --check, report files that are not current.

The files are docs/columns.md, the records in rtmon/metrics/records.py, and the counters of a
server, a ledger and a meter in rtmon/metrics/counter_fields.py.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from rtmon.metrics.columns import (
    ENDING,
    LEDGER_COUNTERS,
    MESSAGE_HISTOGRAMS,
    METER_COUNTERS,
    METER_FIELDS,
    SERVER_COUNTERS,
    SHARED,
    SNAPSHOT,
    TABLES,
    Column,
)

ROOT = Path(__file__).parents[1]

INTRODUCTION = """\
# Columns: all measured numbers

<!-- Written by `make docs` from rtmon/metrics/columns.py; do not edit. -->

This page defines every column of rtmon's tables. A [column](glossary.md#measuring) has the same
name in records, in DataFrames, in CSV files and in a
[feed](glossary.md#from-numbers-to-pictures). This program takes a
[Sample](glossary.md#measuring) and prints three of its columns:

```python
import rtmon

monitor = rtmon.Monitor()
monitor.tick()
print(monitor.samples()[["seq", "time", "open"]])
```

* Units are seconds (s) and bytes (B).
* A counter in the table `samples` is the increase since the previous
  [Sample](glossary.md#measuring). A counter in the table `connections` is the total since the
  connection opened.
* A value that a [probe](glossary.md#measuring) cannot measure is null, never 0. The column "known
  to" lists the probes that measure a value.
* Times are Unix seconds in records, and UTC timestamps in DataFrames and files."""

TITLES = {
    "samples": "One row for each tick: `monitor.samples()`, `samples.csv`",
    "connections": "One row for each connection: `monitor.connections()`, `connections.csv`",
    "events": "One row for each Event: `monitor.events()`, `events.csv`",
    "channels": "One row for each channel of the hub: `monitor.channels()`, `channels.csv`",
    "socketio": "Statistics of Socket.IO, bounded in number: `monitor.socketio()`, `socketio.csv`",
    "latencies": "Percentiles of the last minute by path, room and message type, bounded in number",
    "addresses": "Statistics of each client address, bounded in number",
    "clients": "One row for each client that reports to the Monitor: `monitor.clients()`",
}

RECORDS = '''\
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
'''

FIELDS = '''\
"""Base classes with one attribute for each counter column: of a server, a Ledger and a Meter.

Written by ``make docs`` from :mod:`rtmon.metrics.columns`, which defines them; do not edit.
"""

from __future__ import annotations

from .columns import LEDGER_COUNTERS, MESSAGE_HISTOGRAMS, METER_COUNTERS, METER_FIELDS, SHARED
from .histogram import BYTE, HistogramRecorder

__all__ = ["LedgerFields", "MeterFields", "ServerFields"]

_OWN = tuple(f"own_{name}" if name in SHARED else name for name in METER_COUNTERS)
'''


def page() -> Iterator[str]:
    """Yield the lines of docs/columns.md."""
    yield INTRODUCTION
    for table, columns in TABLES.items():
        yield f"\n## {table}\n\n{TITLES[table]}\n"
        yield "| column | kind | unit | dtype | what it is | known to |"
        yield "|---|---|---|---|---|---|"
        yield from map(row, columns)


def row(column: Column) -> str:
    """Return a column's line in docs/columns.md."""
    cells = (
        f"`{column.name}`",
        column.kind,
        column.unit,
        f"`{column.dtype}`",
        column.definition,
        ", ".join(column.probes),
    )
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def records() -> Iterator[str]:
    """Yield the lines of rtmon/metrics/records.py."""
    yield RECORDS
    ending = (column for column in TABLES["connections"] if column.name in ENDING)
    for name, columns, about in (
        (
            "Sample(SampleValues)",
            TABLES["samples"],
            "The measurements between two ticks: increases of counters, gauges and histograms.",
        ),
        (
            "ConnectionInfo(ConnectionValues)",
            TABLES["connections"],
            "One row of the connections table: an open or a recently closed connection.",
        ),
        (
            "Ending",
            ending,
            "How a connection ended; the fields are columns of the connections table.",
        ),
        (
            "Event",
            TABLES["events"],
            "A single occurrence on the server, such as an opened connection or an error.",
        ),
        (
            "ChannelInfo",
            TABLES["channels"],
            "Totals of one channel of a hub, since the channel was first used.",
        ),
        (
            "SocketIOInfo",
            TABLES["socketio"],
            "One row of the socketio table; ``kind`` says what the row counts.",
        ),
        (
            "Latency",
            TABLES["latencies"],
            "Percentiles of one kind of duration for one label, such as RTT for a path.",
        ),
        ("AddressInfo", TABLES["addresses"], "Counts of the connections from one client address."),
        (
            "Snapshot(SnapshotText)",
            SNAPSHOT,
            "Totals since the Monitor was created; ``rates`` has each counter's current rate.",
        ),
    ):
        yield "\n@dataclass(frozen=True, slots=True, kw_only=True)"
        yield f'class {name}:\n    """{about}"""\n'
        yield from (record_field(column, name) for column in columns if not column.derived)
        if columns is SNAPSHOT:
            yield "    rates: Mapping[str, float] = field(default_factory=dict)"
        yield ""


def record_field(column: Column, record: str) -> str:
    """Return a record's field as a line of Python."""
    if column.kind == "histogram":
        return f"    {column.name}: Histogram | None = {empty(column)}"
    if column.kind == "tally":
        return f"    {column.name}: Mapping[int, int] = field(default_factory=dict)"
    kind = "Cause" if (record, column.name) == ("Ending", "cause") else python_type(column)
    if not column.required:
        return f"    {column.name}: {kind} | None = {value(column.initial)}"
    default = "" if column.initial is None else f" = {value(column.initial)}"
    return f"    {column.name}: {kind}{default}"


def fields() -> Iterator[str]:
    """Yield the lines of rtmon/metrics/counter_fields.py."""
    yield FIELDS
    yield from class_of_fields(
        "ServerFields",
        "Counters of a server, and of its connections' ends by cause.",
        None,
        (f"{name} = 0" for name in SERVER_COUNTERS),
    )
    yield from class_of_fields(
        "LedgerFields",
        "Counters and histograms that sum up all connections of one role.",
        "(*LEDGER_COUNTERS, *(column.name for column in MESSAGE_HISTOGRAMS))",
        (
            *(f"{name} = 0" for name in LEDGER_COUNTERS),
            *(
                f"{column.name} = HistogramRecorder({'BYTE' if column.unit == 'B' else ''})"
                for column in MESSAGE_HISTOGRAMS
            ),
        ),
    )
    yield from class_of_fields(
        "MeterFields",
        "Attributes of one connection. A counter ``own_…`` excludes messages to groups.",
        "(*_OWN, *(column.name for column in METER_FIELDS))",
        (
            *(f"{'own_' if name in SHARED else ''}{name} = 0" for name in METER_COUNTERS),
            *map(meter_field, METER_FIELDS),
        ),
    )


def class_of_fields(
    name: str, about: str, slots: str | None, lines: Iterable[str]
) -> Iterator[str]:
    """Yield the lines of a Python class whose ``__init__`` sets attributes to initial values."""
    yield f'\nclass {name}:\n    """{about}"""\n'
    if slots is not None:
        yield f"    __slots__ = {slots}\n"
    yield "    def __init__(self) -> None:"
    yield from (f"        self.{line}" for line in lines)
    yield ""


def meter_field(column: Column) -> str:
    """Return the Python line that gives a meter's attribute its initial value."""
    if column.initial is not None:
        return f"{column.name} = {value(column.initial)}"
    return f"{column.name}: {python_type(column)} | None = None"


def python_type(column: Column) -> str:
    """Return the type of a column's values that are not null."""
    if column.kind == "text":
        return "str"
    return "int" if column.dtype == "Int64" else "float"


def value(initial: float | str | None) -> str:
    """Return a value as Python source."""
    return f'"{initial}"' if isinstance(initial, str) else repr(initial)


def empty(column: Column) -> str:
    """Return the Python name of a column's empty histogram."""
    return "NO_SIZES" if column.unit == "B" else "EMPTY"


FILES = {
    "docs/columns.md": page,
    "rtmon/metrics/records.py": records,
    "rtmon/metrics/counter_fields.py": fields,
}


def main() -> int:
    """Write the files; with --check, return 1 if a file is not current."""
    stale = []
    for name, lines in FILES.items():
        path, text = ROOT / name, "\n".join(lines()).rstrip("\n") + "\n"
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(name)
            if "--check" not in sys.argv[1:]:
                path.write_text(text, encoding="utf-8")
    if "--check" in sys.argv[1:] and stale:
        print(f"{', '.join(stale)}: not current, run make docs")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
