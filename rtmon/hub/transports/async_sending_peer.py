"""``SendingPeer``: base class of connections whose transport sends with a coroutine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, TypeVar

from ..outgoing_messages import size_of
from .queued_peer import QueuedPeer

if TYPE_CHECKING:
    from ..hub import Hub

__all__ = ["METER", "MONITOR", "LastResultCache", "SendingPeer"]

D = TypeVar("D")
T = TypeVar("T")

METER = "rtmon.meter"
"""ASGI scope key under which ``rtmon/probes/asgi`` stores the connection's meter."""

MONITOR = "rtmon.monitor"
"""ASGI scope key under which ``rtmon/probes/asgi`` stores the Monitor of the meter."""

_ROUND = 16_384
"""Maximum number of bytes handed over for sending at once. These bytes cannot be dropped any
more."""


class LastResultCache(Generic[D, T]):
    """Caches the last result of a function, because many receivers get the same message in a row.

    Args:
        make: the function, called with an encoded message.
    """

    def __init__(self, make: Callable[[D], T]) -> None:
        self._make = make
        self._found: tuple[D, T] | None = None

    def __call__(self, data: D) -> T:
        """Return the function's result for a message."""
        if self._found is None or self._found[0] is not data:
            self._found = (data, self._make(data))
        return self._found[1]


class SendingPeer(QueuedPeer):
    """A connection with a task that sends the messages returned by :meth:`round`.

    Attributes:
        goodbye: close code and reason, once the hub is closing the connection; else None.
        limit: timeout context for the transport's task. Aborting the connection cancels the task.
        drop: closes the network connection; None if it cannot be accessed. In that case, sent
            messages stay in the server's buffer until the client or TCP closes the connection.
    """

    def __init__(self, hub: Hub) -> None:
        super().__init__(hub)
        self.goodbye: tuple[int, str] | None = None
        self.limit = asyncio.timeout(None)
        self.drop: Callable[[], None] | None = None
        self._outbox: list[str | bytes] = []
        self._outbox_bytes = 0
        self._sending_bytes = 0
        self._wake = asyncio.Event()

    async def round(self) -> list[str | bytes] | None:
        """Wait for messages to send, and return them in order.

        The next call confirms that the messages returned by this call were sent.

        Returns:
            The messages; None once all messages are sent and the connection is to be closed.
        """
        self._sending_bytes = 0
        self.pump()
        while not self._outbox:
            if self.goodbye is not None:
                return None
            self._wake.clear()
            await self._wake.wait()
        messages, self._outbox = self._outbox, []
        self._sending_bytes, self._outbox_bytes = self._outbox_bytes, 0
        return messages

    @property
    def writable(self) -> bool:
        return self._outbox_bytes < _ROUND

    def write(self, data: str | bytes) -> None:
        self._outbox.append(data)
        self._outbox_bytes += size_of(data)
        self._wake.set()

    @property
    def buffered(self) -> int:
        return self._sending_bytes + self._outbox_bytes

    def end(self, code: int, reason: str) -> None:
        self.goodbye = (code, reason)
        self._wake.set()

    def abort(self) -> None:
        if not self._over and self.limit.when() is None:
            if self.drop is not None:
                self.drop()
            self.limit.reschedule(0)
