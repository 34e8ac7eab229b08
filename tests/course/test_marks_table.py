"""`rtmon course grade`: the table of marks, computed from learners' progress files."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from rtmon.cli import main

Said = pytest.CaptureFixture[str]


@pytest.fixture
def course(tmp_path: Path) -> Path:
    """Write a course of three notebooks with two exercises each, of 1 and 12 points."""
    folder = tmp_path / "course"
    folder.mkdir()
    for stem in ("00_first", "01_second_one", "02_third"):
        cells = [
            {
                "cell_type": "code",
                "metadata": {"tags": ["check"]},
                "source": f'await check("c", print, exercise="{stem[:2]}-{n}", points={points})',
            }
            for n, points in ((1, 1), (2, 12))
        ]
        (folder / f"{stem}.ipynb").write_text(json.dumps({"cells": cells}))
    return folder


def progress(folder: Path, learner: str, *checks: tuple[str, bool], points: int = 1) -> str:
    """Write a learner's progress file, and return its path."""
    path = folder / f"{abs(hash(learner))}.jsonl"
    with path.open("w") as file:
        for exercise, right in checks:
            entry = {"time": 1, "learner": learner, "exercise": exercise, "claim": "c"}
            file.write(json.dumps({**entry, "right": right, "points": points}) + "\n")
    return str(path)


def test_grade_prints_a_table_of_learners_exercises_and_points(
    tmp_path: Path, course: Path, capsys: Said
) -> None:
    """`rtmon course grade` prints a table with a row per learner, a column per exercise, and the
    points of each exercise for which a check was right at least once.
    """
    files = [
        progress(tmp_path, "Ben", ("01-1", False), ("00-2", True)),
        progress(tmp_path, "ada", ("00-1", False), ("00-1", True), ("00-1", False), points=999),
        progress(tmp_path, "梅", ("my_own-10", True), ("my_own-9", False)),
    ]
    assert main(["course", "grade", *files, "--course", str(course)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "         00    01   my_own",
        "learner  1  2  1 2  9   10  points",
        "ada      1  .  . .  .    .    1/28",
        "Ben      . 12  - .  .    .   12/28",
        "梅       .  .  . .  -    1    1/28",
    ]


def test_grade_csv_has_no_spreadsheet_formula(tmp_path: Path, course: Path, capsys: Said) -> None:
    """`rtmon course grade --csv` prints a row per learner, and a learner's name never begins a
    spreadsheet formula.
    """
    files = [
        progress(tmp_path, "=1+1", ("00-1", True)),
        progress(tmp_path, 'a,"b"\n\x1b[31m', ("00-2", False)),
    ]
    assert main(["course", "grade", *files, "--course", str(course), "--csv"]) == 0
    rows = list(csv.reader(io.StringIO(capsys.readouterr().out)))
    assert rows == [
        ["learner", "00-1", "00-2", "points", "of"],
        ["'=1+1", "1", "", "1", "13"],
        ['a,"b"  [31m', "", "0", "0", "13"],
    ]


def test_grade_names_malformed_lines_and_grades_the_rest(
    tmp_path: Path, course: Path, capsys: Said
) -> None:
    """`rtmon course grade` names malformed lines of progress files on standard error and grades the
    rest.
    """
    good = progress(tmp_path, "ada", ("00-1", True))
    bad = tmp_path / "bad.jsonl"
    bad.write_text("\x1b[2Jnot json\n")
    assert main(["course", "grade", str(bad), good, "--course", str(course)]) == 0
    printed = capsys.readouterr()
    assert f"{bad}, line 1: not a line of a progress file" in printed.err
    assert "ada" in printed.out
    assert main(["course", "grade", str(tmp_path / "missing.jsonl")]) == 2


def test_grade_prints_at_most_a_hundred_exercise_columns(
    tmp_path: Path, course: Path, capsys: Said
) -> None:
    """`rtmon course grade` prints at most a hundred exercise columns, beginning with the course's
    own exercises, when a file names 500 unknown exercises.
    """
    forged = [(f"x-{number}", True) for number in range(500)]
    file = progress(tmp_path, "eve", ("00-1", True), *forged)
    assert main(["course", "grade", file, "--course", str(course), "--csv"]) == 0
    head, _ = csv.reader(io.StringIO(capsys.readouterr().out))
    assert head[:3] == ["learner", "00-1", "00-2"]
    assert len(head) == 1 + 100 + 2
