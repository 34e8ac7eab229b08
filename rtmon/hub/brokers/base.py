"""The interface of all brokers."""

from __future__ import annotations

import abc
from collections.abc import Callable
from typing import Any

import msgspec

from ...backpressure import Policy
from ...protocol.outgoing import Member

__all__ = ["Broker", "Draft", "Present", "Published", "Receipt", "Recovery"]


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
    """

    epoch: str
    offset: int
    published: list[Published]
    recovered: bool | None


class Present(msgspec.Struct, frozen=True, kw_only=True):
    """Who is in a channel: all counted, some named."""

    count: int
    members: list[Member]


class Broker(abc.ABC):
    """Publishing, history and presence, each call one indivisible step for its channel.

    Channels are named by keys of the hub's, one namespace for rooms and channels both.
    """

    @abc.abstractmethod
    def attach(self, deliver: Callable[[str, Published], None]) -> None:
        """Call this for everything published from now on, in the order of each channel."""

    @abc.abstractmethod
    async def publish(
        self, key: str, draft: Draft, *, size: int, age: float, sender: str | None = None
    ) -> Receipt:
        """Store and deliver.

        Args:
            key: the channel.
            draft: what is published.
            size: publications to keep for the channel.
            age: seconds to keep them.
            sender: whose message it is; with it, an id published before is not published again.
        """

    @abc.abstractmethod
    async def recover(self, key: str, *, since: tuple[str, int] | None, age: float) -> Recovery:
        """The channel's position, and what was published since an (epoch, offset)."""

    @abc.abstractmethod
    async def hold(self, key: str) -> None:
        """Somebody listens to the channel: its position must not be forgotten."""

    @abc.abstractmethod
    async def release(self, key: str) -> None:
        """Once for each :meth:`hold`."""

    @abc.abstractmethod
    async def join(self, key: str, member: Member) -> int:
        """Somebody is in the channel (again, with other info). Returns how many are."""

    @abc.abstractmethod
    async def leave(self, key: str, client_id: str) -> int:
        """Somebody is no longer in the channel. Returns how many are."""

    @abc.abstractmethod
    async def present(self, key: str, *, limit: int) -> Present:
        """Who is in the channel."""
