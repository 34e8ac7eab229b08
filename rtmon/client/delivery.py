"""Who is told what comes from the server, and what becomes of the client."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ..protocol.close import NORMAL
from .callbacks import Callbacks
from .membership import Attendance
from .receiver import Chunk, Replayed
from .records import Change, Message
from .reporting import Reporting
from .subscription import Buffer

__all__ = ["Delivery"]

_UNREAD = 1_000
"""Messages held until somebody iterates over the client, who may come late or never."""


class Delivery:
    """Passes on what a session tells, in order, to all who want it.

    Args:
        attendance: the subscriptions and rooms, and the session that tells.
        reporting: tells a Monitor of changes; None where there is none.

    Attributes:
        callbacks: the user's functions.
        on_chunk: called with each piece of a file.
        taps: called with each message and change, before anybody else.
    """

    def __init__(self, attendance: Attendance, reporting: Reporting | None) -> None:
        self.callbacks = Callbacks()
        self.on_chunk: Callable[[Chunk], None] = lambda _: None
        self.taps: list[Callable[[Message | Change], None]] = []
        self._attendance = attendance
        self._session = attendance.session
        self._reporting = reporting
        self._size = self._session.options.buffer
        self._messages: Buffer[Message] = Buffer(min(_UNREAD, self._size))
        self._read = self._missed = False

    async def read(self) -> Message:
        """The next message, for who iterates; with a gap if those before it had to go.

        Raises:
            StopAsyncIteration, ClientClosed: as :meth:`Buffer.get`.
        """
        self._read, self._messages.size = True, self._size
        message = await self._messages.get()
        missed, self._missed = self._missed, False
        return replace(message, gap=True) if missed else message

    def pass_on(self) -> None:
        """Tell of what has happened since the last call."""
        for event in self._session.take_events():
            if isinstance(event, Chunk):
                self.on_chunk(event)
                continue
            if isinstance(event, Replayed):
                self._session.dropped += self._attendance.publication(event.message)
                continue
            for tap in self.taps:
                tap(event)
            if isinstance(event, Change):
                if self._reporting is not None:
                    self._reporting.changed(event)
                self.callbacks.change(event)
            else:
                self._message(event)

    def _message(self, message: Message) -> None:
        if message.type == "publication":
            self._session.dropped += self._attendance.publication(message)
        self._session.dropped += self.callbacks.message(message)
        if self._messages.put(message):
            self._missed = True
            # Nobody misses what goes from here before they have begun to read.
            self._session.dropped += self._read

    def end(self) -> None:
        """The client has ended: nothing more will come."""
        ended = self._session.lifecycle.ended
        # The end that the server wished for in good order is no error.
        error = None if ended is None or ended.code == NORMAL else self._session.gone()
        self._messages.end(error)
        self._attendance.end(error)
        self.callbacks.end()
        if self._reporting is not None:
            self._reporting.ended()
