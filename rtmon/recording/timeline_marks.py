"""Marks on the timeline of a recording: restarts, errors, refusals and other Events."""

from __future__ import annotations

from dataclasses import dataclass

from .readonly_file import Epoch, RecordingFile

__all__ = ["TimelineMark", "notable"]


@dataclass(frozen=True, slots=True)
class TimelineMark:
    """A mark on the timeline of a recording.

    Attributes:
        time: of the Event that stands for the part, Unix seconds.
        kind: of that Event; ``restart`` for the last tick before the server was started anew.
        text: its description.
        others: number of further Events in the same part.
    """

    time: float
    kind: str
    text: str
    others: int = 0


def notable(file: RecordingFile, *, parts: int = 120) -> list[TimelineMark]:
    """Return the marks of a whole recording, oldest first.

    Each part with Events has one mark, preferably for an error or a refusal. Events of opened and
    closed connections are omitted; every restart is marked.

    Args:
        file: the recording.
        parts: number of equal parts of the timeline.
    """
    span = file.span()
    if span is None:
        return []
    begin, width = span[0], max(1.0, (span[1] - span[0]) / parts)
    found = [
        TimelineMark(time, kind, " · ".join(filter(None, (name, detail))), count - 1)
        for time, kind, name, detail, _, count in file.plain(
            "SELECT time, kind, ifnull(name, connection), detail, "
            "max(kind IN ('error', 'rejected')), count(*) FROM events "
            "WHERE kind NOT IN ('opened', 'closed') "
            "GROUP BY CAST((time - ?) / ? AS INTEGER) ORDER BY time",
            *(begin, width),
        )
    ]
    restarts = [
        TimelineMark(
            _last_tick_before(file, epoch), "restart", "The server was started anew after this."
        )
        for epoch in file.epochs()[1:]
    ]
    return sorted([*found, *restarts], key=lambda moment: moment.time)


def _last_tick_before(file: RecordingFile, epoch: Epoch) -> float:
    """Return the time of the last tick before an epoch, or its begin if there is none."""
    return file.source(epoch.wall - 1e-3).time or epoch.wall
