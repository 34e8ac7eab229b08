"""The progress board: rows and columns of the progress wall, from learners' reports."""

from __future__ import annotations

from typing import Any

import pytest

from rtmon.course.notebook_exercises import Exercise
from rtmon.course.progress_wall import ProgressBoard
from rtmon.course.progress_wall.progress_board import ROWS_MOST
from rtmon.course.syllabus import Notebook

COURSE = [
    Notebook(name, name.upper(), tuple(Exercise(f"{name}-{n}", "c", n, 0) for n in (1, 2)))
    for name in ("a", "b")
]


def result(*, right: bool = False, tries: int = 1, **more: Any) -> dict[str, Any]:
    """Return an exercise's result as a learner reports it."""
    return {"right": right, "tries": tries, **more}


def test_progress_board_has_rows_of_learners_and_columns_of_started_notebooks() -> None:
    """Progress board has a row for each learner and a column for each exercise of every notebook
    that a learner has started, and counts points as defined by the course, not as reported.
    """
    board = ProgressBoard(COURSE)
    assert board.state()["learners"] == []
    assert board.report("Zoe", {"a-1": result(note="open is 8")}, 5.0)
    assert board.report("ada", {"a-2": result(right=True, tries=2, points=900)}, 7.0)
    state = board.state()
    assert [notebook["name"] for notebook in state["notebooks"]] == ["a"]
    assert [each["name"] for each in state["notebooks"][0]["exercises"]] == ["a-1", "a-2"]
    assert [
        (row["name"], row["results"], row["points"], row["seen"]) for row in state["learners"]
    ] == [
        ("ada", {"a-2": (True, 2, "")}, 2, 7.0),
        ("Zoe", {"a-1": (False, 1, "open is 8")}, 0, 5.0),
    ]
    assert not board.report("Zoe", {"a-1": result(note="open is 8")}, 9.0), "nothing is new"


@pytest.mark.parametrize(
    "report",
    [
        None,
        [],
        "x",
        {"a-1": {}},
        {"a-1": result(tries=0)},
        {"a-1": result(tries=1.5)},
        {"<b>": result()},
        {"a-1": result(note="x" * 201)},
        {"a-1": result(points=10**6)},
        {f"a-{number}": result() for number in range(201)},
    ],
)
def test_progress_board_ignores_and_counts_malformed_reports(report: object) -> None:
    """Progress board counts a malformed report as refused and shows nothing from this report."""
    board = ProgressBoard(COURSE)
    assert not board.report("eve", report, 1.0)
    assert (board.refused, board.state()["learners"]) == (1, [])
    assert not board.report(None, {"a-1": result()}, 1.0)


def test_progress_board_limits_learners_and_exercises() -> None:
    """Progress board shows a limited number of learners and a hundred exercises, and counts the
    learners above the limit and the reports that it refuses.
    """
    board = ProgressBoard(COURSE)
    for number in range(ROWS_MOST + 7):
        board.report(f"forged {number}", {"a-1": result()}, 1.0)
        board.report(f"forged {number}", {"a-1": result()}, 1.0)
    state = board.state()
    assert (len(state["learners"]), state["more"]) == (ROWS_MOST, 7)
    for number in range(10):
        many = {f"x{number}-{at}": result() for at in range(100)}
        board.report("forged 1", many, 1.0)
    shown = sum(len(each["exercises"]) for each in board.state()["notebooks"])
    assert shown == 100
    assert board.refused == 9


def test_progress_board_replaces_control_characters_in_names() -> None:
    """Progress board replaces line breaks, control and direction characters of a learner's name by
    spaces.
    """
    board = ProgressBoard(COURSE)
    board.report("a\nb\u202ec\x00", {"a-1": result()}, 1.0)
    assert [row["name"] for row in board.state()["learners"]] == ["a b c "]
