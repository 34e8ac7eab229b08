"""The progress file of a learner: one line of JSON for each check, appended.

It is the learner's own file and can be edited, so it shows progress and proves nothing.
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
"""Environment variable: path of the progress file, or ``off`` for none."""

LEARNER = "RTMON_LEARNER"
"""Environment variable: the learner's name."""

CHANNEL = "course.progress"
"""The class server's channel on which reports are published."""

FULL = 5_000_000
"""Bytes of a progress file after which nothing is appended."""

EXERCISE = r"^[A-Za-z0-9_]{1,32}-[0-9]{1,3}$"
"""The name of an exercise: a notebook and a number, such as ``01-2``."""

Exercise = Annotated[str, Meta(pattern=EXERCISE)]
Name = Annotated[str, Meta(min_length=1, max_length=128)]
Points = Annotated[int, Meta(ge=1, le=1_000)]
Note = Annotated[str, Meta(max_length=200)]


class ProgressEntry(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one check: a line of a progress file.

    Attributes:
        time: Unix seconds.
        learner: the learner's name.
        exercise: a notebook and a number, such as ``01-2``.
        claim: the condition to meet, in words.
        right: whether it held.
        points: points of a right answer.
        note: the missing part, in one sentence; empty if nothing was missing.
    """

    time: float
    learner: Name
    exercise: Exercise
    claim: str
    right: bool
    points: Points
    note: Note = ""


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """The combined result of all checks of one exercise.

    Attributes:
        right: whether one of them was right; it stays so.
        tries: how many there were.
        points: points of a right answer.
        note: the missing part at the last check; empty once one was right.
    """

    right: bool
    tries: Annotated[int, Meta(ge=1)]
    points: Points = 1
    note: Note = ""


Report = Annotated[dict[Exercise, Result], Meta(max_length=200)]
"""Exercise → result: all that one learner has done."""


def progress_file() -> Path | None:
    """Return the path of this learner's progress file; None if there is to be none."""
    path = os.environ.get(FILE, "rtmon-progress.jsonl")
    return None if path.lower() in {"", "off"} else Path(path).expanduser()


def learner() -> str:
    """Return the learner's name: RTMON_LEARNER, the name at a JupyterHub, or the login."""
    name = os.environ.get(LEARNER) or os.environ.get("JUPYTERHUB_USER") or _login()
    return one_line(name, 128)


def one_line(text: str, length: int) -> str:
    """Return text without control characters, cut to a length."""
    return "".join(mark if mark.isprintable() else " " for mark in text[:length])


def _login() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user may have no name
        return "learner"


def append(path: Path, entry: ProgressEntry) -> None:
    """Append a check to a progress file.

    Raises:
        OSError: it cannot be written, or is full.
    """
    with path.open("ab") as file:
        if file.tell() > FULL:
            raise OSError(f"{path} is full ({FULL:,} bytes): move it away to start a new one")
        file.write(msgspec.json.encode(entry) + b"\n")


def read(path: Path) -> Iterator[ProgressEntry | FileFormatError]:
    """Read a progress file; for a line that is none, the error is returned in its place.

    Raises:
        OSError: it cannot be read.
        FileFormatError: it is larger than any progress file.
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
    """Return the checks of one learner in a progress file.

    Raises:
        OSError: it cannot be read.
        FileFormatError: it is larger than any progress file.
    """
    return [each for each in read(path) if isinstance(each, ProgressEntry) and each.learner == name]


def report_of(entries: Iterable[ProgressEntry]) -> dict[str, Result]:
    """Sum up one learner's checks, in the order in which they were made."""
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
    """Merge two reports of one learner, which may have come out of order.

    The tries of both are not added: the later report counts those of the earlier one too.
    """
    merged = dict(known)
    for exercise, new in report.items():
        old = known.get(exercise, new)
        right = old.right or new.right
        later = new if new.tries >= old.tries else old
        note = "" if right else later.note
        merged[exercise] = Result(right=right, tries=later.tries, points=later.points, note=note)
    return merged
