"""Registry of connections, rooms, subscriptions and users."""

from __future__ import annotations

from rtmon.hub.connection_registry import ConnectionRegistry
from tests.hub.parts.building import make_connection, make_context


def test_registry_returns_the_receivers_of_chat_room_and_channel() -> None:
    """Registry returns all connections as receivers of the chat, the members for a room, and each
    subscriber once for a channel.
    """
    context, registry = make_context(), ConnectionRegistry()
    ada, bo = (make_connection(context, registry) for _ in range(2))
    registry.rooms.join(ada, "news")
    registry.subscriptions.add(bo, "news")
    registry.subscriptions.add(bo, "*")
    assert list(registry.receivers("chat")) == [ada, bo]
    assert list(registry.receivers("room:news")) == [ada]
    assert list(registry.receivers("channel:news")) == [bo]
    assert registry.count("channel:weather") == 1
    assert registry.places(ada) == ["chat", "room:news"]
    assert registry.places(bo) == ["chat", "channel:news"]


def test_registry_returns_the_connections_of_a_user() -> None:
    """Registry returns all connections of a user id, and no longer returns a connection that
    was removed.
    """
    context, registry = make_context(), ConnectionRegistry()
    one, two = (make_connection(context, registry) for _ in range(2))
    for connection in (one, two):
        registry.users.join(connection.id, "ada")
    assert set(registry.user_connections("ada")) == {one, two}
    registry.users.leave_all(one.id)
    assert registry.user_connections("ada") == [two]
    assert registry.user_connections("bo") == []
