"""The exercises of a notebook: read from its checks, marked for nbgrader, without solutions. Pure.

A notebook is its file's JSON as a dict.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ..errors import FileFormatError

__all__ = ["Exercise", "exercises", "file_text", "mark_for_nbgrader", "without_solutions"]

_SOLUTION = re.compile(r"\n*<details><summary>Solution</summary>.*?</details>\n*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Exercise:
    """An exercise, as its check names it.

    Attributes:
        name: a notebook and a number, such as ``01-2``.
        claim: the condition to meet, in words.
        points: points of a right answer.
        cell: index of the check's cell in the notebook.
    """

    name: str
    claim: str
    points: int
    cell: int


def exercises(notebook: dict[str, Any]) -> Iterator[Exercise]:
    """Find the checks that name an exercise: ``await check("…", exercise="01-2", points=2)``.

    Raises:
        FileFormatError: a check's claim, exercise or points are not written as a literal.
    """
    for index, cell in enumerate(notebook["cells"]):
        if cell["cell_type"] == "code" and "check" in cell["metadata"].get("tags", ()):
            for call in _checks("".join(cell["source"])):
                options = {option.arg: option.value for option in call.keywords}
                if "exercise" in options:
                    yield Exercise(
                        _literal(options["exercise"], str, index),
                        _literal(call.args[0], str, index),
                        _literal(options["points"], int, index) if "points" in options else 1,
                        index,
                    )


def _checks(source: str) -> Iterator[ast.Call]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "check" and node.args:
            yield node


def _literal(node: ast.expr, kind: type, cell: int) -> Any:
    if isinstance(node, ast.Constant) and isinstance(node.value, kind):
        return node.value
    raise FileFormatError(
        f"the check in cell {cell} has {ast.unparse(node)!r} where a literal {kind.__name__} is "
        "needed: tables of marks are made without running it"
    )


def mark_for_nbgrader(notebook: dict[str, Any]) -> None:
    """Write the metadata that makes each check a test of nbgrader, worth its points. Idempotent.

    A check's cell is locked: nbgrader puts it back as it was before it grades. The answer's cell
    needs no metadata; as a "solution" nbgrader would blank it, with the lines that are given.

    Raises:
        FileFormatError: as :func:`exercises`; or two exercises share a cell or a name.
    """
    for cell in notebook["cells"]:
        cell["metadata"].pop("nbgrader", None)
    names: set[str] = set()
    for exercise in exercises(notebook):
        metadata = notebook["cells"][exercise.cell]["metadata"]
        if "nbgrader" in metadata or exercise.name in names:
            raise FileFormatError(
                f"exercise {exercise.name}, cell {exercise.cell}: an exercise has one check, and "
                "a cell has one exercise"
            )
        names.add(exercise.name)
        metadata["nbgrader"] = {
            "cell_type": "code",
            "grade": True,
            "grade_id": f"exercise-{exercise.name}",
            "locked": True,
            "points": exercise.points,
            "schema_version": 3,
            "solution": False,
            "task": False,
        }
        notebook["cells"][exercise.cell]["metadata"] = dict(sorted(metadata.items()))


def without_solutions(notebook: dict[str, Any]) -> None:
    """Remove the folded solutions above each exercise. Idempotent."""
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            text = _SOLUTION.sub("\n\n", "".join(cell["source"])).rstrip("\n")
            cell["source"] = text.splitlines(keepends=True)


def file_text(notebook: dict[str, Any]) -> str:
    """Return a notebook as its file, the way that Jupyter writes it."""
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"
