"""The notebooks and exercises of a course, in order: the columns of tables of progress."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import FileFormatError
from .notebook_exercises import Exercise, exercises
from .progress_files import Result

__all__ = ["Notebook", "columns", "points", "read_course"]

COLUMNS_MOST = 100
"""Exercises in one table; further ones are left out."""


@dataclass(frozen=True, slots=True)
class Notebook:
    """A notebook of the course.

    Attributes:
        name: prefix of its exercises, such as ``01``.
        title: its title.
        exercises: in order.
    """

    name: str
    title: str
    exercises: tuple[Exercise, ...]


def read_course(folder: Path) -> list[Notebook]:
    """Read the exercises of a folder's notebooks; notebooks without any are left out.

    Raises:
        FileFormatError: a file is no notebook.
    """
    found = []
    for path in sorted(folder.glob("*.ipynb")):
        try:
            its = tuple(exercises(json.loads(path.read_text("utf-8"))))
        except (ValueError, LookupError, TypeError) as error:
            raise FileFormatError(f"{path} is no notebook of the course: {error}") from error
        if its:
            _, _, title = path.stem.partition("_")
            name = its[0].name.rpartition("-")[0]
            found.append(Notebook(name, title.replace("_", " ").capitalize(), its))
    return found


def columns(course: Sequence[Notebook], done: Iterable[str]) -> list[Notebook]:
    """Return the notebooks that learners have begun, with all of their exercises.

    Exercises that the course does not have, such as a teacher's own, come last.

    Args:
        course: from :func:`read_course`.
        done: names of the exercises that learners have done.
    """
    known = {exercise.name: notebook for notebook in course for exercise in notebook.exercises}
    done = set(done)
    begun = {known[name].name for name in done if name in known}
    table = [notebook for notebook in course if notebook.name in begun]
    room = COLUMNS_MOST - sum(len(notebook.exercises) for notebook in table)
    others: dict[str, list[Exercise]] = {}
    for name in sorted(done - known.keys(), key=_order)[: max(0, room)]:
        others.setdefault(name.rpartition("-")[0], []).append(Exercise(name, name, 1, -1))
    return table + [Notebook(name, "", tuple(its)) for name, its in others.items()]


def _order(name: str) -> tuple[str, int]:
    notebook, _, number = name.rpartition("-")
    return notebook, int(number)


def points(shown: Sequence[Notebook], results: Mapping[str, Result]) -> int:
    """Add up the points of the exercises that one learner has right.

    What an exercise is worth is the course's word, not that of the learner's file.
    """
    return sum(
        exercise.points
        for notebook in shown
        for exercise in notebook.exercises
        if exercise.name in results and results[exercise.name].right
    )
