"""Slow receivers, for all transports alike."""

from __future__ import annotations

import abc
import asyncio
from collections.abc import Hashable
from typing import TYPE_CHECKING, TypeAlias

from ...core.backpressure import Policy, Progress, SendQueue
from ...core.reusable_timer import Timer
from ...metrics.close_causes import TOO_SLOW
from ...metrics.close_endings import closed_here
from ...metrics.records import Ending
from ...protocol import close as codes
from ...protocol.close import checked_reason
from ..encoding import size_of
from .base import PUBLISHERS_SHARE, Peer, Settled

if TYPE_CHECKING:
    from ..hub import Hub

__all__ = ["CLOSE_TIMEOUT", "QueuedPeer"]

CLOSE_TIMEOUT = 5.0
"""Seconds that a connection has to end by itself before it is cut: a reader that has stalled
never takes the close frame."""

_LOOKS = 4
"""Looks at a connection in the time after which something must be done about it."""


_Message: TypeAlias = tuple[str | bytes, Settled | None]


class QueuedPeer(Peer):
    """A Peer with a bounded queue in front of a transport that cannot always take messages.

    The queue is empty while the transport is :attr:`writable`, so a direct write to a writable
    transport overtakes nothing.

    **What a transport provides**

    * :attr:`writable`: whether its own buffer, which nothing can be taken back from, has room.
      Keep that buffer small. Where sending is a coroutine, one message at a time is enough: not
      writable from :meth:`write` until the coroutine has returned.
    * :meth:`write`: puts a message into that buffer. Called only while it is writable; does not
      block. An error of the transport is the transport's to handle: it ends the connection.
    * :attr:`buffered`: bytes in that buffer.
    * :meth:`end`: begins to close, in order after what was written. Called once at most. Whether
      it succeeds need not be watched: if :meth:`ended` is not called in time, :meth:`abort` is.
    * :meth:`abort`: cuts the connection at once. May be called when it has ended.
    * :attr:`taken`, where it can do better than the bytes written here less those buffered.

    **What a transport calls**

    * :meth:`pump` whenever it has become writable again;
    * :meth:`blocked` when it has stopped being writable without :meth:`write`, as when the program
      writes to it, too;
    * :meth:`ended` once, when the connection is gone, beside :meth:`rtmon.hub.Hub.closed`.

    Args:
        hub: has the options that bound the queue, read anew each time, and the clock.
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

    # What a transport provides

    @property
    @abc.abstractmethod
    def writable(self) -> bool:
        """Whether the transport takes a message now."""

    @abc.abstractmethod
    def write(self, data: str | bytes) -> None:
        """Hand a message to the transport."""

    @property
    @abc.abstractmethod
    def buffered(self) -> int:
        """Bytes that the transport has taken and that have not left."""

    @abc.abstractmethod
    def end(self, code: int, reason: str) -> None:
        """Begin to close the connection."""

    @abc.abstractmethod
    def abort(self) -> None:
        """Cut the connection."""

    @property
    def taken(self) -> int:
        """A number that grows as bytes leave while the transport is not writable."""
        return self._written - self.buffered

    # What the hub calls

    @property
    def open(self) -> bool:
        """Whether messages are taken."""
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
            return True  # a publisher does not wait for a connection that has ended
        queue, bounds = self._queue, self._context.options.bounds
        if queue is None:
            return self.buffered < share * bounds.bytes
        return queue.has_room(bounds, buffered=self.buffered, share=share)

    async def room(self) -> None:
        while self.open and not self.has_room(PUBLISHERS_SHARE):
            waiter = asyncio.get_running_loop().create_future()
            self._roomless = [*(self._roomless or ()), waiter]
            await waiter

    # What the transport calls

    def pump(self) -> None:
        """The transport can take messages again."""
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
        """The transport takes nothing for now: whether the reader does is watched."""
        self._watch()

    def too_slow(self) -> None:
        """Too much waits: end the connection with 1013, and without what still waits here."""
        self._found_slow()
        self.close(codes.TRY_AGAIN_LATER, TOO_SLOW)

    def ended(self) -> None:
        """The connection is gone."""
        self._over = True
        if self._cut is not None:
            self._cut.cancel()
        if self._alarm is not None:
            self._alarm.cancel()
        self._give_up()
        self._admit()

    # Inside

    def _write(self, data: str | bytes) -> None:
        self._written += len(data)
        self.write(data)
        if not self.writable:
            self._watch()

    def _watch(self) -> None:
        if self._progress is None and not self._over:
            self._progress = Progress(self.taken, self._context.clock())
            self._set_alarm()

    def _set_alarm(self) -> None:
        if self._alarm is None:
            self._alarm = Timer(self._look)
        options = self._context.options
        self._alarm.set(min(options.stalled, options.max_waiting_age) / _LOOKS)

    def _look(self) -> None:
        """Look whether the reader takes what waits, and soon enough."""
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
        """Drop what waits, and have the Monitor know why the connection ends."""
        self._give_up()
        if self.open:
            self._slow = True
            if self.meter is not None:
                self.meter.too_slow = True

    def _give_up(self) -> None:
        if self._queue is not None:
            self._queue.clear()

    def _given_up(self, message: _Message) -> None:
        self._dropped()
        if message[1] is not None:
            message[1](False)

    def _dropped(self) -> None:
        if self.meter is not None:
            self.meter.bump("dropped")

    def _admit(self) -> None:
        """Wake the publishers that wait for room."""
        waiting, self._roomless = self._roomless, None
        for waiter in waiting or ():
            if not waiter.done():
                waiter.set_result(None)
