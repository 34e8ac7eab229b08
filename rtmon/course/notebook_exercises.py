"""Find the exercises in a course notebook, mark them for nbgrader, and remove solutions. No I/O.

All functions take a notebook as a dict: the parsed JSON of an ``.ipynb`` file.
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
    """An exercise of a notebook, as written in the arguments of its ``check()`` call.

    Attributes:
        name: a notebook and a number, such as ``01-2``.
        claim: the condition that the learner has to meet, as text.
        points: points for a right answer.
        cell: index of the notebook cell that calls ``check()``.
    """

    name: str
    claim: str
    points: int
    cell: int


def exercises(notebook: dict[str, Any]) -> Iterator[Exercise]:
    """Find the ``check()`` calls that have an ``exercise`` argument, and yield their exercises.

    Such a call reads ``await check("…", exercise="01-2", points=2)``.

    Raises:
        FileFormatError: the claim, ``exercise`` or ``points`` of a call is not a literal.
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
    """Yield the ``check()`` calls in the source code of a cell."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "check" and node.args:
            yield node


def _literal(node: ast.expr, kind: type, cell: int) -> Any:
    """Return the value of a literal of a type; raise FileFormatError for other expressions."""
    if isinstance(node, ast.Constant) and isinstance(node.value, kind):
        return node.value
    raise FileFormatError(
        f"the check in cell {cell} has {ast.unparse(node)!r} where a literal {kind.__name__} is "
        "needed: tables of marks are made without running it"
    )


def mark_for_nbgrader(notebook: dict[str, Any]) -> None:
    """Add the metadata by which nbgrader grades each ``check()`` cell with its points.

    Metadata of an earlier call is replaced. A ``check()`` cell is locked: nbgrader restores its
    original source before grading. The cell for the learner's answer gets no metadata. If that cell
    were marked as a solution, nbgrader would also delete the code that the exercise provides there.

    Raises:
        FileFormatError: a ``check()`` argument is not a literal, a cell contains two exercises,
            or two exercises have the same name.
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
    """Remove the collapsed "Solution" sections from the notebook's markdown cells, in place."""
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            text = _SOLUTION.sub("\n\n", "".join(cell["source"])).rstrip("\n")
            cell["source"] = text.splitlines(keepends=True)


def file_text(notebook: dict[str, Any]) -> str:
    """Return the text of a notebook's ``.ipynb`` file, formatted as Jupyter formats it."""
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"
