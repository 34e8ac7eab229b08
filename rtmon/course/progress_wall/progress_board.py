"""Collect the reports of learners in the table that the progress wall shows. No I/O.

The table has one row for each learner and one column for each exercise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from ..progress_files import Report, Result, merge, one_line
from ..syllabus import Notebook, columns, points

__all__ = ["ProgressBoard"]

ROWS_MOST = 200
"""Maximum number of learners on the progress wall; additional learners are only counted."""

EXERCISES_MOST = 200
"""Maximum number of exercises in the row of one learner."""


@dataclass(slots=True)
class _Row:
    """The row of one learner.

    Attributes:
        results: the learner's results, by exercise name.
        seen: time of the last report that changed a result, in Unix seconds.
    """

    results: dict[str, Result] = field(default_factory=dict)
    seen: float = 0.0


class ProgressBoard:
    """Collects the reports of learners, and returns the content of the progress wall.

    Any client of the class server can publish a report. An invalid report is counted and changes
    nothing else.

    Attributes:
        refused: number of invalid reports.

    Args:
        course: the notebooks of the course with their exercises.
    """

    def __init__(self, course: Sequence[Notebook]) -> None:
        self.refused = 0
        self._course = course
        self._rows: dict[str, _Row] = {}
        self._left_out: set[str] = set()

    def report(self, learner: object, report: object, time: float) -> bool:
        """Add a learner's report. Returns True if the content of the progress wall changes.

        Args:
            learner: name of the client that published the report.
            report: payload of the publication. This method validates the payload.
            time: when the report was published, in Unix seconds.
        """
        try:
            results = msgspec.convert(report, Report)
            name = one_line(msgspec.convert(learner, str), 128)
        except msgspec.ValidationError:
            self.refused += 1
            return False
        if not results:
            return False
        if name not in self._rows and len(self._rows) >= ROWS_MOST:
            known = len(self._left_out)
            if known < ROWS_MOST:
                self._left_out.add(name)
            return len(self._left_out) > known
        row = self._rows.setdefault(name, _Row())
        merged = merge(row.results, results)
        if len(merged) > EXERCISES_MOST:
            self.refused += 1
            return False
        changed = merged != row.results
        row.results = merged
        row.seen = max(row.seen, time) if changed else row.seen
        return changed

    def state(self) -> dict[str, Any]:
        """Return the content of the progress wall, in the JSON form that wall.js reads."""
        shown = columns(self._course, {name for row in self._rows.values() for name in row.results})
        return {
            "notebooks": [
                {
                    "name": notebook.name,
                    "title": notebook.title,
                    "exercises": [
                        {"name": each.name, "claim": each.claim, "points": each.points}
                        for each in notebook.exercises
                    ],
                }
                for notebook in shown
            ],
            "learners": [
                {
                    "name": name,
                    "results": _cells(row.results),
                    "points": points(shown, row.results),
                    "seen": row.seen,
                }
                for name, row in sorted(self._rows.items(), key=lambda item: item[0].casefold())
            ],
            "more": len(self._left_out),
        }


def _cells(results: Mapping[str, Result]) -> dict[str, tuple[bool, int, str]]:
    """Return the name of each exercise of one learner → ``(right, tries, note)``."""
    return {name: (one.right, one.tries, one.note) for name, one in results.items()}
