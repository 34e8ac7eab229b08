"""Read the progress files of a class, and print the marks as a table or as CSV."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from rich.cells import cell_len, set_cell_size

from ..errors import FileFormatError
from .notebook_exercises import Exercise
from .progress_files import ProgressEntry, Result, one_line, read, report_of
from .syllabus import Notebook, columns, points

__all__ = ["MarksTable"]

_NAME_WIDTH = 32
"""Maximum number of characters of a learner's name in the table; longer names are truncated."""


@dataclass(frozen=True, slots=True)
class MarksTable:
    """The marks of a class: one row for each learner, one column for each exercise.

    Attributes:
        notebooks: the notebooks that at least one learner has started, with their exercises. The
            exercises are the columns of the table.
        learners: maps each learner's name to the learner's results by exercise name. The learners
            are the rows of the table.
        problems: one sentence for each error in a progress file.
    """

    notebooks: list[Notebook]
    learners: dict[str, dict[str, Result]]
    problems: list[str]

    @classmethod
    def read(cls, files: Iterable[Path], course: Sequence[Notebook]) -> MarksTable:
        """Read progress files. A file that contains checks of several learners gives several rows.

        Args:
            files: paths of the progress files.
            course: the notebooks of the course, from ``read_course()``.

        Raises:
            OSError: a progress file cannot be opened or read.
        """
        checks: dict[str, list[ProgressEntry]] = {}
        problems = []
        for path in files:
            try:
                for entry in read(path):
                    if isinstance(entry, ProgressEntry):
                        checks.setdefault(entry.learner, []).append(entry)
                    else:
                        problems.append(str(entry))
            except FileFormatError as error:
                problems.append(str(error))
        learners = {name: report_of(checks[name]) for name in sorted(checks, key=str.casefold)}
        done = {exercise for results in learners.values() for exercise in results}
        return cls(columns(course, done), learners, problems)

    @property
    def points(self) -> int:
        """Maximum points that a learner can reach with the exercises of the table."""
        return sum(exercise.points for exercise in self._exercises())

    def text(self) -> str:
        """Return the table as text for a terminal.

        A cell contains the points of a right answer, ``-`` if the learner's answers were wrong, or
        ``.`` if the learner has not tried the exercise.
        """
        names = [one_line(name, _NAME_WIDTH) for name in self.learners]
        width = max(cell_len(name) for name in ["learner", *names])
        rows = [self._cells(results) for results in self.learners.values()]
        blocks = [_Block.of(notebook, rows) for notebook in self.notebooks]
        sums = [f"{points(self.notebooks, one)}/{self.points}" for one in self.learners.values()]
        lines = [
            "  ".join([" " * width, *(block.heading for block in blocks)]),
            "  ".join(
                [set_cell_size("learner", width), *(block.numbers for block in blocks), "points"]
            ),
        ]
        for name, row, total in zip(names, rows, sums, strict=True):
            cells = [block.row(row) for block in blocks]
            lines.append("  ".join([set_cell_size(name, width), *cells, total.rjust(6)]))
        return "\n".join(line.rstrip() for line in lines)

    def write_csv(self, file: TextIO) -> None:
        """Write the table as CSV.

        A cell contains the points of a right answer, or 0 if the learner's answers were wrong. It
        is empty if the learner has not tried the exercise.
        """
        table = csv.writer(file, lineterminator="\n")
        heads = [exercise.name for exercise in self._exercises()]
        table.writerow(["learner", *heads, "points", "of"])
        for name, results in self.learners.items():
            cells = self._cells(results)
            row = [{"-": 0, ".": ""}.get(cells[head], cells[head]) for head in heads]
            total = points(self.notebooks, results)
            table.writerow([_spreadsheet_text(name), *row, total, self.points])

    def _exercises(self) -> list[Exercise]:
        """Return the exercises of all notebooks of the table, in order."""
        return [each for notebook in self.notebooks for each in notebook.exercises]

    def _cells(self, results: Mapping[str, Result]) -> dict[str, str]:
        """Return the cell texts of one learner's row, by exercise name."""
        cells = {}
        for exercise in self._exercises():
            result = results.get(exercise.name)
            right = result is not None and result.right
            cells[exercise.name] = str(exercise.points) if right else "-" if result else "."
        return cells


@dataclass(frozen=True, slots=True)
class _Block:
    """The columns of one notebook in the text table.

    Attributes:
        heading: the notebook's name, padded to the width of all its columns.
        numbers: second line of the heading: the numbers of the notebook's exercises.
        columns: for each exercise of the notebook, its name and the column width in characters.
    """

    heading: str
    numbers: str
    columns: list[tuple[str, int]]

    @classmethod
    def of(cls, notebook: Notebook, rows: Sequence[Mapping[str, str]]) -> _Block:
        """Compute the column widths of a notebook from its heading and the cells of all rows."""
        heads = {each.name: each.name.rpartition("-")[2] for each in notebook.exercises}
        widths = {
            name: max(len(text) for text in [head, *(row[name] for row in rows)])
            for name, head in heads.items()
        }
        spare = len(notebook.name) - sum(widths.values()) - len(widths) + 1
        last = notebook.exercises[-1].name
        widths[last] += max(0, spare)
        numbers = " ".join(head.rjust(widths[name]) for name, head in heads.items())
        return cls(notebook.name.ljust(len(numbers)), numbers, list(widths.items()))

    def row(self, cells: Mapping[str, str]) -> str:
        """Return this notebook's cells of one learner, aligned to the column widths."""
        return " ".join(cells[name].rjust(width) for name, width in self.columns)


def _spreadsheet_text(name: str) -> str:
    """Return a learner's name for a CSV cell, escaped so that no spreadsheet runs it as a formula.

    A quote is added in front of a name that starts with ``=``, ``+``, ``-`` or ``@``.
    """
    text = one_line(name, 128)
    return f"'{text}" if text[:1] in set("=+-@") else text
