"""Peers of transports that send with a coroutine, a few messages at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, TypeVar

from ..encoding import size_of
from .queued import QueuedPeer

if TYPE_CHECKING:
    from ..hub import Hub

__all__ = ["METER", "MONITOR", "Latest", "SendingPeer"]

D = TypeVar("D")
T = TypeVar("T")

METER = "rtmon.meter"
"""ASGI scope key under which ``rtmon/probes/asgi`` leaves the connection's meter."""

MONITOR = "rtmon.monitor"
"""ASGI scope key under which it leaves the Monitor of that meter."""

_ROUND = 16_384
"""Bytes sent in one go: what has been taken by then cannot be dropped any more."""


class Latest(Generic[D, T]):
    """Makes something of a message: once, where many get the same one in a row.

    Args:
        make: what makes it.
    """

    def __init__(self, make: Callable[[D], T]) -> None:
        self._make = make
        self._found: tuple[D, T] | None = None

    def __call__(self, data: D) -> T:
        """What is made of a message."""
        if self._found is None or self._found[0] is not data:
            self._found = (data, self._make(data))
        return self._found[1]


class SendingPeer(QueuedPeer):
    """A Peer with a task that sends what :meth:`round` gives.

    Attributes:
        goodbye: code and reason, once the hub has closed the connection.
        limit: a context for the transport's task; cutting the connection cancels what is in it.
        drop: what drops the network connection below; None if it cannot be reached, and then what
            the server has taken stays with it until the peer or TCP gives up.
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
        """Messages to send, in order; asking again confirms that those before were sent.

        Returns:
            None when all is sent and the connection is to be closed.
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
