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
    "Present",
    "Published",
    "Receipt",
    "Recovery",
    "client_key",
    "user_key",
]


class Draft(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something to be published, before it has a position.

    It can be encoded, so a broker may store and carry it as bytes.

    Attributes:
        type: the message type it is delivered as.
        id: the message's id, the sender's own if it gave one.
        timestamp: milliseconds since the Unix epoch.
        channel: the channel's or room's name as clients know it; empty for the chat.
        client_id, name: who sent it; None if the server did.
        echo: whether who sent it gets it, too.
        slow: what is given up for those who read too slowly; None for the channel's policy.
        key: what of the channel it is the latest of, where only that is kept.
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
    slow: Policy | None = None
    key: str | None = None


class Published(msgspec.Struct, frozen=True, kw_only=True):
    """A Draft that has its place in a channel's order."""

    epoch: str
    offset: int
    draft: Draft


class Note(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something to be told that is not published: it has no position and is not kept.

    Attributes:
        type: the message type.
        payload: of that type.
        skip: the client id of somebody who is not told.
    """

    type: str
    payload: Any
    skip: str | None = None


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """Where something was published; for a duplicate, where the first one was."""

    epoch: str
    offset: int
    duplicate: bool = False


class Recovery(msgspec.Struct, frozen=True, kw_only=True):
    """What a channel has to say to somebody who returns.

    Attributes:
        epoch, offset: the channel's position now.
        published: what came after the position asked for, oldest first.
        recovered: whether that is all of it; None if no position was asked for.
        elsewhere: how many are in the channel on other nodes.
    """

    epoch: str
    offset: int
    published: list[Published]
    recovered: bool | None
    elsewhere: int = 0


class Present(msgspec.Struct, frozen=True, kw_only=True):
    """Who is in a channel: all counted, some named."""

    count: int
    members: list[Member]


class BrokerEvents(Protocol):
    """What a broker calls when something else happens, on the event loop; none of it raises."""

    def told(self, key: str, note: Note, count: int | None) -> None:
        """Something is to be told to those who are here.

        Args:
            key: the channel, or :func:`client_key` or :func:`user_key`.
            note: what.
            count: how many are in the channel on all nodes; None if this is the only one.
        """

    def lost(self, key: str | None, epoch: str, offset: int) -> None:
        """What was published to a held channel before this position is lost, at least in part.

        Args:
            key: the channel; None for all channels that nobody holds.
            epoch: the channel's now.
            offset: likewise.
        """

    def moved(
        self, change: Literal["joined", "left"], key: str, member: Member, remaining: int
    ) -> None:
        """Somebody's node was given up for dead, or has come back.

        Args:
            change: which of the two.
            key: where.
            member: who.
            remaining: how many are there now.
        """

    def condition(self, away: str | None) -> None:
        """The broker cannot be reached any more, and why; None when it can again."""


class Broker(abc.ABC):
    """Publishing, history and presence, each call one indivisible step for its channel.

    Channels are named by keys of the hub's, one namespace for rooms and channels both. Where
    several nodes share one broker, all is true for all of them together.

    What is said to raise ProtocolError does so with the code ``unavailable`` while the broker
    cannot be reached, and within a bounded time.
    """

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
    ) -> Receipt:
        """Store and deliver; what is for this node is delivered when it returns.

        Args:
            key: the channel.
            draft: what is published.
            size: publications to keep for the channel.
            age: seconds to keep them.
            sender: whose message it is; with it, an id published before is not published again.

        Raises:
            ProtocolError: the broker cannot be reached. It may have been published all the same;
                who sends it again with the same id and sender has it published once.
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
        """Somebody listens to the channel: its position must not be forgotten."""

    @abc.abstractmethod
    async def release(self, key: str) -> None:
        """Once for each :meth:`hold`."""

    @abc.abstractmethod
    async def join(self, key: str, member: Member) -> int:
        """Somebody is in the channel (again, with other info). Returns how many are.

        While the broker cannot be reached, how many are here; the others learn of it later.
        """

    @abc.abstractmethod
    async def leave(self, key: str, client_id: str) -> int | None:
        """Somebody is no longer in the channel. Returns how many are.

        None while the broker cannot be reached; the others learn of it later.
        """

    @abc.abstractmethod
    async def present(self, key: str, *, limit: int) -> Present:
        """Who is in the channel.

        Raises:
            ProtocolError: the broker cannot be reached.
        """

    async def elsewhere(self, key: str) -> int:  # noqa: ARG002 (of a hook)
        """How many are in the channel on other nodes.

        Raises:
            ProtocolError: the broker cannot be reached.
        """
        return 0

    @abc.abstractmethod
    def tell(self, key: str, note: Note) -> None:
        """Have something told to all who are in a channel, in order with what is published.

        While the broker cannot be reached it waits, and if too much does, the oldest goes.
        """

    async def knows(self, client_id: str) -> bool:  # noqa: ARG002 (of a hook)
        """Whether a client is connected to another node.

        Raises:
            ProtocolError: the broker cannot be reached.
        """
        return False

    async def send(self, client_id: str, note: Note) -> bool:  # noqa: ARG002 (of a hook)
        """Have something told to a client on another node. Returns whether there is one.

        Raises:
            ProtocolError: the broker cannot be reached.
        """
        return False


def client_key(client_id: str) -> str:
    """What stands for one client, where it alone is told something, or who may do so is asked."""
    return f"client:{client_id}"


def user_key(user: str) -> str:
    """The channel of a user's connections."""
    return f"user:{user}"
