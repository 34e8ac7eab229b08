"""The command ``rtmon protocol``: print the messages of the hub's protocol."""

from __future__ import annotations

import json
from typing import Annotated

import typer

__all__ = ["protocol"]


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
    from ..protocol.json_schema import catalog_schema

    if schema:
        typer.echo(json.dumps(catalog_schema(), indent=2))
        return
    for side, kinds in (("from a client", INCOMING), ("from the server", OUTGOING)):
        typer.echo(f"{side}: {', '.join(kinds)}")
