"""Write docs/columns.md from the table of columns, or with --check say whether it is current."""

from __future__ import annotations

import sys
from pathlib import Path

from rtmon.metrics.columns import TABLES, Column

PAGE = Path(__file__).parents[1] / "docs" / "columns.md"

INTRODUCTION = """\
# What is measured

<!-- Written by `make docs` from rtmon/metrics/columns.py; do not edit. -->

Every number has one name, in records, DataFrames, CSV files and the feed. Units are seconds (s)
and bytes (B). A counter in a Sample is the increase since the Sample before; in the connections
table it is the total. What a probe cannot know is null, never 0. Times are Unix seconds in
records, and UTC in DataFrames and files."""

TITLES = {
    "samples": "One row a tick: `monitor.samples()`, `samples.csv`",
    "connections": "One row a connection: `monitor.connections()`, `connections.csv`",
    "events": "One row for each thing that happened: `monitor.events()`, `events.csv`",
    "channels": "One row a channel of the hub: `monitor.channels()`, `channels.csv`",
    "socketio": "What is particular to Socket.IO, bounded: `monitor.socketio()`, `socketio.csv`",
    "clients": "One row a client that reports to the Monitor: `monitor.clients()`",
}


def page() -> str:
    """The page as it should be."""
    parts = [INTRODUCTION]
    for table, columns in TABLES.items():
        parts.append(f"\n## {table}\n\n{TITLES[table]}\n")
        parts.append("| column | kind | unit | dtype | what it is | known to |")
        parts.append("|---|---|---|---|---|---|")
        parts.extend(row(column) for column in columns)
    return "\n".join(parts) + "\n"


def row(column: Column) -> str:
    """A column's line."""
    cells = (
        f"`{column.name}`",
        column.kind,
        column.unit,
        f"`{column.dtype}`",
        column.definition,
        ", ".join(column.probes),
    )
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def main() -> int:
    """Write the page, or check it."""
    if "--check" in sys.argv[1:]:
        if PAGE.read_text(encoding="utf-8") == page():
            return 0
        print(f"{PAGE.name} is not current: run make docs")
        return 1
    PAGE.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
