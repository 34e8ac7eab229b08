"""A simulated user that recognizes its own messages when the server sends them back."""

from __future__ import annotations

import asyncio
import math

from .load_report import UserCounts
from .simulated_connection import SimulatedConnection
from .user_schedule import LoadOptions

__all__ = ["SimulatedUser"]

_OUTSTANDING = 1_000
"""Maximum number of unanswered messages stored for a user. Above it, the oldest are dropped."""


class SimulatedUser:
    """A simulated user, which connects, pauses, and tracks its messages that have not come back.

    Args:
        number: sequence number of the user, from 0.
        options: the options of the load.
        tally: the counters that the user increments.

    Attributes:
        name: name of the user.
        place: the room or channel to which the user sends messages.
    """

    def __init__(self, number: int, options: LoadOptions, tally: UserCounts) -> None:
        self.name = f"user-{number + 1:0{len(str(options.users))}d}"
        self.place = f"load.{number // options.group}"
        self.number = number
        self._tally = tally
        self._outstanding: dict[int, float] = {}  # number of a message → when it was due
        self._said = 0
        self._mark = f"#{number}.".encode()
        self.expecting = False
        """True while the user waits for the answer to its latest message."""
        self._waiter: asyncio.Future[None] | None = None
        self._connecting: asyncio.Timeout | None = None

    @property
    def waiting(self) -> bool:
        """True if a message of this user has not come back yet."""
        return bool(self._outstanding)

    def wake(self) -> None:
        """End the user's current pause."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def give_up(self) -> None:
        """Make a pending :meth:`connect` raise ``TimeoutError``."""
        if self._connecting is not None:
            self._connecting.reschedule(asyncio.get_running_loop().time())

    async def connect(self, url: str, *, compression: bool) -> SimulatedConnection:
        """Connect this user to a server.

        Raises:
            OSError, TimeoutError, WebSocketException: the attempt to connect failed.
        """
        try:
            async with asyncio.timeout(None) as self._connecting:
                return await SimulatedConnection.open(
                    url, self.name, hear=self.hear, compression=compression
                )
        finally:
            self._connecting = None

    async def pause(self, seconds: float | None) -> None:
        """Wait until :meth:`wake` is called, or for at most ``seconds`` if not None."""
        if seconds is not None and seconds <= 0:
            # Yield to the event loop even if the next message is overdue, so that other users can
            # run.
            await asyncio.sleep(0)
            return
        loop = asyncio.get_running_loop()
        self._waiter = loop.create_future()
        timer = None
        if seconds is not None and seconds < math.inf:
            timer = loop.call_later(seconds, self.wake)
        try:
            await self._waiter
        finally:
            self._waiter = None
            if timer is not None:
                timer.cancel()

    def marked(self, text: str, due: float) -> str:
        """Return a text with a mark, by which this user recognizes the message's return.

        Args:
            text: the text of the message.
            due: the time from which the latency is measured.
        """
        self._said += 1
        self._outstanding[self._said] = due
        if len(self._outstanding) > _OUTSTANDING:
            del self._outstanding[next(iter(self._outstanding))]
            self._tally.unanswered += 1
        return f"#{self.number}.{self._said}# {text}"

    def forget(self) -> None:
        """Stop waiting for messages that have not come back."""
        self._tally.unanswered += len(self._outstanding)
        self._outstanding.clear()

    def hear(self, data: bytes) -> None:
        """Find messages of this user in received data, and record their latencies."""
        tally = self._tally
        tally.received += 1
        if b'"type":"error"' in data:
            tally.errors += 1
        found = data.find(self._mark)
        if found < 0 or not self._outstanding:
            return
        now = asyncio.get_running_loop().time()
        while found >= 0:  # a batch may contain several messages
            begin = found + len(self._mark)
            end = data.find(b"#", begin, begin + 12)
            digits = data[begin:end] if end > 0 else b""
            if digits.isdigit() and (due := self._outstanding.pop(int(digits), None)) is not None:
                tally.answered += 1
                tally.latency.record(now - due)
            found = data.find(self._mark, begin)
        if self.expecting and not self._outstanding:
            self.wake()
