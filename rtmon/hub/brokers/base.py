"""The interface of all brokers, and the data that a hub and its broker exchange.

A key names a room, a channel or the chat, such as ``room:lobby``; see
:mod:`rtmon.hub.room_channel_keys`. In the interface, "channel" means any of the three.
"""

from __future__ import annotations

import abc
from collections.abc import Callable
from typing import Any, Literal, Protocol

import msgspec

from ...core.backpressure import Policy
from ...protocol.catalog import Member

__all__ = [
    "Broker",
    "BrokerEvents",
    "Draft",
    "Note",
    "PresenceList",
    "PublishResult",
    "Published",
    "Recovery",
    "client_key",
    "user_key",
]


class Draft(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A publication that has no position yet. A broker may store and send it as bytes.

    Attributes:
        type: the message type with which clients receive it.
        id: the message id: the sender's own id if the sender sent one, else a new id.
        timestamp: milliseconds since the Unix epoch.
        channel: name of the channel or room as clients know it; empty for the chat.
        client_id, name: id and name of the publishing client; None if the server published.
        text: text of a chat or room message.
        data: the data in stored form, see :mod:`rtmon.protocol.data_encoding`.
        echo: True if the publishing client receives the publication, too.
        exclude: ids of clients that do not receive the publication live, only from the history.
        slow: policy for slow consumers; None for the channel's policy.
        key: for the policy ``keep_latest``: a later publication with the same key replaces this
            one.
    """

    type: str
    id: str
    timestamp: int
    channel: str = ""
    client_id: str | None = None
    name: str | None = None
    text: str | None = None
    data: Any = None
    echo: bool = True
    exclude: tuple[str, ...] = ()
    slow: Policy | None = None
    key: str | None = None


class Published(msgspec.Struct, frozen=True, kw_only=True):
    """A publication with its position in a channel."""

    epoch: str
    offset: int
    draft: Draft


class Note(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A message without a position, such as a join, a typing indicator or a node request.

    It is not kept in a history.

    Attributes:
        type: the message type.
        payload: the payload struct of that type.
        skip: id of a client that does not receive it; for a notification, the node that has already
            delivered it.
    """

    type: str
    payload: Any
    skip: str | None = None


class PublishResult(msgspec.Struct, frozen=True, kw_only=True):
    """The position of a publication. A duplicate has the position of the first publication."""

    epoch: str
    offset: int
    duplicate: bool = False


class Recovery(msgspec.Struct, frozen=True, kw_only=True):
    """A channel's position, and the publications that a returning client has missed.

    Attributes:
        epoch, offset: current position of the channel.
        published: publications after the client's position, oldest first.
        recovered: True if ``published`` is complete; None if the client had no position.
        elsewhere: number of the channel's members on other nodes.
    """

    epoch: str
    offset: int
    published: list[Published]
    recovered: bool | None
    elsewhere: int = 0


class PresenceList(msgspec.Struct, frozen=True, kw_only=True):
    """The number of a channel's members, and some of the members."""

    count: int
    members: list[Member]


class BrokerEvents(Protocol):
    """Callbacks of a broker for everything except publications.

    They are called on the event loop, and must not raise.
    """

    def note(self, key: str, note: Note, count: int | None) -> None:
        """Deliver a message without a position to its receivers on this node.

        Args:
            key: key of the channel, or :func:`client_key` or :func:`user_key`.
            note: the message.
            count: number of the channel's members on all nodes; None if this is the only node.
        """

    def gap(self, key: str | None, epoch: str, offset: int) -> None:
        """Report that publications to a channel are lost.

        Args:
            key: key of the channel; None for all channels that this node does not
                :meth:`~Broker.hold`. Clients of this node receive these only through patterns.
            epoch: current epoch of the channel.
            offset: publications up to this offset may be lost; 0 if ``key`` is None.
        """

    def member_changed(
        self, change: Literal["joined", "left"], key: str, member: Member, remaining: int
    ) -> None:
        """Report a member that left because its node died, or joined because its node came back.

        Args:
            change: "left" or "joined".
            key: key of the channel.
            member: the member.
            remaining: number of the channel's members now.
        """

    def availability_changed(self, away: str | None) -> None:
        """Report that the broker has become unreachable or reachable.

        Args:
            away: why the broker cannot be reached; None if it can be reached again.
        """


class Broker(abc.ABC):
    """Interface of a broker: publishing, history and presence. Each call is atomic for its channel.

    Rooms, channels and the chat are all named by keys, and are all called channels here. If several
    nodes share a broker, positions, histories and members are the same on all nodes.

    Methods that raise ProtocolError raise it with the code ``unavailable``, within a bounded time,
    while the broker cannot be reached.
    """

    shared = False
    """True if other nodes can share the broker."""

    node: str = ""
    """Name of this node among the nodes that share the broker."""

    away: str | None = None
    """The reason why the broker cannot be reached; None if it can be reached."""

    @abc.abstractmethod
    def attach(
        self, deliver: Callable[[str, Published], None], *, events: BrokerEvents | None = None
    ) -> None:
        """Set the callbacks that receive publications and other events.

        Args:
            deliver: called with each publication and the key of its channel, in the channel's
                order.
            events: callbacks for all other events; None to ignore these events.
        """

    async def start(self) -> None:  # noqa: B027 (optional to override)
        """Start the broker. Does not wait until the broker can be reached.

        Methods that need the broker start it as well.
        """

    async def aclose(self) -> None:  # noqa: B027 (optional to override)
        """Finish pending work within a bounded time, then stop the broker."""

    @abc.abstractmethod
    async def publish(
        self, key: str, draft: Draft, *, size: int, age: float, sender: str | None = None
    ) -> PublishResult:
        """Store and deliver a publication.

        When the call returns, the publication has been delivered on this node.

        Args:
            key: key of the channel.
            draft: the publication.
            size: maximum number of publications kept in the channel's history.
            age: seconds for which they are kept.
            sender: sender key for deduplication: an id that this sender has published before is not
                published again. None for no deduplication.

        Raises:
            ProtocolError: the broker cannot be reached. The publication may have succeeded. If it
                is sent again with the same id and sender, it is published once.
        """

    @abc.abstractmethod
    async def recover(self, key: str, *, since: tuple[str, int] | None, age: float) -> Recovery:
        """Return a channel's position, and the publications after ``since``.

        All publications that this node delivers after this call have later positions.

        Args:
            key: key of the channel.
            since: epoch and offset of a returning client; None for the current position only.
            age: seconds for which the channel's publications are kept.

        Raises:
            ProtocolError: the broker cannot be reached.
        """

    @abc.abstractmethod
    async def hold(self, key: str) -> None:
        """Keep the position of a channel, because this node has a subscriber to the channel."""

    @abc.abstractmethod
    async def release(self, key: str) -> None:
        """Undo one call of :meth:`hold`, because one subscriber has left the channel."""

    @abc.abstractmethod
    async def join(self, key: str, member: Member) -> int:
        """Add a member to a channel, or update its info. Returns the number of members.

        While the broker cannot be reached, the number counts this node only. The broker is updated
        when it can be reached again.
        """

    @abc.abstractmethod
    async def leave(self, key: str, client_id: str) -> int | None:
        """Remove a member from a channel. Returns the number of members.

        Returns None while the broker cannot be reached. The broker is updated when it can be
        reached again.
        """

    @abc.abstractmethod
    async def present(self, key: str, *, limit: int) -> PresenceList:
        """Return the members of a channel.

        Args:
            key: key of the channel.
            limit: maximum number of members to list.

        Raises:
            ProtocolError: the broker cannot be reached.
        """

    async def elsewhere(self, key: str) -> int:  # noqa: ARG002 (for subclasses)
        """Return the number of a channel's members on other nodes.

        Raises:
            ProtocolError: the broker cannot be reached.
        """
        return 0

    @abc.abstractmethod
    def send_note(self, key: str, note: Note) -> None:
        """Send a message without a position to all receivers, in order with publications.

        While the broker cannot be reached, the message waits. If too many wait, the oldest is
        dropped.
        """

    async def has_client(self, client_id: str) -> bool:  # noqa: ARG002 (for subclasses)
        """Return whether a client is connected to another node.

        Raises:
            ProtocolError: the broker cannot be reached.
        """
        return False

    async def send(self, client_id: str, note: Note) -> bool:  # noqa: ARG002 (for subclasses)
        """Send a message to a client on another node. Returns False if there is no such client.

        Raises:
            ProtocolError: the broker cannot be reached.
        """
        return False

    async def claim(self, client_id: str) -> bool:  # noqa: ARG002 (for subclasses)
        """Reserve a client id for a client that is about to connect. Returns False if it is in use.

        No other node can reserve the id before :meth:`unclaim`.

        Raises:
            ProtocolError: the broker cannot be reached.
        """
        return True

    async def unclaim(self, client_id: str) -> None:  # noqa: B027 (optional to override)
        """Undo one call of :meth:`claim`.

        Called once the client is a member of the chat, or has disconnected.
        """

    async def tell_nodes(self, note: Note) -> list[str]:  # noqa: ARG002 (for subclasses)
        """Send a message to all other nodes now. Returns the names of the other live nodes.

        If the broker cannot be reached, the message is not kept for later. A node that was killed
        counts as live until its expiry time has passed.

        Raises:
            ProtocolError: the broker cannot be reached.
        """
        return []


def client_key(client_id: str) -> str:
    """Return the key of a single client, for messages to it and for permission checks."""
    return f"client:{client_id}"


def user_key(user: str) -> str:
    """Return the key of a user, for messages to all connections of this user."""
    return f"user:{user}"
