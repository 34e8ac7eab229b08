"""Delivery of publications to receivers, tested without a hub."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from rtmon.core.batch_buffer import Batch
from rtmon.core.frame_sharing import Written
from rtmon.hub.broadcast import Broadcast
from rtmon.hub.connection import Connection
from rtmon.hub.connection_registry import ConnectionRegistry
from rtmon.hub.options import ChannelOptions
from rtmon.protocol.catalog import Publication
from tests.hub.clients import MemoryPeer
from tests.hub.parts.building import make_connection, make_context, publication, received


def data(connection: Connection) -> list[Any]:
    """Return the data of the publications that a connection received."""
    return [message["payload"]["data"] for message in received(connection)]


class BrokenPeer(MemoryPeer):
    """A transport whose ``send()`` raises, which its contract forbids."""

    def send(self, data: str | bytes, **_: Any) -> bool:
        raise RuntimeError("broken")


class ListGroup:
    """A frame group that stores each shared message once."""

    def __init__(self, *, on_flushed: Callable[[Written], object]) -> None:
        self.messages: list[str | bytes] = []
        self.members: list[Any] = []

    def __len__(self) -> int:
        return len(self.members)

    def __contains__(self, connection: object) -> bool:
        return connection in self.members

    def add(self, connection: Any) -> None:
        """Add a connection."""
        self.members.append(connection)

    def discard(self, connection: Any) -> None:
        """Remove a connection."""
        self.members.remove(connection)

    def publish(
        self,
        message: str | bytes,
        *,
        skip: Iterable[Any] = (),
        on_blocked: Callable[[Any, Any], object] | None = None,
    ) -> None:
        """Store a message; the connection ``"blocked"`` cannot be written to."""
        self.messages.append(message)
        for member in self.members:
            if member == "blocked" and on_blocked is not None:
                on_blocked(member, message)

    def flush(self) -> None:
        """Do nothing, because this group buffers no messages."""


def test_broadcast_delivers_to_other_receivers_when_one_transport_raises() -> None:
    """Broadcast delivers to all other receivers when the transport of one receiver raises, and
    counts one drop.
    """
    context, registry = make_context(), ConnectionRegistry()
    broadcast = Broadcast(context, registry)
    broken = Connection(context, BrokenPeer())
    ada, bo = (make_connection(context, registry) for _ in range(2))
    for connection in (ada, broken, bo):
        registry.subscriptions.add(connection, "news")
    broadcast.deliver("channel:news", publication(context, 1, "hi"))
    assert (data(ada), data(bo)) == (["hi"], ["hi"])
    stats = broadcast.stats["channel:news"]
    assert (stats.published, stats.delivered, stats.dropped) == (1, 2, 1)


def test_broadcast_skips_the_publisher_when_echo_is_off() -> None:
    """Broadcast skips the publisher when ``echo`` is off, and does not count announcements as
    publications.
    """
    context, registry = make_context(), ConnectionRegistry()
    broadcast = Broadcast(context, registry)
    ada, bo = (make_connection(context, registry) for _ in range(2))
    for connection in (ada, bo):
        registry.subscriptions.add(connection, "news")
    broadcast.deliver("channel:news", publication(context, 1, "hi", client_id=ada.id, echo=False))
    note = context.messages.message(
        "gap", Publication(channel="news", data="note", epoch="e", offset=0)
    )
    broadcast.announce("channel:news", note, skip=bo)
    assert (data(ada), data(bo)) == (["note"], ["hi"])
    assert broadcast.stats["channel:news"].published == 1


def test_broadcast_calls_a_subscribe_callback_until_its_subscription_is_canceled() -> None:
    """Broadcast calls a subscribe callback until its subscription is canceled, even when another
    callback raises.
    """
    context = make_context()
    broadcast = Broadcast(context, ConnectionRegistry())
    seen: list[Any] = []

    def fails(_: Publication) -> None:
        raise RuntimeError("broken")

    broadcast.subscribe("news", fails)
    subscription = broadcast.subscribe("*", lambda each: seen.append(each.data))
    broadcast.deliver("channel:news", publication(context, 1, "a"))
    subscription.cancel()
    broadcast.deliver("channel:news", publication(context, 2, "b"))
    assert seen == ["a"]


async def test_broadcast_batches_publications_by_the_channel_options() -> None:
    """Broadcast sends two publications in one batch in a channel with ``batch`` size 2, and sends a
    third alone after batching is turned off.
    """
    context = make_context(channels={"news": ChannelOptions(batch=Batch(size=2, delay=5))})
    registry = ConnectionRegistry()
    broadcast = Broadcast(context, registry)
    ada = make_connection(context, registry)
    registry.subscriptions.add(ada, "news")
    for offset in (1, 2, 3):
        broadcast.deliver("channel:news", publication(context, offset, offset))
    (batch,) = received(ada)
    assert [each["payload"]["data"] for each in batch["payload"]["messages"]] == [1, 2]
    context.options = make_context().options
    broadcast.deliver("channel:news", publication(context, 4, 4))
    assert data(ada) == [3, 4]


def test_broadcast_buffers_publications_while_a_client_recovers() -> None:
    """Broadcast buffers a channel's publications while a client recovers, and returns the
    publications after the client's position.
    """
    context = make_context()
    broadcast = Broadcast(context, ConnectionRegistry())
    held = broadcast.begin_catch_up("channel:news")
    for offset in (1, 2):
        broadcast.deliver("channel:news", publication(context, offset, offset))
    assert [each.message.payload.data for each in held.take(1)] == [2]
    broadcast.end_catch_up("channel:news", held)
    broadcast.deliver("channel:news", publication(context, 3, 3))
    assert held.take(0) == []


def test_broadcast_sends_one_shared_frame_to_grouped_connections() -> None:
    """Broadcast sends one shared frame to grouped connections, and a separate copy to a
    connection that is blocked or requests batches.
    """
    context, registry = make_context(), ConnectionRegistry()
    broadcast = Broadcast(context, registry)
    groups: list[ListGroup] = []

    def group(*, on_flushed: Callable[[Written], object]) -> ListGroup:
        groups.append(ListGroup(on_flushed=on_flushed))
        return groups[-1]

    broadcast.receivers.frame_group = group
    ada, bo, single = (make_connection(context, registry) for _ in range(3))
    ada.peer.connection, bo.peer.connection = "free", "blocked"
    for connection in (ada, bo, single):
        registry.subscriptions.add(connection, "news")
    broadcast.deliver("channel:news", publication(context, 1, 1))
    assert len(groups[0].messages) == 1
    assert (data(ada), data(bo), data(single)) == ([], [1], [1])
    ada.batch(Batch(size=1, delay=1.0))
    broadcast.receivers.regroup(ada)
    broadcast.deliver("channel:news", publication(context, 2, 2))
    assert groups[0].members == ["blocked"]
    assert data(ada) == [2]
