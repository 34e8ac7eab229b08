"""Simulated users of a judged server, each with a connection that can be cut or frozen."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from ...lab.faults import FaultProxy
from .trial import Broken, Trial

__all__ = ["SimulatedUser", "first_fault"]


class SimulatedUser:
    """A user: connects through a fault proxy of its own, and keeps every text that arrives.

    Attributes:
        name: what the facts call this user.
        link: the proxy between this user and the server.
        heard: the texts that have arrived, the oldest first.
    """

    def __init__(
        self, name: str, link: FaultProxy, connection: ClientConnection, keep: int | None
    ) -> None:
        self.name = name
        self.link = link
        self._keep = keep
        self.heard: list[str] = []
        self._connection = connection

    @classmethod
    async def arrive(
        cls,
        name: str,
        trial: Trial,
        url: str,
        *,
        first: str | None = None,
        keep: int | None = None,
    ) -> SimulatedUser:
        """Connect a user; the end of the trial disconnects the user.

        Args:
            name: what the facts call this user.
            trial: which this user is part of.
            url: of the server.
            first: sent as soon as the connection is open.
            keep: characters of each text that are kept; None keeps it whole.

        Raises:
            Broken: the server does not let the user in.
        """
        link = await trial.proxy(url)
        person = await trial.enter(cls._connected(name, link, keep, trial.patience))
        if first is not None:
            await person.say(first)
        return person

    @classmethod
    @contextlib.asynccontextmanager
    async def _connected(
        cls, name: str, link: FaultProxy, keep: int | None, patience: float
    ) -> AsyncIterator[SimulatedUser]:
        try:
            connection = await connect(
                link.url,
                compression=None,
                ping_interval=None,
                open_timeout=patience,
                close_timeout=0.5,
                max_size=None,
                proxy=None,
            )
        except (OSError, TimeoutError, WebSocketException) as error:
            raise Broken(f"{name} could not connect: {error}") from None
        person = cls(name, link, connection, keep)
        listening = asyncio.create_task(person._listen(), name="rtmon-judge-listen")
        try:
            yield person
        finally:
            connection.transport.abort()
            listening.cancel()
            await asyncio.wait([listening])

    async def _listen(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for message in self._connection:
                text = message if isinstance(message, str) else repr(message)
                self.heard.append(text[: self._keep])

    @property
    def is_connected(self) -> bool:
        """True until the connection has ended."""
        return self._connection.close_code is None

    async def say(self, text: str | bytes) -> None:
        """Send a message.

        Raises:
            Broken: the connection has ended.
        """
        try:
            await self._connection.send(text)
        except ConnectionClosed as error:
            shown = repr(text) if len(text) < 30 else f"a message of {len(text):,} characters"
            raise Broken(
                f"{self.name} could not send {shown}: "
                f"the server had ended the connection ({_code(error)})"
            ) from None

    async def leave(self) -> None:
        """Close the connection in good order."""
        await self._connection.close()

    def cut(self) -> None:
        """Cut the link: the connection ends without a goodbye."""
        self.link.cut()


def first_fault(
    heard: Sequence[str], said: Sequence[str], listener: str, speaker: str
) -> str | None:
    """Compare one user's sent messages with those that another received; describe a difference.

    Args:
        heard: in the order of arrival.
        said: in the order of sending; each text is different.
        listener: the listener's name.
        speaker: the speaker's name.

    Returns:
        A sentence about the first difference, or None if all arrived once and in order.
    """
    numbers = {text: number for number, text in enumerate(said, start=1)}
    last, lost = 0, f"never reached {listener}"
    for text in heard:
        if text not in numbers:
            return f"{listener} heard {text[:40]!r}, which {speaker} never sent"
        number = numbers[text]
        if number <= last:
            return f"message {number} of {len(said)} from {speaker} reached {listener} twice"
        if number > last + 1:
            message = f"message {last + 1} of {len(said)} from {speaker}"
            late = said[last] in heard
            return f"{message} {f'reached {listener} after {number}' if late else lost}"
        last = number
    if last < len(said):
        return f"message {last + 1} of {len(said)} from {speaker} {lost}"
    return None


def _code(error: ConnectionClosed) -> str:
    return f"code {error.rcvd.code}" if error.rcvd is not None else "without a close frame"
