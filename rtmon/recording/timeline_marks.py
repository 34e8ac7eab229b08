"""Marks on a recording's time slider: restarts, errors, rejected handshakes and other Events."""

from __future__ import annotations

from dataclasses import dataclass

from .readonly_file import Epoch, RecordingFile

__all__ = ["TimelineMark", "notable"]


@dataclass(frozen=True, slots=True)
class TimelineMark:
    """A mark on the time slider of a recording; it represents one part of the slider.

    Attributes:
        time: Unix time of the marked Event. For a restart, that of the last tick before the
            restart.
        kind: kind of the marked Event; ``restart`` for a restart of the server.
        text: description of the Event.
        others: number of further Events in the same part of the slider.
    """

    time: float
    kind: str
    text: str
    others: int = 0


def notable(file: RecordingFile, *, parts: int = 120) -> list[TimelineMark]:
    """Return the marks for a whole recording, oldest first.

    A part of the time slider has one mark if Events happened in it, preferably for an error or a
    rejected handshake. Opened and closed connections are not marked. Every restart is marked.

    Args:
        file: the opened recording.
        parts: number of equal parts into which the slider is divided.
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
    """Return the time of the last tick before an epoch began; without one, the epoch's start."""
    return file.source(epoch.wall - 1e-3).time or epoch.wall
