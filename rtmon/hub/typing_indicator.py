"""Typing indicators, ended for clients that forget to end them."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

from ..core.reusable_timer import Timer
from ..protocol import catalog, limits
from .brokers.base import Note, client_key
from .connection import Connection
from .context import HubContext

__all__ = ["TypingIndicators", "TypingState"]

M = TypeVar("M", bound=Hashable)


class TypingState(Generic[M]):
    """Members that are typing, each in some places. Pure: time is passed in.

    Args:
        timeout: seconds after which a member that does not repeat it has stopped typing.
        places: places of one member at once; past it the oldest is ended.
    """

    def __init__(self, *, timeout: float, places: int) -> None:
        self._timeout = timeout
        self._places = places
        self._until: dict[M, dict[str, float]] = {}

    def start(self, member: M, place: str, *, now: float) -> tuple[bool, list[str]]:
        """Note that a member types in a place.

        Returns:
            Whether it did not before, and the places where its typing is ended by this.
        """
        places = self._until.setdefault(member, {})
        new = places.pop(place, None) is None
        places[place] = now + self._timeout
        ended = list(places)[: max(0, len(places) - self._places)]
        for old in ended:
            del places[old]
        return new, ended

    def stop(self, member: M, place: str) -> bool:
        """Note that a member stopped typing in a place. Returns whether it was typing there."""
        places = self._until.get(member)
        if places is None or places.pop(place, None) is None:
            return False
        if not places:
            del self._until[member]
        return True

    def drop(self, member: M) -> list[str]:
        """Forget a member. Returns the places where it was typing."""
        return list(self._until.pop(member, ()))

    def expired(self, now: float) -> list[tuple[M, str]]:
        """Remove and return the members and places whose timeout has passed."""
        over = [
            (member, place)
            for member, places in self._until.items()
            for place, until in places.items()
            if until <= now
        ]
        for member, place in over:
            self.stop(member, place)
        return over

    def next(self) -> float | None:
        """Return the time of the next expiry; None if no member types."""
        return min(
            (until for places in self._until.values() for until in places.values()), default=None
        )


class TypingIndicators:
    """Tells the other members of a place which clients are typing.

    A place is a key of the hub's, or ``client:`` and the id of a single client.

    Args:
        context: of the hub.
    """

    def __init__(self, context: HubContext) -> None:
        self._context = context
        self._state: TypingState[Connection] = TypingState(
            timeout=context.options.typing_timeout, places=limits.TYPING_PER_CLIENT
        )
        self._timer = Timer(self._expire)

    def start(self, connection: Connection, place: str) -> None:
        """Announce that a client is typing."""
        new, ended = self._state.start(connection, place, now=self._context.clock())
        for old in ended:
            self._announce(connection, old, "typing_end")
        if new:
            self._announce(connection, place, "typing_start")
        self._timer.set(self._context.options.typing_timeout)

    def stop(self, connection: Connection, place: str) -> None:
        """Announce that a client stopped typing, if it was."""
        if self._state.stop(connection, place):
            self._announce(connection, place, "typing_end")

    def drop(self, connection: Connection) -> None:
        """End all typing of a connection that has ended."""
        for place in self._state.drop(connection):
            self._announce(connection, place, "typing_end")

    def _expire(self) -> None:
        for connection, place in self._state.expired(self._context.clock()):
            self._announce(connection, place, "typing_end")
        due = self._state.next()
        if due is not None:
            self._timer.set(max(0.001, due - self._context.clock()))

    def _announce(self, connection: Connection, place: str, kind: str) -> None:
        prefix = client_key("")
        payload = catalog.TypingNote(
            client_id=connection.id,
            name=connection.name,
            room=place.removeprefix("room:") if place.startswith("room:") else None,
            to=place.removeprefix(prefix) if place.startswith(prefix) else None,
        )
        self._context.broker.send_note(place, Note(type=kind, payload=payload, skip=connection.id))
