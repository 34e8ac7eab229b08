"""Who is typing where, until they stop or say no more. Pure: time is passed in."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

__all__ = ["Typists"]

M = TypeVar("M", bound=Hashable)


class Typists(Generic[M]):
    """Members who are typing, each in some places.

    Args:
        timeout: seconds after which somebody who does not say so again has stopped.
        places: most places for one member; past it the oldest is ended.
    """

    def __init__(self, *, timeout: float, places: int) -> None:
        self._timeout = timeout
        self._places = places
        self._until: dict[M, dict[str, float]] = {}

    def start(self, member: M, place: str, *, now: float) -> tuple[bool, list[str]]:
        """Somebody types. Returns whether this is news, and places that ended by it."""
        places = self._until.setdefault(member, {})
        news = places.pop(place, None) is None
        places[place] = now + self._timeout
        ended = list(places)[: max(0, len(places) - self._places)]
        for old in ended:
            del places[old]
        return news, ended

    def stop(self, member: M, place: str) -> bool:
        """Somebody no longer types. Returns whether this is news."""
        places = self._until.get(member)
        if places is None or places.pop(place, None) is None:
            return False
        if not places:
            del self._until[member]
        return True

    def drop(self, member: M) -> list[str]:
        """Somebody is gone. Returns the places where they were typing."""
        return list(self._until.pop(member, ()))

    def expired(self, now: float) -> list[tuple[M, str]]:
        """Take those who have said nothing for too long."""
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
        """When the next one expires; None if nobody types."""
        return min(
            (until for places in self._until.values() for until in places.values()), default=None
        )
