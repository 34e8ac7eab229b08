"""The board of the progress wall: its rows, from learners' reports."""

from __future__ import annotations

from typing import Any

import pytest

from rtmon.course.exercises import Exercise
from rtmon.course.syllabus import Notebook
from rtmon.course.wall import ProgressBoard
from rtmon.course.wall.progress_board import ROWS_MOST

COURSE = [
    Notebook(name, name.upper(), tuple(Exercise(f"{name}-{n}", "c", n, 0) for n in (1, 2)))
    for name in ("a", "b")
]


def result(*, right: bool = False, tries: int = 1, **more: Any) -> dict[str, Any]:
    """An exercise as a learner reports it."""
    return {"right": right, "tries": tries, **more}


def test_wall_has_a_row_for_each_learner_and_columns_of_started_notebooks() -> None:
    """All exercises of a notebook that any learner has started are columns, with the course's
    points.
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
def test_wall_refuses_malformed_reports(report: object) -> None:
    """A malformed report is counted and changes nothing."""
    board = ProgressBoard(COURSE)
    assert not board.report("eve", report, 1.0)
    assert (board.refused, board.state()["learners"]) == (1, [])
    assert not board.report(None, {"a-1": result()}, 1.0)


def test_wall_bounds_learners_and_exercises() -> None:
    """Learners and exercises past the bounds are left out, and such learners are counted."""
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


def test_wall_shows_names_without_control_characters() -> None:
    """A name is one line, whatever it contains."""
    board = ProgressBoard(COURSE)
    board.report("a\nb\u202ec\x00", {"a-1": result()}, 1.0)
    assert [row["name"] for row in board.state()["learners"]] == ["a b c "]
