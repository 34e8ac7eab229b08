"""A subscription: the messages of a channel over all connections, each once and in order."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, Protocol, Self

from ..errors import ProtocolError
from ..protocol.catalog import Position
from ..protocol.channels import matches
from .buffer import Buffer
from .errors import ClientClosed
from .places import Place
from .positions import Cursors
from .records import Message

__all__ = ["Subscriber", "Subscription"]


class Subscriber(Protocol):
    """Subscribes to channels for all subscriptions of a client."""

    def subscribe(self, subscription: Subscription, since: Position | None) -> None:
        """Begin to pass publications to a subscription."""

    def unsubscribe(self, subscription: Subscription) -> None:
        """Pass publications to a subscription no more."""

    def catch_up(self, subscription: Subscription) -> None:
        """Get what a subscription let go of from the server's history."""


class Subscription:
    """A channel, or a pattern such as ``news.*``: ``async with`` it, then iterate.

    It resumes after a reconnect, from its position. A message whose ``gap`` is true comes after
    some that are lost. It ends when the client is closed; if the client gives up, or the server
    refuses, iterating raises the error.

    Attributes:
        channel: the channel, or the pattern.
    """

    def __init__(
        self,
        subscriber: Subscriber,
        channel: str,
        since: Position | None,
        *,
        publish: Callable[[str, Any], Awaitable[object]],
        buffer: int,
    ) -> None:
        self.channel = channel
        self._publish = publish
        self._subscriber = subscriber
        self._since = since
        self._cursors = Cursors(channel, since)
        self._buffer: Buffer[Message] = Buffer(buffer)
        self._place: Place | None = None
        self._begun: asyncio.Future[None] | None = None
        self._behind = False
        self._pattern = "*" in channel

    @property
    def position(self) -> Position | None:
        """Position of the last message taken in; None before the first one, and for a pattern."""
        return self._cursors.position

    async def publish(self, data: Any) -> None:
        """Publish to the channel, as :meth:`Client.publish` without ``ack``."""
        await self._publish(self.channel, data)

    async def __aenter__(self) -> Self:
        self._begun = asyncio.get_running_loop().create_future()
        self._subscriber.subscribe(self, self._since)
        try:
            await asyncio.shield(self._begun)
        except BaseException:
            self._subscriber.unsubscribe(self)
            raise
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._buffer.end()
        self._subscriber.unsubscribe(self)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Message:
        if self._behind and not len(self._buffer):
            self._behind = False
            self._subscriber.catch_up(self)
        return await self._buffer.get()

    # For the client that it belongs to

    def begin(self, place: Place) -> None:
        """Follow a place; at once, if the client is there already."""
        self._place = place
        place.on_entered.append(self.entered)
        place.on_refused.append(self.refused)
        if place.entered:
            self.entered(lost=False)

    def stop(self) -> Place | None:
        """Follow its place no more. Returns it if no other subscription does."""
        place, self._place = self._place, None
        if place is None:
            return None
        place.on_entered.remove(self.entered)
        place.on_refused.remove(self.refused)
        return None if place.on_entered else place

    @property
    def place(self) -> Place | None:
        """The place that it follows; None before the beginning and after the end."""
        return self._place

    def wants(self, channel: str) -> bool:
        """Return whether it gets what is published to a channel."""
        if not self._pattern:
            return channel == self.channel
        try:
            return matches(self.channel, channel)
        except ProtocolError:
            return False  # malformed: the server refuses the subscription

    def entered(self, lost: bool) -> None:  # noqa: FBT001 - as Place.on_entered
        """Begin or resume, as the server has let the client in; ``lost`` if it missed something."""
        if lost:
            self._cursors.lost()
        if self._place is not None:
            self._cursors.begin(self._place.cursor.position)
        if self._begun is not None and not self._begun.done():
            self._begun.set_result(None)

    def refused(self, error: Exception) -> None:
        """End with an error: the server does not let the client in."""
        if self._begun is not None and not self._begun.done():
            self._begun.set_exception(error)
            # It is retrieved here, or asyncio would complain if no caller waits any more.
            self._begun.exception()
        if not isinstance(error, ClientClosed):
            self._buffer.end(error)

    def end(self, error: Exception | None) -> None:
        """End, as the client has ended."""
        self._buffer.end(error)

    def put(self, message: Message) -> bool:
        """Take a publication. Returns True if it was dropped for good."""
        if not self._pattern and (self._place is None or not self._place.entered):
            return False
        if self._buffer.full and self._pattern:
            self._cursors.lost()
            return True
        if self._behind or self._buffer.full:
            # The server's history has it, when the reader has caught up.
            self._behind = True
            return False
        if message.position is None or message.channel is None:
            return False
        gap = self._cursors.take(message.channel, message.position)
        if gap is None:
            return False
        return self._buffer.put(replace(message, payload=message.payload.get("data"), gap=gap))
