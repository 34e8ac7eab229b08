"""What is worth a mark on the whole time of a recording."""

from __future__ import annotations

from dataclasses import dataclass

from .readonly_file import Epoch, RecordingFile

__all__ = ["TimelineMark", "notable"]


@dataclass(frozen=True, slots=True)
class TimelineMark:
    """What happened in a part of a recording, to be marked on it.

    Attributes:
        time: of the Event that stands for the part, Unix seconds.
        kind: of that Event; ``restart`` for the last tick before the server was started anew.
        text: what happened.
        others: how many further Events the part has.
    """

    time: float
    kind: str
    text: str
    others: int = 0


def notable(file: RecordingFile, *, parts: int = 120) -> list[TimelineMark]:
    """Return what is worth a mark on the whole recording, oldest first.

    An Event stands for each part that has any, an error or a refusal before others; Events
    of connections that opened and closed are left out, restarts are all there.

    Args:
        file: the recording.
        parts: how many parts of equal length the recording is seen as.
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
