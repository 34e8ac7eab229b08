"""Events from the broker other than publications: announcements, gaps, outages of the broker."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import msgspec

from ..protocol import catalog
from .broadcast import Broadcast
from .brokers.base import BrokerEvents, Note, client_key, user_key
from .brokers.node_messages import NODE_MESSAGES
from .connection_registry import ConnectionRegistry
from .hub_context import HubContext
from .join_leave_announcements import Change, JoinLeaveAnnouncements
from .node_requests import NodeRequests
from .outgoing_messages import Outgoing
from .receiver_groups import deliver
from .room_channel_keys import CHAT, USERS

__all__ = ["BrokerEventHandler"]

logger = logging.getLogger("rtmon.hub")


class BrokerEventHandler(BrokerEvents):
    """Passes the broker's events on to the clients of this node.

    Args:
        context: the hub's shared context.
        registry: the connections of this node.
        broadcast: delivers announcements to the receivers of a room, a channel or the chat.
        join_leave: announces the members of nodes that have died or have come back.
        calls: receives the requests and replies of other nodes.

    Attributes:
        report: called with a short title and a sentence, when the broker becomes unreachable and
            when it is reachable again; None if nothing is to be reported.
    """

    def __init__(
        self,
        context: HubContext,
        registry: ConnectionRegistry,
        broadcast: Broadcast,
        join_leave: JoinLeaveAnnouncements,
        calls: NodeRequests,
    ) -> None:
        self.report: Callable[[str, str], object] | None = None
        self._context = context
        self._registry = registry
        self._broadcast = broadcast
        self._join_leave = join_leave
        self._calls = calls

    def note(self, key: str, note: Note, count: int | None) -> None:
        payload, connections = note.payload, self._registry.connections
        if note.type in NODE_MESSAGES:
            self._calls.received(note)
            return
        if key.startswith(client_key("")):
            target = connections.get(key.removeprefix(client_key("")))
            if target is not None and target.id != note.skip:
                target.send(note.type, payload)
            return
        if key.startswith(user_key("")):
            if note.skip != self._context.node:
                self.notify(key.removeprefix(user_key("")), payload)
            return
        if isinstance(payload, catalog.People):
            local = len(self._registry.users) if key == USERS else self._registry.count(key)
            payload = msgspec.structs.replace(payload, user_count=local if count is None else count)
        message = self._context.messages.message(note.type, payload)
        place = CHAT if key == USERS else key
        self._broadcast.announce(place, message, skip=connections.get(note.skip or ""))

    def notify(self, user: str, payload: Any) -> int:
        """Send a notification to a user's connections on this node.

        Returns:
            The number of connections that accepted the notification.
        """
        message = self._context.messages.message("notification", payload)
        return deliver(self._registry.user_connections(user), Outgoing(message))

    def gap(self, key: str | None, epoch: str, offset: int) -> None:
        if key is None:
            for connection, pattern in self._registry.subscriptions.patterns():
                connection.send("gap", catalog.Gap(channel=pattern, recovered=False))
            return
        kind, _, name = key.partition(":")
        gap = catalog.Gap(
            channel=name if kind == "channel" else None,
            room=name if kind == "room" else None,
            epoch=epoch,
            offset=offset,
            recovered=False,
        )
        self._broadcast.flush(key)
        self._broadcast.announce(key, self._context.messages.message("gap", gap))

    def member_changed(
        self, change: Change, key: str, member: catalog.Member, remaining: int
    ) -> None:
        if key == CHAT or key.startswith("room:"):
            self._join_leave.add(key, change, member.client_id, member)
        elif key.startswith(user_key("")) and remaining == (change == "joined"):
            self._join_leave.add(USERS, change, key.removeprefix(user_key("")), member)

    def availability_changed(self, away: str | None) -> None:
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
                logger.exception("the report of the broker's condition failed")
