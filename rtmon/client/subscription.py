"""A subscription to a channel: delivers each message once and in order, across reconnects."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, Protocol, Self

from ..errors import OptionError, ProtocolError
from ..protocol.catalog import Position
from ..protocol.channel_patterns import matches
from .errors import ClientClosed
from .history_positions import Cursors
from .memberships import Membership
from .receive_buffer import ReceiveBuffer
from .result_types import Message

__all__ = ["Subscriber", "Subscription"]


class Subscriber(Protocol):
    """The methods of a client that a subscription uses to subscribe and unsubscribe."""

    def subscribe(self, subscription: Subscription, since: Position | None) -> None:
        """Start a subscription, after the position ``since`` if that is given."""

    def unsubscribe(self, subscription: Subscription) -> None:
        """Stop a subscription."""

    def catch_up(self, subscription: Subscription) -> None:
        """Request from the server's history the messages that a subscription has dropped."""


class Subscription:
    """A subscription to a channel, or to a pattern such as ``news.*``.

    Without a callback, use ``async with`` and iterate over the subscription. With a callback, the
    subscription has started already and cannot be iterated over; :meth:`close` ends it.

    After a reconnect, the subscription resumes from its position. A message whose ``gap`` is True
    follows lost messages. An iteration ends when the client is closed. The iteration raises an
    error if the client stops reconnecting, or if the server refuses the subscription.

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
        call: Callable[[Message], bool] | None = None,
    ) -> None:
        self.channel = channel
        self._publish = publish
        self._subscriber = subscriber
        self._since = since
        self._cursors = Cursors(channel, since)
        self._buffer: ReceiveBuffer[Message] = ReceiveBuffer(buffer)
        self._place: Membership | None = None
        self._call = call
        self._decided = asyncio.Event()
        self._refusal: Exception | None = None
        self._behind = False
        self._pattern = "*" in channel

    @property
    def position(self) -> Position | None:
        """Position of the last message received; None before the first one, and for a pattern."""
        return self._cursors.position

    async def publish(self, data: Any) -> None:
        """Publish to the channel, without an acknowledgement. See :meth:`Client.publish`."""
        await self._publish(self.channel, data)

    def start(self) -> None:
        """Start the subscription, without waiting for the server's answer.

        Raises:
            ClientClosed: the client is closed, or has stopped reconnecting.
        """
        self._subscriber.subscribe(self, self._since)

    async def entered(self) -> None:
        """Wait until the server has accepted the subscription.

        Raises:
            ProtocolError: the server refused the subscription.
            ClientClosed: the subscription or the client is closed, or the client has stopped
                reconnecting.
        """
        await self._decided.wait()
        if self._refusal is not None:
            raise self._refusal

    def close(self) -> None:
        """End the subscription. May be called twice."""
        self._decide(ClientClosed("The subscription is closed."))
        self._buffer.end()
        self._subscriber.unsubscribe(self)

    async def __aenter__(self) -> Self:
        if self._call is None:
            self._decided.clear()
            self._refusal = None
            self.start()
        try:
            await self.entered()
        except BaseException:
            self._subscriber.unsubscribe(self)
            raise
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self.close()

    def __aiter__(self) -> Self:
        if self._call is not None:
            raise OptionError("This subscription has a callback: leave it out to iterate.")
        return self

    async def __anext__(self) -> Message:
        if self._behind and not len(self._buffer):
            self._behind = False
            self._subscriber.catch_up(self)
        return await self._buffer.get()

    # Called by the client

    def begin(self, place: Membership) -> None:
        """Attach the subscription to the client's membership of its channel.

        If the server has accepted the membership already, the subscription starts at once.
        """
        self._place = place
        place.on_entered.append(self.let_in)
        place.on_refused.append(self.refused)
        if place.entered:
            self.let_in(lost=False)

    def stop(self) -> Membership | None:
        """Detach the subscription from its membership.

        Returns:
            The membership if no other subscription uses it, else None.
        """
        place, self._place = self._place, None
        if place is None:
            return None
        place.on_entered.remove(self.let_in)
        place.on_refused.remove(self.refused)
        return None if place.on_entered else place

    @property
    def place(self) -> Membership | None:
        """The client's membership of the channel; None before the start and after the end."""
        return self._place

    def wants(self, channel: str) -> bool:
        """Return True if the subscription gets publications of this channel."""
        if not self._pattern:
            return channel == self.channel
        try:
            return matches(self.channel, channel)
        except ProtocolError:
            return False  # a malformed pattern, for which the server refuses the subscription

    def let_in(self, lost: bool) -> None:  # noqa: FBT001 - as Membership.on_entered
        """Start or resume, because the server has accepted the subscription.

        Args:
            lost: True if messages were lost.
        """
        if lost:
            self._cursors.lost()
        if self._place is not None:
            self._cursors.begin(self._place.cursor.position)
        self._decide(None)

    def refused(self, error: Exception) -> None:
        """End with the error by which the server refused the subscription."""
        self._decide(error)
        if not isinstance(error, ClientClosed):
            self._buffer.end(error)

    def _decide(self, refusal: Exception | None) -> None:
        if not self._decided.is_set():
            self._refusal = refusal
            self._decided.set()

    def end(self, error: Exception | None) -> None:
        """End the iteration, because the client has ended. The reader gets ``error``, if any."""
        self._buffer.end(error)

    def put(self, message: Message) -> bool:
        """Deliver a publication to the reader or the callback.

        Returns:
            True if a message was dropped for good. False also if the message was dropped and will
            be requested again from the server's history.
        """
        if not self._pattern and (self._place is None or not self._place.entered):
            return False
        reading = self._call is None
        if reading and self._buffer.full and self._pattern:
            self._cursors.lost()
            return True
        if reading and (self._behind or self._buffer.full):
            # Drop this message now. When the reader has read all buffered messages, the client
            # requests the dropped messages from the server's history.
            self._behind = True
            return False
        if message.position is None or message.channel is None:
            return False
        gap = self._cursors.take(message.channel, message.position)
        if gap is None:
            return False
        mine = replace(message, payload=message.payload.get("data"), gap=gap)
        return self._buffer.put(mine) if self._call is None else self._call(mine)
