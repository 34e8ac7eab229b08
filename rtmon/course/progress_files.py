"""Write and read progress files, which contain the results of a learner's checks as JSON lines.

Each ``check()`` of an exercise appends one line. A learner can edit the file, so its content is
no proof that the learner solved the exercises.
"""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from ..errors import FileFormatError

__all__ = [
    "CHANNEL",
    "EXERCISE",
    "ProgressEntry",
    "Report",
    "Result",
    "append",
    "entries_of",
    "learner",
    "merge",
    "one_line",
    "progress_file",
    "read",
    "report_of",
]

FILE = "RTMON_PROGRESS"
"""Environment variable: path of the progress file, or ``off`` to write no progress file."""

LEARNER = "RTMON_LEARNER"
"""Environment variable: the learner's name in progress files and on the class server."""

CHANNEL = "course.progress"
"""Channel of the class server on which learners publish their reports."""

FULL = 5_000_000
"""Size in bytes above which nothing more is appended to a progress file."""

EXERCISE = r"^[A-Za-z0-9_]{1,32}-[0-9]{1,3}$"
"""Regular expression for the name of an exercise: a notebook and a number, such as ``01-2``."""

Exercise = Annotated[str, Meta(pattern=EXERCISE)]
Name = Annotated[str, Meta(min_length=1, max_length=128)]
Points = Annotated[int, Meta(ge=1, le=1_000)]
Note = Annotated[str, Meta(max_length=200)]


class ProgressEntry(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one ``check()`` of an exercise, stored as one line of a progress file.

    Attributes:
        time: when the check ended, in Unix seconds.
        learner: the learner's name.
        exercise: the exercise's name: a notebook and a number, such as ``01-2``.
        claim: the condition that the learner had to meet, as text.
        right: True if the answer was right.
        points: points for a right answer.
        note: a sentence about what the answer misses; empty if the check has no such sentence.
    """

    time: float
    learner: Name
    exercise: Exercise
    claim: str
    right: bool
    points: Points
    note: Note = ""


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """The combined result of all checks that one learner made for one exercise.

    Attributes:
        right: True if at least one of the checks found a right answer.
        tries: number of checks.
        points: points for a right answer.
        note: a sentence about what the answer missed at the last check; empty once an answer was
            right.
    """

    right: bool
    tries: Annotated[int, Meta(ge=1)]
    points: Points = 1
    note: Note = ""


Report = Annotated[dict[Exercise, Result], Meta(max_length=200)]
"""All results of one learner, by exercise name. At most 200 exercises."""


def progress_file() -> Path | None:
    """Return the path of the progress file from RTMON_PROGRESS; None if its value is ``off``.

    The default is ``rtmon-progress.jsonl`` in the current directory.
    """
    path = os.environ.get(FILE, "rtmon-progress.jsonl")
    return None if path.lower() in {"", "off"} else Path(path).expanduser()


def learner() -> str:
    """Return the learner's name: RTMON_LEARNER, the JupyterHub user name, or the login name."""
    name = os.environ.get(LEARNER) or os.environ.get("JUPYTERHUB_USER") or _login()
    return one_line(name, 128)


def one_line(text: str, length: int) -> str:
    """Replace characters that are not printable by spaces, and truncate the text to a length."""
    return "".join(mark if mark.isprintable() else " " for mark in text[:length])


def _login() -> str:
    """Return the login name of the user who runs the process, or ``"learner"``."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # The user id of a container may have no name.
        return "learner"


def append(path: Path, entry: ProgressEntry) -> None:
    """Append the result of one check to a progress file.

    Raises:
        OSError: the file cannot be written, or is larger than 5 MB.
    """
    with path.open("ab") as file:
        if file.tell() > FULL:
            raise OSError(f"{path} is full ({FULL:,} bytes): move it away to start a new one")
        file.write(msgspec.json.encode(entry) + b"\n")


def read(path: Path) -> Iterator[ProgressEntry | FileFormatError]:
    """Read a progress file line by line.

    Yields a :class:`ProgressEntry` for each valid line, and a FileFormatError for each other line.
    Empty lines are skipped.

    Raises:
        OSError: the file cannot be read.
        FileFormatError: the file is larger than 10 MB, so it is no progress file.
    """
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_size > 2 * FULL:
            raise FileFormatError(f"{path} is larger than any progress file: {2 * FULL:,} bytes")
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                yield msgspec.json.decode(line, type=ProgressEntry)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                yield FileFormatError(
                    f"{path}, line {number}: not a line of a progress file, left out: {error}"
                )


def entries_of(path: Path, name: str) -> list[ProgressEntry]:
    """Return the results of all checks of one learner from a progress file, the oldest first.

    Raises:
        OSError: the file cannot be read.
        FileFormatError: the file is larger than 10 MB, so it is no progress file.
    """
    return [each for each in read(path) if isinstance(each, ProgressEntry) and each.learner == name]


def report_of(entries: Iterable[ProgressEntry]) -> dict[str, Result]:
    """Combine the checks of one learner into one result for each exercise.

    Args:
        entries: the learner's checks, the oldest first.
    """
    report: dict[str, Result] = {}
    for entry in entries:
        one = Result(right=entry.right, tries=1, points=entry.points, note=entry.note)
        before = report.get(entry.exercise)
        if before is not None:
            right = before.right or one.right
            note = "" if right else one.note
            one = Result(right=right, tries=before.tries + 1, points=one.points, note=note)
        report[entry.exercise] = one
    return report


def merge(known: Mapping[str, Result], report: Mapping[str, Result]) -> dict[str, Result]:
    """Merge two reports of the same learner; either of them may be the newer one.

    An exercise is right if it is right in one of the reports. The larger number of tries is used.
    The numbers are not added, because the newer report already includes the tries of the older
    report.
    """
    merged = dict(known)
    for exercise, new in report.items():
        old = known.get(exercise, new)
        right = old.right or new.right
        later = new if new.tries >= old.tries else old
        note = "" if right else later.note
        merged[exercise] = Result(right=right, tries=later.tries, points=later.points, note=note)
    return merged
