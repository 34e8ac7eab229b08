"""What is published to a channel, over all connections, each message once and in order."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from ..errors import ProtocolError
from ..protocol.channels import matches
from ..protocol.incoming import Position
from .errors import ClientClosed
from .places import Cursors, Place
from .records import Message

if TYPE_CHECKING:
    from .attendance import Attendance

__all__ = ["Buffer", "Subscription"]

T = TypeVar("T")


class Buffer(Generic[T]):
    """What waits for one reader; its end is behind the last item.

    Attributes:
        size: items that it holds.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._items: deque[T] = deque()
        self._wake = asyncio.Event()
        self._ended = False
        self._error: Exception | None = None

    def __len__(self) -> int:
        return len(self._items)

    @property
    def full(self) -> bool:
        """Whether one more is one too many."""
        return len(self._items) >= self.size

    def put(self, item: T) -> bool:
        """Add an item. Returns whether the oldest went for it."""
        full = self.full
        if full:
            self._items.popleft()
        self._items.append(item)
        self._wake.set()
        return full

    def end(self, error: Exception | None = None) -> None:
        """There will be no more, and why."""
        if not self._ended:
            self._ended, self._error = True, error
        self._wake.set()

    async def get(self) -> T:
        """The next item, when there is one.

        Raises:
            StopAsyncIteration: there are no more; if there is a reason, that is raised instead.
        """
        while not self._items:
            if self._ended:
                raise self._error or StopAsyncIteration
            self._wake.clear()
            await self._wake.wait()
        return self._items.popleft()


class Subscription:
    """A channel, or a pattern such as ``news.*``: ``async with`` it, then iterate.

    It goes on across reconnects, from where it was. A message whose ``gap`` is true comes after
    some that are lost. It ends when the client is closed; if the client gives up, or the server
    refuses, iterating raises why.

    Attributes:
        channel: what it subscribes to.
    """

    def __init__(
        self,
        attendance: Attendance,
        channel: str,
        since: Position | None,
        publish: Callable[[str, Any], Awaitable[object]],
    ) -> None:
        self.channel = channel
        self._publish = publish
        self._attendance = attendance
        self._since = since
        self._cursors = Cursors(channel, since)
        self._buffer: Buffer[Message] = Buffer(attendance.session.options.buffer)
        self._place: Place | None = None
        self._begun: asyncio.Future[None] | None = None
        self._behind = False
        self._pattern = "*" in channel

    @property
    def position(self) -> Position | None:
        """Of the last message taken in; None before the first one, and of a pattern."""
        return self._cursors.position

    async def publish(self, data: Any) -> None:
        """Publish to the channel, as :meth:`Client.publish` without ``ack``."""
        await self._publish(self.channel, data)

    async def __aenter__(self) -> Self:
        self._begun = asyncio.get_running_loop().create_future()
        self._attendance.subscribe(self, self._since)
        try:
            await asyncio.shield(self._begun)
        except BaseException:
            self._attendance.unsubscribe(self)
            raise
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._buffer.end()
        self._attendance.unsubscribe(self)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Message:
        if self._behind and not len(self._buffer):
            self._behind = False
            self._attendance.catch_up(self)
        return await self._buffer.get()

    # For the client

    def begin(self, place: Place) -> None:
        """Be told of a place; at once, if the client is there already."""
        self._place = place
        place.on_entered.append(self.entered)
        place.on_refused.append(self.refused)
        if place.entered:
            self.entered(lost=False)

    def stop(self) -> Place | None:
        """Be told no more. Returns the place if this was the last one there."""
        place, self._place = self._place, None
        if place is None:
            return None
        place.on_entered.remove(self.entered)
        place.on_refused.remove(self.refused)
        return None if place.on_entered else place

    @property
    def place(self) -> Place | None:
        """Where it is; None before the beginning and after the end."""
        return self._place

    def wants(self, channel: str) -> bool:
        """Return whether this subscription gets what is published to a channel."""
        if not self._pattern:
            return channel == self.channel
        try:
            return matches(self.channel, channel)
        except ProtocolError:
            return False  # malformed: the server refuses the subscription

    def entered(self, lost: bool) -> None:  # noqa: FBT001 - as the session tells it
        """The server has let the client in, with or without all that was missed."""
        if lost:
            self._cursors.lost()
        if self._place is not None:
            self._cursors.begin(self._place.cursor.position)
        if self._begun is not None and not self._begun.done():
            self._begun.set_result(None)

    def refused(self, error: Exception) -> None:
        """There will be no more."""
        if self._begun is not None and not self._begun.done():
            self._begun.set_exception(error)
            # Whoever waits is told; if nobody does any more, asyncio need not complain.
            self._begun.exception()
        if not isinstance(error, ClientClosed):
            self._buffer.end(error)

    def end(self, error: Exception | None) -> None:
        """The client has ended."""
        self._buffer.end(error)

    def put(self, message: Message) -> bool:
        """A publication has come. Returns whether it was dropped for good."""
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
