"""Commands that do one thing and end: ``rtmon export`` and ``protocol``."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["export", "protocol"]


def export(
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="The admin address of a server: ws://HOST:8766.")
    ],
    *,
    to: Annotated[Path, typer.Option("--to", metavar="DIR", help="The folder; made if missing.")],
    timeout: Annotated[
        float, typer.Option(min=0.1, metavar="SECONDS", help="How long to wait for the server.")
    ] = 10.0,
) -> None:
    """Write what a server measured as CSV files.

    They are samples.csv, connections.csv, events.csv and channels.csv, and socketio.csv where a
    Socket.IO server is measured; each appears only when it is whole.

    \b
    Examples:
      rtmon export ws://127.0.0.1:8766 --to run
      python -c "import rtmon; print(rtmon.read_csv('run/samples.csv'))"
    """
    from ..exporting import export as write

    for path in asyncio.run(write(source, to, timeout=timeout)):
        typer.echo(path)


def protocol(
    *,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON Schema of every message.")
    ] = False,
) -> None:
    """Print the messages of the hub's protocol.

    \b
    Examples:
      rtmon protocol
      rtmon protocol --schema > rtmon.schema.json
    """
    from ..protocol.catalog import INCOMING, OUTGOING
    from ..protocol.schema import catalog_schema

    if schema:
        typer.echo(json.dumps(catalog_schema(), indent=2))
        return
    for side, kinds in (("from a client", INCOMING), ("from the server", OUTGOING)):
        typer.echo(f"{side}: {', '.join(kinds)}")
