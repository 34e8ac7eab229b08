"""Commands that do one thing and end: ``rtmon protocol``, ``rtmon notebooks``."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from ..core.atomic_file import writing
from .options import require
from .shipped import shipped

__all__ = ["notebooks", "protocol"]


_COURSE = {".ipynb", ".md"}
"""What of the folder belongs to the course: notebooks and their syllabus."""


def _written(text: str) -> object:
    """What somebody wrote in a notebook, without what running it has added; else the text."""
    try:
        cells = json.loads(text)["cells"]
        return [(cell["cell_type"], "".join(cell["source"])) for cell in cells]
    except (ValueError, LookupError, TypeError):
        return text


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


def notebooks(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Where the notebooks are copied to.")
    ] = Path("rtmon-notebooks"),
    *,
    start: Annotated[
        bool, typer.Option("--start/--no-start", help="Start JupyterLab there.")
    ] = True,
) -> None:
    """Copy the course, and open it in JupyterLab.

    A notebook that is there already is left as it is, so your changes stay. Where they are more
    than outputs, that is said.

    \b
    Examples:
      rtmon notebooks
      rtmon notebooks course --no-start
    """
    if start:
        require("Opening the notebooks", "jupyterlab", "panel", "pandas", extra="notebook")
    if folder.exists() and not folder.is_dir():
        raise typer.BadParameter(f"{str(folder)!r} is a file", param_hint="'DIR'")
    folder.mkdir(parents=True, exist_ok=True)
    sources = (path for path in shipped("notebooks").iterdir() if path.suffix in _COURSE)
    for source in sorted(sources):
        target = folder / source.name
        content = source.read_text("utf-8")
        if not target.exists():
            with writing(target) as file:
                file.write(content)
        elif _written(target.read_text("utf-8", errors="replace")) != _written(content):
            typer.echo(
                f"rtmon: kept {target}, which is not as the course has it; "
                "rename or delete it to get the course's",
                err=True,
            )
        typer.echo(target)
    if start:
        sys.stdout.flush()
        os.execv(sys.executable, [sys.executable, "-m", "jupyterlab", str(folder)])  # noqa: S606
