"""Exercises of notebooks: read from their checks, marked for nbgrader, stripped of solutions."""

from __future__ import annotations

import ast
import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest

from rtmon.cli import main
from rtmon.course.notebook_exercises import exercises, mark_for_nbgrader, without_solutions
from rtmon.errors import FileFormatError

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))

TEXT = """### Exercise 1

Do it.

<details><summary>Solution</summary>

```python
answer = 1
```

</details>"""


def calls_of_check(source: str) -> list[ast.Call]:
    """Return the calls of ``check`` in a cell's source."""
    nodes = ast.walk(ast.parse(source))
    return [n for n in nodes if isinstance(n, ast.Call) and ast.unparse(n.func) == "check"]


def notebook(*checks: str) -> dict[str, Any]:
    """Return a notebook with one exercise for each given check."""
    cells = []
    for source in checks:
        cells.append({"cell_type": "markdown", "metadata": {}, "source": [TEXT]})
        cells.append({"cell_type": "code", "metadata": {"tags": ["exercise"]}, "source": "# Here."})
        cells.append({"cell_type": "code", "metadata": {"tags": ["check"]}, "source": [source]})
    return {"cells": cells}


ONE = 'await check("one", lambda: answer == 1, exercise="01-1")'
TWO = 'facts = {}\nawait check(\n    "two",\n    found=len,\n    exercise="01-2",\n    points=5,\n)'


def test_exercise_name_text_and_points_come_from_its_check_call() -> None:
    """Course exercise takes its name, text and points from the call of check, with one point by
    default.
    """
    found = list(exercises(notebook(ONE, TWO, 'await check("unnamed", print)')))
    assert [(each.name, each.claim, each.points, each.cell) for each in found] == [
        ("01-1", "one", 1, 2),
        ("01-2", "two", 5, 5),
    ]


@pytest.mark.parametrize(
    "source",
    [
        'await check("one", print, exercise=NAME)',
        'await check(claim, print, exercise="01-1")',
        'await check("one", print, exercise="01-1", points=1 + 1)',
    ],
)
def test_exercise_is_refused_when_its_check_has_computed_arguments(source: str) -> None:
    """Reading course exercises raises FileFormatError when name, text or points of a check are
    not literals.
    """
    with pytest.raises(FileFormatError, match=r"a literal (str|int) is needed"):
        list(exercises(notebook(source)))


def test_marking_for_nbgrader_makes_each_check_a_locked_graded_cell() -> None:
    """Marking a notebook for nbgrader makes each check a locked graded cell with its points, and
    marking again changes nothing.
    """
    marked = notebook(ONE, TWO)
    mark_for_nbgrader(marked)
    once = copy.deepcopy(marked)
    mark_for_nbgrader(marked)
    assert marked == once
    metadata = [cell["metadata"].get("nbgrader") for cell in marked["cells"]]
    assert metadata[:5] == [
        None,
        None,
        {**metadata[5], "grade_id": "exercise-01-1", "points": 1},
        None,
        None,
    ]
    assert metadata[5] == {
        "cell_type": "code",
        "grade": True,
        "grade_id": "exercise-01-2",
        "locked": True,
        "points": 5,
        "schema_version": 3,
        "solution": False,
        "task": False,
    }
    marked["cells"][5]["source"] = "pass"
    mark_for_nbgrader(marked)
    assert "nbgrader" not in marked["cells"][5]["metadata"], "it is no exercise any more"


@pytest.mark.parametrize("checks", [(ONE, ONE), (f"{ONE}\n{TWO}",)])
def test_exercises_are_refused_when_two_share_a_name_or_cell(checks: tuple[str, ...]) -> None:
    """Marking for nbgrader raises FileFormatError when two exercises share a name or a cell."""
    with pytest.raises(FileFormatError, match="an exercise has one check"):
        mark_for_nbgrader(notebook(*checks))


def test_removing_solutions_keeps_the_text_around_them() -> None:
    """Removing solutions from a notebook keeps the text above and below each solution."""
    handout = notebook(ONE)
    handout["cells"][0]["source"] = [TEXT + "\n\nAfterwards.\n\n<details><summary>More</summary>"]
    without_solutions(handout)
    text = "".join(handout["cells"][0]["source"])
    assert text == "### Exercise 1\n\nDo it.\n\nAfterwards.\n\n<details><summary>More</summary>"


def test_notebooks_command_copies_the_course_with_or_without_solutions(tmp_path: Path) -> None:
    """`rtmon notebooks` copies the course with its solutions, and without them when --no-solutions
    is given.
    """
    assert main(["notebooks", str(tmp_path / "with"), "--no-start"]) == 0
    assert main(["notebooks", str(tmp_path / "without"), "--no-solutions", "--no-start"]) == 0
    for source in NOTEBOOKS:
        whole, handout = (
            nbformat.read(tmp_path / folder / source.name, 4) for folder in ("with", "without")
        )
        nbformat.validate(handout)
        solved = [cell.source for cell in whole.cells if "Solution</summary>" in cell.source]
        assert solved
        assert not any("Solution</summary>" in cell.source for cell in handout.cells)
        assert len(whole.cells) == len(handout.cells)
        original = json.loads(source.read_text("utf-8"))
        for cell in original["cells"]:
            cell["metadata"].pop("nbgrader", None)
        copied = json.loads((tmp_path / "with" / source.name).read_text("utf-8"))
        for cell in copied["cells"]:
            cell["metadata"].pop("nbgrader", None)
        assert copied == original


def test_notebooks_command_copies_a_teachers_own_notebooks(tmp_path: Path) -> None:
    """`rtmon notebooks --course` marks a teacher's own notebooks for nbgrader and removes their
    solutions.
    """
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "week_1.ipynb").write_text(json.dumps(notebook(ONE)))
    arguments = [str(tmp_path / "handout"), f"--course={mine}", "--no-solutions", "--no-start"]
    assert main(["notebooks", *arguments]) == 0
    copied = json.loads((tmp_path / "handout" / "week_1.ipynb").read_text("utf-8"))
    assert copied["cells"][2]["metadata"]["nbgrader"]["grade_id"] == "exercise-01-1"
    assert "Solution" not in "".join(copied["cells"][0]["source"])


def test_nbgrader_metadata_of_the_course_matches_its_checks() -> None:
    """Metadata for nbgrader in the course's notebooks equals what scripts/exercises.py derives from
    their checks.
    """
    check = [sys.executable, str(ROOT / "scripts" / "exercises.py"), "--check"]
    done = subprocess.run(check, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_check_of_the_course_is_graded(path: Path) -> None:
    """Every check in a course notebook names its exercise and points and is in a cell that nbgrader
    grades.
    """
    cells = json.loads(path.read_text("utf-8"))["cells"]
    graded = {each.cell for each in exercises({"cells": cells})}
    for at, cell in enumerate(cells):
        calls = calls_of_check("".join(cell["source"])) if cell["cell_type"] == "code" else []
        for call in calls:
            assert {"exercise", "points"} <= {option.arg for option in call.keywords}, at
            assert at in graded, f"cell {at} has no tag check"
            assert cell["metadata"]["nbgrader"]["grade"], at


def test_exercise_names_are_unique_and_begin_with_the_notebook_number() -> None:
    """Course exercise names are unique in the course, and each begins with the number of its
    notebook.
    """
    names = []
    for path in NOTEBOOKS:
        for each in exercises(json.loads(path.read_text("utf-8"))):
            assert each.name.startswith(path.stem[:2] + "-"), f"{path.name}, cell {each.cell}"
            names.append(each.name)
    assert len(names) == len(set(names))
