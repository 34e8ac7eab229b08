"""Contexts and connections for tests of a single part of a hub."""

from __future__ import annotations

from typing import Any

import msgspec

from rtmon.hub.brokers.base import BrokerEvents, Draft, Published
from rtmon.hub.brokers.memory import MemoryBroker
from rtmon.hub.connection import Connection
from rtmon.hub.connection_registry import ConnectionRegistry
from rtmon.hub.hub_context import HubContext
from rtmon.hub.options import HubOptions
from rtmon.testing import FakeClock
from tests.hub.clients import MemoryPeer


class Notes(BrokerEvents):
    """Records the announcements that a part of the hub sends through the broker."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, Any]] = []

    def note(self, key: str, note: Any, count: int | None) -> None:
        self.seen.append((key, note.type, note.payload))

    def take(self) -> list[tuple[str, str]]:
        """Return the key and message type of each announcement since the last call."""
        seen, self.seen = self.seen, []
        return [(key, kind) for key, kind, _ in seen]


def make_context(clock: FakeClock | None = None, **options: Any) -> HubContext:
    """Return a hub context with a memory broker, and a clock that the test sets."""
    clock = clock or FakeClock()
    return HubContext(
        options=HubOptions(**options),
        broker=MemoryBroker(clock=clock.monotonic),
        clock=clock.monotonic,
        wall=clock.time,
        node="node",
    )


def make_connection(
    context: HubContext, registry: ConnectionRegistry | None = None, *, remote: str | None = None
) -> Connection:
    """Return a connection with a memory transport; with a registry, it is already welcomed."""
    peer = MemoryPeer()
    peer.remote = remote
    connection = Connection(context, peer)
    if registry is not None:
        connection.welcomed = True
        registry.connections[connection.id] = connection
    return connection


def received(connection: Connection) -> list[dict[str, Any]]:
    """Return the messages that the hub sent to a connection since the last call."""
    inbox = connection.peer.inbox  # type: ignore[attr-defined]  # a MemoryPeer's
    found = []
    while not inbox.empty():
        data = inbox.get_nowait()
        if data is not None:
            found.append(msgspec.json.decode(data))
    return found


def closed(connection: Connection) -> int | None:
    """Return the close code of a connection, or None while it is open."""
    ended = connection.peer.ended  # type: ignore[attr-defined]  # a MemoryPeer's
    return None if ended is None else ended[0]


def publication(context: HubContext, offset: int, data: Any = None, **fields: Any) -> Published:
    """Return a publication in the channel ``news`` as a broker delivers it."""
    draft: Draft = context.messages.draft("publication", channel="news", data=data, **fields)
    return Published(epoch="e", offset=offset, draft=draft)
