"""Deliver messages and state changes of a client to subscriptions, callbacks and iterations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ..protocol.close import NORMAL
from .callback_queue import Callbacks
from .monitor_reporting import MonitorReporting
from .receive_buffer import ReceiveBuffer
from .result_types import Change, Message
from .session import ClientSession
from .session_events import Chunk, Replayed
from .subscribe_and_join import Joining

__all__ = ["EventDelivery"]

_UNREAD = 1_000
"""Maximum number of messages kept before the user begins to iterate over the client."""


class EventDelivery:
    """Delivers the events of a session in order: to subscriptions, callbacks, iterations and taps.

    Args:
        session: the session, which collects the events.
        membership: the client's subscriptions.
        reporting: reports state changes to a Monitor; None without a Monitor.

    Attributes:
        callbacks: the user's callbacks.
        on_chunk: called with each chunk of a received file.
        taps: internal functions, called with each message and state change before the callbacks.
    """

    def __init__(
        self, session: ClientSession, membership: Joining, reporting: MonitorReporting | None
    ) -> None:
        self.callbacks = Callbacks()
        self.on_chunk: Callable[[Chunk], None] = lambda _: None
        self.taps: list[Callable[[Message | Change], None]] = []
        self._session = session
        self._membership = membership
        self._reporting = reporting
        self._size = self._session.options.buffer
        self._messages: ReceiveBuffer[Message] = ReceiveBuffer(min(_UNREAD, self._size))
        self._read = self._missed = False

    async def read(self) -> Message:
        """Wait for the next message of an iteration over the client.

        Returns:
            The message. Its ``gap`` is True if messages before it were dropped.

        Raises:
            StopAsyncIteration, ClientClosed: as :meth:`ReceiveBuffer.get`.
        """
        self._read, self._messages.size = True, self._size
        message = await self._messages.get()
        missed, self._missed = self._missed, False
        return replace(message, gap=True) if missed else message

    def pass_on(self) -> None:
        """Deliver all events that the session has collected since the last call."""
        for event in self._session.take_events():
            if isinstance(event, Chunk):
                self.on_chunk(event)
                continue
            if isinstance(event, Replayed):
                self._session.dropped += self._membership.publication(event.message)
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
            self._session.dropped += self._membership.publication(message)
        self._session.dropped += self.callbacks.message(message)
        if self._messages.put(message):
            self._missed = True
            # Count the message as dropped only if an iteration has begun: its reader has missed it.
            self._session.dropped += self._read

    def end(self) -> None:
        """End all subscriptions, callbacks and iterations, because the client has ended."""
        ended = self._session.lifecycle.ended
        # If the server closed normally (1000), iterations end without an error.
        error = None if ended is None or ended.code == NORMAL else self._session.gone()
        self._messages.end(error)
        self._membership.end(error)
        self.callbacks.end()
        if self._reporting is not None:
            self._reporting.ended()
