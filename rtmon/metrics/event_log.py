"""The class EventLog, which collects the Events that occur between two ticks."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from .records import Event
from .safe_text import safe_text

if TYPE_CHECKING:
    from .meter import Meter

__all__ = ["EVENTS_PER_TICK", "EventLog"]

EVENTS_PER_TICK = 1000
"""Maximum number of Events kept between two ticks. Further ones are counted and dropped."""


class EventLog:
    """Assigns numbers to Events, and keeps the Events since the last tick."""

    def __init__(self) -> None:
        self._seq = 0
        self._events: list[tuple[Event, Meter | None]] = []
        self._lost = 0

    def add(
        self,
        kind: str,
        time: float,
        *,
        meter: Meter | None = None,
        code: int | None = None,
        detail: str | None = None,
    ) -> None:
        """Add an Event. If :data:`EVENTS_PER_TICK` is reached, only count the Event as dropped.

        Args:
            kind: kind of the Event, such as ``opened``.
            time: Unix seconds.
            meter: Meter of the connection that the Event is about; None for no connection.
            code: close code or HTTP status; None for neither.
            detail: description of the Event.
        """
        if len(self._events) >= EVENTS_PER_TICK:
            self._lost += 1
        else:
            self._append(kind, time, meter, code, detail)

    def take(self, time: float) -> tuple[Event, ...]:
        """Return the Events since the last call, in order.

        If Events were dropped, the last one has the kind ``events dropped`` and their number.

        Args:
            time: Unix seconds, for this last Event.
        """
        if self._lost:
            lost, self._lost = self._lost, 0
            self._append("events dropped", time, None, None, f"{lost:,} more in one tick")
        events = tuple(_of_client(event, meter) for event, meter in self._events)
        self._events = []
        return events

    def _append(
        self, kind: str, time: float, meter: Meter | None, code: int | None, detail: str | None
    ) -> None:
        self._seq += 1
        event = Event(
            seq=self._seq,
            time=time,
            kind=kind,
            connection=None if meter is None else meter.id,
            name=None if meter is None else safe_text(meter.name),
            remote=None if meter is None else safe_text(meter.remote),
            code=code,
            detail=safe_text(detail),
        )
        self._events.append((event, meter))


def _of_client(event: Event, meter: Meter | None) -> Event:
    """Return the Event with the ``client_id`` of its connection.

    A hub assigns this id after the connection has opened, so it may be missing when the Event is
    created.
    """
    if meter is None or meter.client_id is None:
        return event
    return replace(event, client_id=safe_text(meter.client_id))
