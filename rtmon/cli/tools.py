"""Commands that do one thing and end: ``rtmon load``, ``export``, ``protocol``, ``notebooks``."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import RtmonError
from ..processes import announce
from .options import Duration, Users, require
from .shipped import shipped

if TYPE_CHECKING:
    from ..lab.load import Load, LoadOptions, LoadReport

__all__ = ["export", "load", "notebooks", "protocol"]

FAILURES = 3
"""Failed attempts to connect, with no success, after which there is nobody to talk to."""

LOOK = 0.05
"""Seconds between looks at whether the first user has connected."""

SETTLE = 1.0
"""Seconds to wait, when stopped, until all that was sent has arrived."""


def load(
    url: Annotated[str, typer.Argument(metavar="URL", help="A WebSocket server: ws://HOST:PORT.")],
    *,
    users: Users = 20,
    rate: Annotated[
        float, typer.Option(min=0.0, metavar="N", help="Messages that each user sends in a second.")
    ] = 1.0,
    duration: Duration = None,
    seed: Annotated[int, typer.Option(metavar="N", help="The same seed makes the same users.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Simulate users that chat, come and go.

    Each counts what it sends and receives; when they have stopped, after --duration or with
    Ctrl-C, the sums are printed, to be compared with what the server has counted.

    \b
    Examples:
      rtmon load ws://127.0.0.1:8765
      rtmon load ws://127.0.0.1:8765 --users 200 --rate 5 --duration 30
      rtmon load ws://127.0.0.1:8765 --duration 10 --json > report.json
    """
    from ..lab.load import LoadOptions

    if not url.startswith(("ws://", "wss://")):
        raise typer.BadParameter(f"{url!r} does not begin with ws:// or wss://", param_hint="'URL'")
    options = LoadOptions(users=users, rate=rate, duration=duration, seed=seed)
    report = asyncio.run(_load(url, options, quietly=as_json))
    if report is not None:
        typer.echo(json.dumps(report.as_dict()) if as_json else _summary(report))


async def _load(url: str, options: LoadOptions, *, quietly: bool) -> LoadReport | None:
    """Run the users; the report is for a person, so a parent process gets none."""
    from ..lab.load import Load

    async with Load(url, options) as load:
        try:
            await _connected(load)
            text = "" if quietly else f"{options.users} users at {url}. Ctrl-C stops them."
            to_person = announce(text, url=url, users=options.users)
            async with asyncio.timeout(options.duration):
                await asyncio.Event().wait()
        except TimeoutError:
            await load.quiet()
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.uncancel():
                raise
            await load.quiet(within=SETTLE)
    return load.report() if to_person else None


async def _connected(load: Load) -> None:
    """Wait for the first user.

    Raises:
        RtmonError: nobody answers.
    """
    while not (report := load.report()).connected:
        if report.failed >= FAILURES:
            raise RtmonError(f"no user can connect to {load.url}: does a WebSocket server listen?")
        await asyncio.sleep(LOOK)


def _summary(report: LoadReport) -> str:
    totals = report.totals
    codes = ", ".join(f"{code}: {count:,}" for code, count in sorted(report.close_codes.items()))
    return (
        f"{report.connected:,} connections, {report.failed:,} failed, {report.lost:,} lost\n"
        f"sent      {totals.messages_out:,} messages, {totals.bytes_out:,} bytes\n"
        f"received  {totals.messages_in:,} messages, {totals.bytes_in:,} bytes\n"
        f"close codes  {codes or 'none'}"
    )


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

    They are samples.csv, connections.csv, events.csv and channels.csv; each appears only when it
    is whole.

    \b
    Examples:
      rtmon export ws://127.0.0.1:8766 --to run
      python -c "import rtmon; print(rtmon.read_csv('run/samples.csv'))"
    """
    from ..export import export as write

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
    from ..protocol.incoming import INCOMING
    from ..protocol.outgoing import OUTGOING
    from ..protocol.schema import catalog_schema

    if schema:
        typer.echo(json.dumps(catalog_schema(), indent=2))
        return
    for side, kinds in (("from a client", INCOMING), ("from the server", OUTGOING)):
        typer.echo(f"{side}: {', '.join(kinds)}")


def notebooks(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Where the notebooks are copied to.")
    ] = Path("rtmon-notebooks"),
    *,
    start: Annotated[
        bool, typer.Option("--start/--no-start", help="Start JupyterLab there.")
    ] = True,
) -> None:
    """Copy the notebooks and open them in JupyterLab.

    A file that is there already is left as it is: your changes stay.

    \b
    Examples:
      rtmon notebooks
      rtmon notebooks course --no-start
    """
    if start:
        require("Opening the notebooks", "jupyterlab", "panel", "pandas", extra="notebook")
    folder.mkdir(parents=True, exist_ok=True)
    for source in sorted(shipped("notebooks").glob("*.ipynb")):
        target = folder / source.name
        if not target.exists():
            shutil.copyfile(source, target)
        typer.echo(target)
    if start:
        sys.stdout.flush()
        os.execv(sys.executable, [sys.executable, "-m", "jupyterlab", str(folder)])  # noqa: S606
