"""``rtmon export``: write the measurements of a server or a recording to files."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from .shared_options import Redact, TokenFile, admin_token, redaction, refuse_idle

__all__ = ["export"]


def export(
    context: typer.Context,
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE", help="The admin address of a server, ws://HOST:8766, or a recording."
        ),
    ],
    *,
    to: Annotated[
        Path,
        typer.Option(
            "--to",
            metavar="DIR",
            help="Folder to write to; with --format rtmon, the file to write.",
        ),
    ],
    format: Annotated[  # noqa: A002 - the option's name
        Literal["csv", "json", "parquet", "rtmon"],
        typer.Option(help="rtmon copies a recording, also one that is being written."),
    ] = "csv",
    table: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TABLE",
            help="samples, connections, events, channels or socketio; repeatable. Default: all.",
        ),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Begin of the range, such as 2026-05-04T14:05."),
    ] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="End of the range.")] = None,
    every: Annotated[
        Literal["1", "10", "60"] | None,
        typer.Option(help="Ticks in each row of samples. Default: the finest that is stored."),
    ] = None,
    redact: Redact = None,
    timeout: Annotated[
        float, typer.Option(min=0.1, metavar="SECONDS", help="How long to wait for a server.")
    ] = 10.0,
    token_file: TokenFile = None,
) -> None:
    """Write the measurements of a server or a recording to files.

    The files are samples, connections, events and channels, and socketio if a Socket.IO server is
    measured. Each file appears only when it is complete. Times without a zone are UTC. --format
    parquet needs the extra parquet.

    \b
    Examples:
      rtmon export ws://127.0.0.1:8766 --to run
      rtmon export run.rtmon --to run --format parquet --since 2026-05-04T14:00
      rtmon export run.rtmon --to copy.rtmon --format rtmon
      python -c "import rtmon; print(rtmon.read_csv('run/samples.csv'))"
    """
    from ..exporting import export as write

    if format == "rtmon":
        idle = ("table", "since", "until", "every", "redact")
        refuse_idle(context, *idle, because="with --format rtmon: the whole recording is copied")
    options: dict[str, Any] = {
        "format": format,
        "tables": tuple(table or ()),
        "since": since,
        "until": until,
        "every": None if every is None else int(every),
        "redaction": redaction(redact),
        "timeout": timeout,
        "token": admin_token(token_file),
    }
    paths = asyncio.run(write(source, to, progress=_progress, **options))
    if sys.stderr.isatty():
        typer.echo("\r\x1b[K", err=True, nl=False)
    for path in paths:
        typer.echo(path)


def _progress(table: str, rows: int) -> None:
    if sys.stderr.isatty():
        typer.echo(f"\r\x1b[K{table}: {rows:,} rows", err=True, nl=False)
