"""Tells people who is typing, and ends it for those who forget to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.timers import Alarm
from ..protocol import catalog, limits
from .brokers.base import Note, client_key
from .typing_state import Typists

if TYPE_CHECKING:
    from .connection import Session
    from .hub import Hub

__all__ = ["TypingPlaces"]


class TypingPlaces:
    """Who is typing where. A place is a key of the hub's, or ``client:`` and a client's id."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._typists: Typists[Session] = Typists(
            timeout=hub.options.typing_timeout, places=limits.TYPING_PER_CLIENT
        )
        self._alarm = Alarm(self._expire)

    def start(self, session: Session, place: str) -> None:
        """Somebody types."""
        news, ended = self._typists.start(session, place, now=self._hub.clock())
        for old in ended:
            self._tell(session, old, "typing_end")
        if news:
            self._tell(session, place, "typing_start")
        self._alarm.set(self._hub.options.typing_timeout)

    def stop(self, session: Session, place: str) -> None:
        """Somebody stopped, or said what they were typing."""
        if self._typists.stop(session, place):
            self._tell(session, place, "typing_end")

    def drop(self, session: Session) -> None:
        """Somebody is gone."""
        for place in self._typists.drop(session):
            self._tell(session, place, "typing_end")

    def _expire(self) -> None:
        for session, place in self._typists.expired(self._hub.clock()):
            self._tell(session, place, "typing_end")
        due = self._typists.next()
        if due is not None:
            self._alarm.set(max(0.001, due - self._hub.clock()))

    def _tell(self, session: Session, place: str, kind: str) -> None:
        room = place.removeprefix("room:") if place.startswith("room:") else None
        mark = client_key("")
        to = place.removeprefix(mark) if place.startswith(mark) else None
        payload = catalog.TypingNote(client_id=session.id, name=session.name, room=room, to=to)
        self._hub.broker.tell(place, Note(type=kind, payload=payload, skip=session.id))
