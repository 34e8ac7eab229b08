"""The course in nbgrader, as a teacher uses it: release, collect, grade."""

from __future__ import annotations

import csv
import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import nbformat
import pytest

from rtmon.cli import main
from rtmon.course.notebook_exercises import exercises

from .notebooks import NOTEBOOKS, ROOT, Notebook

pytestmark = [pytest.mark.nbgrader, pytest.mark.timeout(1800)]

NBGRADER = ROOT / ".venv-nbgrader" / "bin" / "nbgrader"
KERNEL = {
    "argv": [
        str(ROOT / ".venv" / "bin" / "python"),
        "-m",
        "ipykernel_launcher",
        "-f",
        "{connection_file}",
    ],
    "display_name": "Python 3",
    "language": "python",
}
"""Kernel that runs notebooks in the environment with rtmon, which nbgrader's own
environment lacks.
"""

CONFIG = """
c = get_config()
c.CourseDirectory.course_id = "networks"
c.Execute.timeout = 300
"""


class Teacher:
    """A folder with an nbgrader course."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "nbgrader_config.py").write_text(CONFIG)
        kernel = folder / "jupyter" / "kernels" / "python3"
        kernel.mkdir(parents=True)
        (kernel / "kernel.json").write_text(json.dumps(KERNEL))

    def nbgrader(self, *arguments: str, **environment: str) -> None:
        """Run an nbgrader command in the course's folder; fail the test if the command fails."""
        done = subprocess.run(
            [NBGRADER, *arguments],
            cwd=self.folder,
            env={
                **os.environ,
                "PATH": f"{NBGRADER.parent}:{os.environ['PATH']}",
                "JUPYTER_PATH": str(self.folder / "jupyter"),
                "RTMON_PROGRESS": "off",
                **environment,
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def submit(self, student: str, name: str, cells: Mapping[int, str]) -> None:
        """Submit a student's copy of the released notebook, with other text in the given cells."""
        handout = nbformat.read(self.folder / "release" / "ps1" / f"{name}.ipynb", 4)
        for at, source in cells.items():
            handout.cells[at].source = source
        folder = self.folder / "submitted" / student / "ps1"
        folder.mkdir(parents=True)
        nbformat.write(handout, folder / f"{name}.ipynb")

    def grades(self) -> dict[str, tuple[float, float]]:
        """Return student → (score, largest possible score)."""
        self.nbgrader("export")
        with (self.folder / "grades.csv").open(newline="") as file:
            return {
                row["student_id"]: (float(row["score"]), float(row["max_score"]))
                for row in csv.DictReader(file)
            }


@pytest.mark.parametrize(
    "name",
    [
        each if each[:2] == "00" else pytest.param(each, marks=pytest.mark.course)
        for each in NOTEBOOKS
    ],
)
def test_nbgrader_gives_points_only_when_answers_are_right(tmp_path: Path, name: str) -> None:
    """Autograding with nbgrader gives all points to a right submission, and none to an empty or
    wrong one.
    """
    notebook = Notebook.read(name)
    full = sum(each.points for each in exercises({"cells": notebook.cells}))
    assert full > 0
    teacher = Teacher(tmp_path)
    copies = tmp_path / "copies"
    assert main(["notebooks", str(copies), "--no-solutions", "--no-start"]) == 0
    source = tmp_path / "source" / "ps1"
    source.mkdir(parents=True)
    (copies / f"{name}.ipynb").rename(source / f"{name}.ipynb")
    teacher.nbgrader("generate_assignment", "ps1")
    exercise = {at: notebook.cells[at].source for at, _ in notebook.exercises()}
    wrong = [next(iter(answers.values())) for answers in notebook.wrong()]
    solutions = [solution for _, solution in notebook.exercises()]
    answered = {
        "zero-empty": {},
        "zero-wrong": dict(zip(exercise, wrong, strict=True)),
        "right": dict(zip(exercise, solutions, strict=True)),
    }
    for student, answers in answered.items():
        cells = {at: f"{exercise[at]}\n{answer}" for at, answer in answers.items()}
        if student == "zero-wrong":
            checks = [each.cell for each in exercises({"cells": notebook.cells})]
            cells |= dict.fromkeys(checks, "pass")  # nbgrader restores the original checks
        teacher.submit(student, name, cells)
    for students, patience in (("zero-*", "0"), ("right", "60")):
        teacher.nbgrader(
            *("autograde", "ps1", "--student", students),
            RTMON_COURSE_STRICT="1",
            RTMON_COURSE_PATIENCE=patience,
        )
    assert teacher.grades() == {
        student: (full if student == "right" else 0, full) for student in answered
    }
