"""``rtmon notebooks``: copy the course's notebooks, and open them in JupyterLab."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from ..core.atomic_file import writing
from .packaged_files import shipped
from .shared_options import Course, require

__all__ = ["notebooks"]

_COURSE = {".ipynb", ".md"}
"""Suffixes of the course's files: notebooks and the syllabus."""


def notebooks(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Folder to copy the notebooks to.")
    ] = Path("rtmon-notebooks"),
    *,
    solutions: Annotated[
        bool,
        typer.Option("--solutions/--no-solutions", help="Keep or remove the folded solutions."),
    ] = True,
    course: Course = None,
    start: Annotated[
        bool, typer.Option("--start/--no-start", help="Start JupyterLab in that folder.")
    ] = True,
) -> None:
    """Copy the course, and open it in JupyterLab.

    Existing notebooks are not overwritten, so your changes stay. The command lists notebooks whose
    cells you have changed. The checks of the exercises contain the points that nbgrader reads.

    \b
    Examples:
      rtmon notebooks
      rtmon notebooks course --no-start
      rtmon notebooks handout --no-solutions --no-start
    """
    if start:
        require("Opening the notebooks", "jupyterlab", "panel", "pandas", extra="notebook")
    if folder.exists() and not folder.is_dir():
        raise typer.BadParameter(f"{str(folder)!r} is a file", param_hint="'DIR'")
    folder.mkdir(parents=True, exist_ok=True)
    sources = (
        path for path in (course or shipped("notebooks")).iterdir() if path.suffix in _COURSE
    )
    for source in sorted(sources):
        target = folder / source.name
        content = _content(source, solutions=solutions)
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


def _content(source: Path, *, solutions: bool) -> str:
    """Return the text of a notebook's copy, with or without the solutions."""
    from ..course.notebook_exercises import file_text, mark_for_nbgrader, without_solutions

    text = source.read_text("utf-8")
    if source.suffix != ".ipynb":
        return text
    notebook = json.loads(text)
    mark_for_nbgrader(notebook)
    if not solutions:
        without_solutions(notebook)
    return file_text(notebook)


def _written(text: str) -> object:
    """Return the source of a notebook's cells, without outputs, to detect changes by the user.

    Running a notebook changes only its outputs, so such a notebook counts as unchanged. A text that
    is not a notebook is returned unchanged.
    """
    try:
        cells = json.loads(text)["cells"]
        return [(cell["cell_type"], "".join(cell["source"])) for cell in cells]
    except (ValueError, LookupError, TypeError):
        return text
