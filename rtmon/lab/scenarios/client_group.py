"""Parts of scenarios: a client group of variable size, a publisher, and message timestamps."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from websockets.exceptions import WebSocketException

from ..simulated_connection import SimulatedConnection

__all__ = ["AT_ONCE", "LEAVE", "UNREACHABLE", "ClientGroup", "TimedPublisher", "stamp", "stamps"]

UNREACHABLE = (OSError, TimeoutError, WebSocketException)
"""Exceptions that a failed attempt to connect raises."""

_AGAIN = 1.0
"""Seconds after which a client that lost its connection reconnects."""

LEAVE = 3.0
"""Seconds to wait for the server's close frame. With this limit, a scenario also ends on a frozen
link."""

AT_ONCE = 50
"""Maximum number of clients that connect at the same time."""

_STAMP = re.compile(rb"@(\d{1,12}\.\d{1,6})@")


def stamp(seconds: float) -> str:
    """Return the text of a timestamp, to be put into a message."""
    return f"@{seconds:.6f}@"


def stamps(data: bytes) -> Iterator[float]:
    """Yield the timestamp of each message in received data, which may be a batch of messages."""
    for found in _STAMP.finditer(data):
        yield float(found[1])


class ClientGroup:
    """A group of clients of a variable size. Clients that lose their connection reconnect.

    Args:
        join: connects a client, given the client's number from 0.
        size: returns the wanted number of clients.

    Attributes:
        members: the connections of the clients.
        changed: an event that the scenario sets when the result of ``size`` has changed.
    """

    def __init__(
        self, join: Callable[[int], Awaitable[SimulatedConnection]], size: Callable[[], int]
    ) -> None:
        self.members: list[SimulatedConnection] = []
        self.changed = asyncio.Event()
        self._join, self._size = join, size
        self._next = 0

    async def fill(self) -> None:
        """Connect or disconnect clients until the wanted number is connected.

        Raises:
            OSError, TimeoutError, WebSocketException: the server cannot be reached.
        """
        self.members = [member for member in self.members if not member.ended]
        while len(self.members) > self._size():
            await self.members.pop().leave("normal", within=LEAVE)
        while (missing := self._size() - len(self.members)) > 0:
            joining = []
            for _ in range(min(missing, AT_ONCE)):
                joining.append(self._join(self._next))
                self._next += 1
            joined = await asyncio.gather(*joining, return_exceptions=True)
            self.members += [one for one in joined if isinstance(one, SimulatedConnection)]
            for problem in joined:
                if isinstance(problem, BaseException):
                    raise problem

    async def keep(
        self, tell: Callable[[SimulatedConnection], Awaitable[None]] | None = None
    ) -> None:
        """Keep the number of clients at the wanted number, until cancelled.

        Args:
            tell: called with each connection after :attr:`changed` was set.
        """
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_AGAIN):
                    await self.changed.wait()
            changed = self.changed.is_set()
            self.changed.clear()
            with contextlib.suppress(*UNREACHABLE):
                await self.fill()
            if changed and tell is not None:
                for member in self.members:
                    await tell(member)

    async def leave(self) -> None:
        """Disconnect all clients."""
        members, self.members = self.members, []
        await asyncio.gather(*[member.leave("normal", within=LEAVE) for member in members])


class TimedPublisher:
    """A client that publishes messages, and reconnects after losing its connection.

    Args:
        url: URL of the server.
        name: name of the client.
    """

    def __init__(self, url: str, name: str) -> None:
        self._url, self._name = url, name
        self._connection: SimulatedConnection | None = None
        self._again = 0.0

    async def open(self) -> None:
        """Connect to the server.

        Raises:
            OSError, TimeoutError, WebSocketException: the server cannot be reached.
        """
        self._connection = await SimulatedConnection.open(self._url, self._name, compression=False)

    async def publish(self, channel: str, data: Any) -> bool:
        """Publish data on a channel. Return False if the client is not connected."""
        now = asyncio.get_running_loop().time()
        if (self._connection is None or self._connection.ended) and now >= self._again:
            self._again = now + _AGAIN
            try:
                await self.open()
            except UNREACHABLE:
                return False
        if self._connection is None or self._connection.ended:
            return False
        await self._connection.send("publish", channel=channel, data=data)
        return True

    async def close(self) -> None:
        """Disconnect from the server. May be called twice."""
        if self._connection is not None:
            await self._connection.leave("normal", within=LEAVE)
            self._connection = None
