"""The table of the progress wall: a row for each learner, a column for each exercise. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from ..progress_files import Report, Result, merge, one_line
from ..syllabus import Notebook, columns, points

__all__ = ["ProgressBoard"]

ROWS_MOST = 200
"""Learners on the wall; the names of further ones are counted."""

EXERCISES_MOST = 200
"""Exercises of one learner."""


@dataclass(slots=True)
class _Row:
    """A learner: all results, and when the last report came, in Unix seconds."""

    results: dict[str, Result] = field(default_factory=dict)
    seen: float = 0.0


class ProgressBoard:
    """Collects reports of learners.

    Reports come from any client of the class server. A bad one is counted and changes nothing.

    Attributes:
        refused: how many reports were no reports.

    Args:
        course: its exercises.
    """

    def __init__(self, course: Sequence[Notebook]) -> None:
        self.refused = 0
        self._course = course
        self._rows: dict[str, _Row] = {}
        self._left_out: set[str] = set()

    def report(self, learner: object, report: object, time: float) -> bool:
        """Add a learner's report; returns True if the wall changes.

        Args:
            learner: the publisher's name.
            report: the published report.
            time: when, in Unix seconds.
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
        """Return the whole wall as the page reads it."""
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
    return {name: (one.right, one.tries, one.note) for name, one in results.items()}
