"""What comes from the broker and is no publication: what other nodes tell, and its own troubles."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from ..protocol import catalog
from .brokers.base import BrokerEvents, Note, client_key, user_key
from .encoding import Outgoing, deliver
from .lifecycle import USERS
from .places import CHAT

if TYPE_CHECKING:
    from .hub import Hub

__all__ = ["Exchange"]

logger = logging.getLogger("rtmon.hub")


class Exchange(BrokerEvents):
    """Hands on to those who are here what the broker has for them.

    Attributes:
        report: called with a few words and a sentence when the broker goes away, and when it is
            back; None for nobody.
    """

    def __init__(self, hub: Hub) -> None:
        self.report: Callable[[str, str], object] | None = None
        self._hub = hub

    def told(self, key: str, note: Note, count: int | None) -> None:
        hub, payload = self._hub, note.payload
        if key.startswith(client_key("")):
            target = hub.audience.sessions.get(key.removeprefix(client_key("")))
            if target is not None and target.id != note.skip:
                target.send(note.type, payload)
            return
        if key.startswith(user_key("")):
            if note.skip != hub.node:
                self.notify(key.removeprefix(user_key("")), payload)
            return
        if isinstance(payload, catalog.People):
            here = len(hub.reception.users) if key == USERS else hub.audience.count(key)
            payload = msgspec.structs.replace(payload, user_count=here if count is None else count)
        skip = hub.audience.sessions.get(note.skip or "")
        place = CHAT if key == USERS else key
        hub.audience.tell(place, hub.message(note.type, payload), skip=skip)

    def notify(self, user: str, payload: Any) -> int:
        """Tell a user something on the connections that are here. Returns how many."""
        hub = self._hub
        sessions = [hub.audience.sessions[id_] for id_ in hub.reception.users.connections(user)]
        return deliver(sessions, Outgoing(hub.message("notification", payload)))

    def lost(self, key: str | None, epoch: str, offset: int) -> None:
        audience = self._hub.audience
        if key is None:
            for session, pattern in audience.channels.patterns():
                session.send("gap", catalog.Gap(channel=pattern, recovered=False))
            return
        kind, _, name = key.partition(":")
        gap = catalog.Gap(
            channel=name if kind == "channel" else None,
            room=name if kind == "room" else None,
            epoch=epoch,
            offset=offset,
            recovered=False,
        )
        audience.flush(key)
        audience.tell(key, self._hub.message("gap", gap))

    def moved(
        self, change: Literal["came", "went"], key: str, member: catalog.Member, remaining: int
    ) -> None:
        arrivals = self._hub.reception.arrivals
        if key == CHAT or key.startswith("room:"):
            arrivals.add(key, change, member.client_id, member)
        elif key.startswith(user_key("")) and remaining == (change == "came"):
            arrivals.add(USERS, change, key.removeprefix(user_key("")), member)

    def condition(self, away: str | None) -> None:
        if away is None:
            what, detail = "broker back", "Other nodes can be reached again."
            logger.info(detail)
        else:
            what, detail = "broker away", away
            logger.warning("%s", away)
        if self.report is not None:
            try:
                self.report(what, detail)
            except Exception:
                logger.exception("who is told of the broker failed")
