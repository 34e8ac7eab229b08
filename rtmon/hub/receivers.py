"""Those who get what is published in one place: in groups where they can be sent the same bytes."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from ..protocol.codecs import Codec
from ..servers.fanout import Flushed, Group
from .encoding import Outgoing, deliver
from .places import CHAT
from .stats import ChannelStats, StatsTable

if TYPE_CHECKING:
    from .connection import Session

__all__ = ["Outlet", "Outlets"]


class Outlet:
    """One place's receivers.

    Connections of ``websockets`` are in a group for each codec, where each message is framed
    once; sessions that collect batches of their own, and those of other transports, are handed
    it one by one.

    Args:
        key: the place.
        stats: finds where the place is counted.

    Attributes:
        version: as of which version of the receivers it is; None if they have changed.
    """

    def __init__(self, key: str, stats: Callable[[], ChannelStats]) -> None:
        self.key = key
        self.version: int | None = None
        self._stats = stats
        self._members: dict[Session, Any] = {}
        self._alone: dict[Session, None] = {}
        self._groups: dict[Codec, Group] = {}
        self._sessions: dict[Any, Session] = {}
        self._weight = 1

    def __len__(self) -> int:
        return len(self._members)

    def __contains__(self, session: Session) -> bool:
        return session in self._members

    def __iter__(self) -> Iterator[Session]:
        return iter(list(self._members))

    def add(self, session: Session) -> None:
        """Somebody gets what is published from now on."""
        connection = None if session.batching else session.peer.connection
        self._members[session] = connection
        if connection is None:
            self._alone[session] = None
            return
        group = self._groups.get(session.codec)
        if group is None:
            group = self._groups[session.codec] = Group(on_flushed=self._flushed)
        self._sessions[connection] = session
        group.add(connection)

    def drop(self, session: Session) -> None:
        """Somebody gets nothing more, after what was published before."""
        connection = self._members.pop(session)
        if connection is None:
            del self._alone[session]
            return
        self._groups[session.codec].discard(connection)
        del self._sessions[connection]

    def deliver(self, outgoing: Outgoing, *, skip: Session | None = None) -> None:
        """Hand a message to all of them, but for one who does not get it."""
        began = time.perf_counter()
        stats = self._stats()
        stats.published += outgoing.count
        if outgoing.count != self._weight:
            self.flush()
            self._weight = outgoing.count
        if self._alone:
            alone = [session for session in self._alone if session is not skip]
            deliver(alone, outgoing, stats=stats if outgoing.count else None)
        if outgoing.count and not self._groups:
            stats.took(time.perf_counter() - began)
        silent = None if skip is None else self._members.get(skip)

        def blocked(connection: Any, _: object) -> None:
            self._blocked(connection, outgoing)

        for codec, group in list(self._groups.items()):
            message, _ = outgoing.encoded(codec)
            group.publish(message, skip=() if silent is None else (silent,), on_blocked=blocked)

    def flush(self) -> None:
        """Write what waits for the end of the turn."""
        for group in list(self._groups.values()):
            group.flush()

    def _flushed(self, flushed: Flushed) -> None:
        stats = self._stats()
        if not self._weight:
            return  # what was not published is not counted among what was
        stats.delivered += self._weight * flushed.delivered
        stats.bytes += flushed.bytes
        for seconds in flushed.waited:
            stats.took(seconds)

    def _blocked(self, connection: Any, outgoing: Outgoing) -> None:
        """A connection cannot be written to: what becomes of the message, its peer decides."""
        session = self._sessions.get(connection)
        if session is not None:
            deliver((session,), outgoing, stats=self._stats() if outgoing.count else None)


class Outlets:
    """Place → its outlet, of those where something was published lately.

    Args:
        stats: where places are counted.
        capacity: how many to keep; the one longest unused goes first.
    """

    def __init__(self, stats: StatsTable, *, capacity: int) -> None:
        self._stats = stats
        self._capacity = capacity
        self._outlets: dict[str, Outlet] = {}
        # Where somebody is beside the chat: that is noted of nobody, because all are there.
        self._places: dict[Session, dict[str, None]] = {}

    def of(self, key: str, receivers: Collection[Session], version: int) -> Outlet:
        """The outlet of a place.

        Args:
            key: the place.
            receivers: who gets what is published there.
            version: another one when they may have changed in a way that :meth:`changed` was
                not told of.
        """
        outlet = self._outlets.pop(key, None)
        if outlet is None:
            outlet = Outlet(key, lambda: self._stats[key])
        if outlet.version != version:
            outlet.version = version
            self._bring_up_to_date(outlet, receivers)
        if outlet:
            self._outlets[key] = outlet
            if len(self._outlets) > self._capacity:
                self._bring_up_to_date(self._outlets.pop(next(iter(self._outlets))), ())
        return outlet

    def changed(self, key: str) -> None:
        """Somebody came to a place, or went."""
        if key in self._outlets:
            self._outlets[key].version = None

    def forget(self, session: Session) -> None:
        """Somebody is gone."""
        for outlet in self._holding(session):
            outlet.drop(session)
            if not outlet:
                del self._outlets[outlet.key]
        self._places.pop(session, None)

    def regroup(self, session: Session) -> None:
        """Somebody gets messages in another way, after what was published before."""
        for outlet in self._holding(session):
            outlet.drop(session)
            outlet.add(session)

    def _holding(self, session: Session) -> list[Outlet]:
        found = [self._outlets[key] for key in self._places.get(session, ())]
        chat = self._outlets.get(CHAT)
        return [chat, *found] if chat is not None and session in chat else found

    def _bring_up_to_date(self, outlet: Outlet, receivers: Iterable[Session]) -> None:
        wanted = dict.fromkeys(receivers)
        for session in outlet:
            if session not in wanted:
                outlet.drop(session)
                places = self._places.get(session, {})
                places.pop(outlet.key, None)
                if not places:
                    self._places.pop(session, None)
        for session in wanted:
            if session not in outlet:
                outlet.add(session)
                if outlet.key != CHAT:
                    self._places.setdefault(session, {})[outlet.key] = None
