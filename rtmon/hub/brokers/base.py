"""The interface of all brokers."""

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
    """A publication before it has a position; a broker may store and carry it as bytes.

    Attributes:
        type: the message type it is delivered as.
        id: the message's id, the sender's own if it gave one.
        timestamp: milliseconds since the Unix epoch.
        channel: the channel's or room's name as clients know it; empty for the chat.
        client_id, name: the publisher's; None for the server.
        echo: whether the publisher gets it, too.
        exclude: ids of clients that do not get it while they are connected.
        slow: policy for slow consumers; None for the channel's.
        data: in its stored form, see :mod:`rtmon.protocol.data_encoding`.
        key: what it is the latest of, for the policy ``keep_latest``.
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
    """A message that is not a publication: it has no position and is not kept.

    Attributes:
        type: the message type.
        payload: of that type.
        skip: id of a client that does not get it.
    """

    type: str
    payload: Any
    skip: str | None = None


class PublishResult(msgspec.Struct, frozen=True, kw_only=True):
    """The position of a publication; for a duplicate, of the first one."""

    epoch: str
    offset: int
    duplicate: bool = False


class Recovery(msgspec.Struct, frozen=True, kw_only=True):
    """A channel's position, and what a client that returns has missed.

    Attributes:
        epoch, offset: the channel's position now.
        published: what came after the position asked for, oldest first.
        recovered: whether that is all of it; None if no position was asked for.
        elsewhere: members of the channel on other nodes.
    """

    epoch: str
    offset: int
    published: list[Published]
    recovered: bool | None
    elsewhere: int = 0


class PresenceList(msgspec.Struct, frozen=True, kw_only=True):
    """Members of a channel: the count of all, and some of them."""

    count: int
    members: list[Member]


class BrokerEvents(Protocol):
    """What a broker calls for all but publications, on the event loop; no method raises."""

    def note(self, key: str, note: Note, count: int | None) -> None:
        """Deliver a note to the receivers on this node.

        Args:
            key: the channel, or :func:`client_key` or :func:`user_key`.
            note: the note.
            count: members of the channel on all nodes; None if this is the only node.
        """

    def gap(self, key: str | None, epoch: str, offset: int) -> None:
        """Report that publications to a channel before this position are lost, at least some.

        Args:
            key: the channel; None for all channels that are not held.
            epoch: the channel's current epoch.
            offset: the channel's current offset.
        """

    def member_changed(
        self, change: Literal["joined", "left"], key: str, member: Member, remaining: int
    ) -> None:
        """Report a member whose node was given up for dead, or is back.

        Args:
            change: "left" or "joined".
            key: the channel.
            member: the member.
            remaining: members of the channel now.
        """

    def availability_changed(self, away: str | None) -> None:
        """Report why the broker cannot be reached any more; None when it can be again."""


class Broker(abc.ABC):
    """Publishing, history and presence, each call one indivisible step for its channel.

    Channels are named by keys of the hub's, one namespace for rooms and channels both. Where
    several nodes share one broker, all is true for all of them together.

    What is said to raise ProtocolError does so with the code ``unavailable`` while the broker
    cannot be reached, and within a bounded time.
    """

    shared = False
    """Whether other nodes may share the broker."""

    node: str = ""
    """Name of this node among those that share the broker."""

    away: str | None = None
    """Why the broker cannot be reached; None if it can."""

    @abc.abstractmethod
    def attach(
        self, deliver: Callable[[str, Published], None], *, events: BrokerEvents | None = None
    ) -> None:
        """Call this for everything published from now on, in the order of each channel.

        Args:
            deliver: called with the channel and what was published.
            events: what to call when something else happens.
        """

    async def start(self) -> None:  # noqa: B027 (a hook)
        """Begin; what needs the broker does so too. Does not wait until it can be reached."""

    async def aclose(self) -> None:  # noqa: B027 (a hook)
        """Finish what is going on, for a bounded time, and end."""

    @abc.abstractmethod
    async def publish(
        self, key: str, draft: Draft, *, size: int, age: float, sender: str | None = None
    ) -> PublishResult:
        """Store and deliver; what is for this node is delivered when it returns.

        Args:
            key: the channel.
            draft: what is published.
            size: publications to keep for the channel.
            age: seconds to keep them.
            sender: key of the sender; with it, an id published before is not published again.

        Raises:
            ProtocolError: the broker cannot be reached. It may have been published all the same;
                sent again with the same id and sender, it is published once.
        """

    @abc.abstractmethod
    async def recover(self, key: str, *, since: tuple[str, int] | None, age: float) -> Recovery:
        """The channel's position, and what was published since an (epoch, offset).

        All that is delivered here later was published after it.

        Raises:
            ProtocolError: the broker cannot be reached.
        """

    @abc.abstractmethod
    async def hold(self, key: str) -> None:
        """Keep the position of a channel that has a receiver."""

    @abc.abstractmethod
    async def release(self, key: str) -> None:
        """Undo one :meth:`hold`."""

    @abc.abstractmethod
    async def join(self, key: str, member: Member) -> int:
        """Add a member to a channel, or update its info. Returns the number of members.

        While the broker cannot be reached, the number on this node; it is made up for later.
        """

    @abc.abstractmethod
    async def leave(self, key: str, client_id: str) -> int | None:
        """Remove a member from a channel. Returns the number of members.

        None while the broker cannot be reached; it is made up for later.
        """

    @abc.abstractmethod
    async def present(self, key: str, *, limit: int) -> PresenceList:
        """Return the members of a channel.

        Raises:
            ProtocolError: the broker cannot be reached.
        """

    async def elsewhere(self, key: str) -> int:  # noqa: ARG002 (of a hook)
        """Return the number of members of a channel on other nodes.

        Raises:
            ProtocolError: the broker cannot be reached.
        """
        return 0

    @abc.abstractmethod
    def send_note(self, key: str, note: Note) -> None:
        """Send a note to all receivers of a channel, in order with its publications.

        While the broker cannot be reached it waits; if too many do, the oldest is dropped.
        """

    async def has_client(self, client_id: str) -> bool:  # noqa: ARG002 (of a hook)
        """Return whether a client is connected to another node.

        Raises:
            ProtocolError: the broker cannot be reached.
        """
        return False

    async def send(self, client_id: str, note: Note) -> bool:  # noqa: ARG002 (of a hook)
        """Send a note to a client on another node. Returns whether there is such a client.

        Raises:
            ProtocolError: the broker cannot be reached.
        """
        return False

    async def claim(self, client_id: str) -> bool:  # noqa: ARG002 (of a hook)
        """Claim an id for a client that is about to join the chat. Returns False if it is in use.

        Until :meth:`unclaim`, no other node can claim it.

        Raises:
            ProtocolError: the broker cannot be reached.
        """
        return True

    async def unclaim(self, client_id: str) -> None:  # noqa: B027 (a hook)
        """Undo one :meth:`claim`, once the client is known by its membership, or has gone."""

    async def tell_nodes(self, note: Note) -> list[str]:  # noqa: ARG002 (of a hook)
        """Send a note to all other nodes now, or never. Returns the names of those that live.

        A node that was killed counts as live until it is given up.

        Raises:
            ProtocolError: the broker cannot be reached.
        """
        return []


def client_key(client_id: str) -> str:
    """Return the key of a single client, for notes to it and permissions to send to it."""
    return f"client:{client_id}"


def user_key(user: str) -> str:
    """Return the key of a user's connections."""
    return f"user:{user}"
