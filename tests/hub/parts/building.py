"""Contexts and connections for tests that build one part of a hub alone."""

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
    """Records the notes that a part has the broker deliver."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, Any]] = []

    def note(self, key: str, note: Any, count: int | None) -> None:
        self.seen.append((key, note.type, note.payload))

    def take(self) -> list[tuple[str, str]]:
        """Return place and type of the notes since the last call."""
        seen, self.seen = self.seen, []
        return [(key, kind) for key, kind, _ in seen]


def make_context(clock: FakeClock | None = None, **options: Any) -> HubContext:
    """Return a context with a broker in memory, and a clock that the test moves."""
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
    """Return a connection whose peer keeps what it is sent; a registry makes it a welcomed one."""
    peer = MemoryPeer()
    peer.remote = remote
    connection = Connection(context, peer)
    if registry is not None:
        connection.welcomed = True
        registry.connections[connection.id] = connection
    return connection


def received(connection: Connection) -> list[dict[str, Any]]:
    """Return the messages that a connection was sent since the last call."""
    inbox = connection.peer.inbox  # type: ignore[attr-defined]  # a MemoryPeer's
    found = []
    while not inbox.empty():
        data = inbox.get_nowait()
        if data is not None:
            found.append(msgspec.json.decode(data))
    return found


def closed(connection: Connection) -> int | None:
    """Return the code that a connection was closed with; None if it is open."""
    ended = connection.peer.ended  # type: ignore[attr-defined]  # a MemoryPeer's
    return None if ended is None else ended[0]


def publication(context: HubContext, offset: int, data: Any = None, **fields: Any) -> Published:
    """Return a publication to the channel ``news`` as a broker delivers it."""
    draft: Draft = context.messages.draft("publication", channel="news", data=data, **fields)
    return Published(epoch="e", offset=offset, draft=draft)
