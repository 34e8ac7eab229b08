"""Typing indicators: announce which clients are typing, and end indicators after a timeout."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

from ..core.reusable_timer import Timer
from ..protocol import catalog, limits
from .brokers.base import Note, client_key
from .connection import Connection
from .hub_context import HubContext

__all__ = ["TypingIndicators", "TypingState"]

M = TypeVar("M", bound=Hashable)


class TypingState(Generic[M]):
    """Records where each member is typing. The caller passes the time.

    A place is the key of a room, of the chat, or of a single receiver.

    Args:
        timeout: seconds after which a member that sends no further ``typing_start`` has stopped.
        places: maximum number of places in which a member types at the same time. Above this
            number, typing ends in the place that the member typed in least recently.
    """

    def __init__(self, *, timeout: float, places: int) -> None:
        self._timeout = timeout
        self._places = places
        self._until: dict[M, dict[str, float]] = {}

    def start(self, member: M, place: str, *, now: float) -> tuple[bool, list[str]]:
        """Record that a member is typing in a room, in the chat, or to a single receiver.

        Args:
            member: the member.
            place: key of the room, of the chat or of the receiver.
            now: the time, in monotonic seconds.

        Returns:
            A pair: True if the member was not yet typing in this place, else False; and a list of
            other places where the member counts as no longer typing, because it has exceeded the
            maximum number of places.
        """
        places = self._until.setdefault(member, {})
        new = places.pop(place, None) is None
        places[place] = now + self._timeout
        ended = list(places)[: max(0, len(places) - self._places)]
        for old in ended:
            del places[old]
        return new, ended

    def stop(self, member: M, place: str) -> bool:
        """Record that a member has stopped typing in a room, in the chat, or to a single receiver.

        Returns:
            False if the member was not typing there.
        """
        places = self._until.get(member)
        if places is None or places.pop(place, None) is None:
            return False
        if not places:
            del self._until[member]
        return True

    def drop(self, member: M) -> list[str]:
        """Remove a member. Returns the keys of the rooms and receivers it was typing to."""
        return list(self._until.pop(member, ()))

    def expired(self, now: float) -> list[tuple[M, str]]:
        """Remove the typing indicators whose timeout has passed.

        Returns:
            A pair for each removed indicator: the member, and the key of the room, the chat or the
            receiver.
        """
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
        """Return the time of the next timeout; None if no member is typing."""
        return min(
            (until for places in self._until.values() for until in places.values()), default=None
        )


class TypingIndicators:
    """Announces to other clients which clients are typing.

    A place is the key of a room, of the chat, or ``client:`` and the id of a single receiver.

    Args:
        context: the hub's shared context.
    """

    def __init__(self, context: HubContext) -> None:
        self._context = context
        self._state: TypingState[Connection] = TypingState(
            timeout=context.options.typing_timeout, places=limits.TYPING_PER_CLIENT
        )
        self._timer = Timer(self._expire)

    def start(self, connection: Connection, place: str) -> None:
        """Announce that a client is typing, unless this was announced already."""
        new, ended = self._state.start(connection, place, now=self._context.clock())
        for old in ended:
            self._announce(connection, old, "typing_end")
        if new:
            self._announce(connection, place, "typing_start")
        self._timer.set(self._context.options.typing_timeout)

    def stop(self, connection: Connection, place: str) -> None:
        """Announce that a client has stopped typing, if it was typing there."""
        if self._state.stop(connection, place):
            self._announce(connection, place, "typing_end")

    def drop(self, connection: Connection) -> None:
        """End all typing indicators of an ended connection."""
        for place in self._state.drop(connection):
            self._announce(connection, place, "typing_end")

    def _expire(self) -> None:
        """End the typing indicators whose timeout has passed."""
        for connection, place in self._state.expired(self._context.clock()):
            self._announce(connection, place, "typing_end")
        due = self._state.next()
        if due is not None:
            self._timer.set(max(0.001, due - self._context.clock()))

    def _announce(self, connection: Connection, place: str, kind: str) -> None:
        """Send ``typing_start`` or ``typing_end`` to the room, the chat or the single receiver.

        The typing client itself does not get the message.
        """
        prefix = client_key("")
        payload = catalog.TypingNote(
            client_id=connection.id,
            name=connection.name,
            room=place.removeprefix("room:") if place.startswith("room:") else None,
            to=place.removeprefix(prefix) if place.startswith(prefix) else None,
        )
        self._context.broker.send_note(place, Note(type=kind, payload=payload, skip=connection.id))
