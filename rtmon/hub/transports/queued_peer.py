"""``QueuedPeer``: a connection with a bounded send queue, and handling of slow receivers."""

from __future__ import annotations

import abc
import asyncio
from collections.abc import Hashable
from typing import TYPE_CHECKING, TypeAlias

from ...core.backpressure import Policy, Progress, SendQueue
from ...core.reusable_timer import Timer
from ...metrics.close_causes import TOO_SLOW
from ...metrics.connection_endings import closed_here
from ...metrics.records import Ending
from ...protocol import close as codes
from ...protocol.close import checked_reason
from ..outgoing_messages import size_of
from .base import PUBLISHERS_SHARE, Peer, Settled

if TYPE_CHECKING:
    from ..hub import Hub

__all__ = ["CLOSE_TIMEOUT", "QueuedPeer"]

CLOSE_TIMEOUT = 5.0
"""Seconds that a connection may take to close before it is aborted. A reader that has stalled never
reads the close frame."""

_LOOKS = 4
"""Number of checks of a slow connection within the shortest timeout that applies to it."""


_Message: TypeAlias = tuple[str | bytes, Settled | None]
"""An encoded message, and its callback."""


class QueuedPeer(Peer):
    """A Peer with a bounded send queue before a transport that is not always writable.

    The queue is empty while the transport is :attr:`writable`, so a direct write to a writable
    transport never overtakes a queued message.

    **Implemented by a transport**

    * :attr:`writable`: whether the transport's own buffer has space. Messages cannot be removed
      from this buffer, so keep it small. If sending is a coroutine, one message at a time is
      enough: not writable from :meth:`write` until the coroutine has returned.
    * :meth:`write`: puts a message into the transport's buffer. Called only while writable. Must
      not block. If the transport fails, it ends the connection itself.
    * :attr:`buffered`: number of bytes in the transport's buffer.
    * :meth:`end`: starts to close the connection after the written messages. Called at most once.
      The transport need not check its success: :meth:`abort` is called if :meth:`ended` is not
      called in time.
    * :meth:`abort`: closes the connection at once. May be called after the connection has ended.
    * :attr:`taken`: optional. By default, the bytes that have left the transport's buffer are
      counted as the written bytes minus the buffered bytes.

    **Called by a transport**

    * :meth:`pump` each time the transport becomes writable again;
    * :meth:`blocked` when the transport stops being writable for another reason than
      :meth:`write`, such as a write by the application;
    * :meth:`ended` once, when the connection has ended, in addition to
      :meth:`rtmon.hub.Hub.closed`.

    Args:
        hub: the hub, for its clock and for its options, which limit the queue. The options are read
            at each use.
    """

    _queue: SendQueue[_Message] | None = None
    _progress: Progress | None = None
    _alarm: Timer | None = None
    _cut: asyncio.TimerHandle | None = None
    _roomless: list[asyncio.Future[None]] | None = None
    _closing: tuple[int, str] | None = None
    _over = False
    _slow = False
    _written = 0

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._context = hub.context

    # Implemented by a transport

    @property
    @abc.abstractmethod
    def writable(self) -> bool:
        """True if the transport accepts a message now."""

    @abc.abstractmethod
    def write(self, data: str | bytes) -> None:
        """Hand a message to the transport."""

    @property
    @abc.abstractmethod
    def buffered(self) -> int:
        """Number of bytes in the transport's buffer."""

    @abc.abstractmethod
    def end(self, code: int, reason: str) -> None:
        """Start to close the connection, after the messages written so far."""

    @abc.abstractmethod
    def abort(self) -> None:
        """Close the connection at once."""

    @property
    def taken(self) -> int:
        """A number that grows when bytes leave the buffer of a transport that is not writable."""
        return self._written - self.buffered

    # Called by the hub

    @property
    def open(self) -> bool:
        """True while the connection accepts messages."""
        return self._closing is None and not self._over

    @property
    def closing(self) -> bool:
        return self._closing is not None

    @property
    def ending(self) -> Ending:
        if self.meter is None or self.meter.ending is None:
            if self._closing is not None:
                return closed_here(*self._closing, slow=self._slow)
            if self._slow:
                return Ending(close_code=codes.ABNORMAL, cause="slow consumer")
        return super().ending

    @property
    def waiting(self) -> int:
        return self.buffered + (0 if self._queue is None else self._queue.bytes)

    def send(
        self,
        data: str | bytes,
        *,
        policy: Policy = "disconnect",
        key: Hashable = None,
        settled: Settled | None = None,
    ) -> bool | None:
        if not self.open:
            return False
        if not self._queue and self.writable:
            self._write(data)
            return True
        queue = self._queue
        if queue is None:
            queue = self._queue = SendQueue(self._given_up)
            if self.meter is not None:
                self.meter.held = queue
        verdict = queue.offer(
            (data, settled),
            size_of(data),
            bounds=self._context.options.bounds,
            now=self._context.clock(),
            policy=policy,
            key=key,
            buffered=self.buffered,
        )
        if verdict == "overflow":
            self.too_slow()
        else:
            self._watch()
        if verdict != "taken":
            self._dropped()
            return False
        return True if settled is None else None

    def close(self, code: int, reason: str) -> None:
        reason = checked_reason(code, reason)
        if not self.open:
            return
        self._closing = (code, reason)
        loop = asyncio.get_running_loop()
        self._cut = loop.call_later(CLOSE_TIMEOUT, self.abort)
        self._admit()
        if not self._queue:
            self.end(code, reason)

    def has_room(self, share: float = 1.0) -> bool:
        if not self.open:
            return True  # publishers do not wait for an ended connection
        queue, bounds = self._queue, self._context.options.bounds
        if queue is None:
            return self.buffered < share * bounds.bytes
        return queue.has_room(bounds, buffered=self.buffered, share=share)

    async def room(self) -> None:
        while self.open and not self.has_room(PUBLISHERS_SHARE):
            waiter = asyncio.get_running_loop().create_future()
            self._roomless = [*(self._roomless or ()), waiter]
            await waiter

    # Called by the transport

    def pump(self) -> None:
        """Write queued messages, because the transport is writable again."""
        if self._over:
            return
        self._progress = None
        queue = self._queue
        while queue and self.writable:
            data, settled = queue.take()
            self._write(data)
            if settled is not None:
                settled(True)
        if self._closing is not None and queue is not None and not queue:
            self._queue = None
            self.end(*self._closing)
        if self._roomless and self.has_room(PUBLISHERS_SHARE):
            self._admit()
        if queue or not self.writable:
            self._watch()

    def blocked(self) -> None:
        """Start to check that the receiver still reads, because the transport is not writable."""
        self._watch()

    def too_slow(self) -> None:
        """Close the connection with 1013, and drop its queued messages."""
        self._found_slow()
        self.close(codes.TRY_AGAIN_LATER, TOO_SLOW)

    def ended(self) -> None:
        """Drop the queue and stop all timers, because the connection has ended."""
        self._over = True
        if self._cut is not None:
            self._cut.cancel()
        if self._alarm is not None:
            self._alarm.cancel()
        self._give_up()
        self._admit()

    # Internal

    def _write(self, data: str | bytes) -> None:
        """Write a message. If this fills the transport, start to check that the receiver reads."""
        self._written += len(data)
        self.write(data)
        if not self.writable:
            self._watch()

    def _watch(self) -> None:
        """Start periodic checks of the receiver, unless they are running."""
        if self._progress is None and not self._over:
            self._progress = Progress(self.taken, self._context.clock())
            self._set_alarm()

    def _set_alarm(self) -> None:
        """Schedule the next check of the receiver."""
        if self._alarm is None:
            self._alarm = Timer(self._look)
        options = self._context.options
        self._alarm.set(min(options.stalled, options.max_waiting_age) / _LOOKS)

    def _look(self) -> None:
        """Check that the receiver reads queued messages, and reads them in time."""
        queue, progress = self._queue, self._progress
        if self._over or progress is None:
            return
        if self.writable and not queue:
            self._progress = None
            return
        options, now = self._context.options, self._context.clock()
        if progress.look(self.taken, now) >= options.stalled:
            self._found_slow()
            self.abort()
            return
        if queue:
            late = queue.expire(options.bounds, now)
            if late and self.open:
                self.too_slow()
        self._set_alarm()

    def _found_slow(self) -> None:
        """Drop the queue, and mark the connection as a slow consumer for the Monitor."""
        self._give_up()
        if self.open:
            self._slow = True
            if self.meter is not None:
                self.meter.too_slow = True

    def _give_up(self) -> None:
        """Drop all queued messages."""
        if self._queue is not None:
            self._queue.clear()

    def _given_up(self, message: _Message) -> None:
        """Count a dropped message, and call its ``settled`` callback with False."""
        self._dropped()
        if message[1] is not None:
            message[1](False)

    def _dropped(self) -> None:
        """Count a dropped message."""
        if self.meter is not None:
            self.meter.bump("dropped")

    def _admit(self) -> None:
        """Wake the publishers that wait for space in the send queue."""
        waiting, self._roomless = self._roomless, None
        for waiter in waiting or ():
            if not waiter.done():
                waiter.set_result(None)
