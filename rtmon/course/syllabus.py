"""List the notebooks and exercises of a course, and compute the points of a learner.

The marks table and the progress wall have one column for each of these exercises.
"""

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
"""Maximum number of exercises in one table. Additional exercises that are not part of the course
are omitted.
"""


@dataclass(frozen=True, slots=True)
class Notebook:
    """A notebook of the course, with its exercises.

    Attributes:
        name: the part of the exercise names before the hyphen, such as ``01``.
        title: the notebook's title, made from the file name.
        exercises: the exercises in the order of the notebook's cells.
    """

    name: str
    title: str
    exercises: tuple[Exercise, ...]


def read_course(folder: Path) -> list[Notebook]:
    """Read all notebooks in a folder, and return those that contain exercises.

    Raises:
        FileFormatError: an ``.ipynb`` file of the folder is not a valid notebook.
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
    """Return the notebooks that learners have started, each with all of its exercises.

    Exercises that are not in the course, such as a teacher's own exercises, are added at the end
    as additional notebooks.

    Args:
        course: the notebooks of the course, from :func:`read_course`.
        done: names of the exercises that at least one learner has tried.
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
    """Return the sort key of an exercise name: the notebook, then the number."""
    notebook, _, number = name.rpartition("-")
    return notebook, int(number)


def points(shown: Sequence[Notebook], results: Mapping[str, Result]) -> int:
    """Return the total points of the exercises that one learner has solved.

    The points come from the notebooks of the course and not from ``results``, because a learner
    can edit the progress file.
    """
    return sum(
        exercise.points
        for notebook in shown
        for exercise in notebook.exercises
        if exercise.name in results and results[exercise.name].right
    )
