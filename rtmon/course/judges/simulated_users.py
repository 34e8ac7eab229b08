"""Simulated users of a learner's server, whose connections a judge can cut or freeze."""

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
    """A simulated user, who connects through a fault proxy and stores every received message.

    Attributes:
        name: the user's name in texts that the learner reads.
        link: the fault proxy between this user and the server. No other user shares it.
        heard: the received messages as text, the oldest first.
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
        """Connect a new user to the learner's server. The user is disconnected after the trial.

        Args:
            name: the user's name in texts that the learner reads.
            trial: the trial that this user belongs to.
            url: URL of the learner's server.
            first: message to send as soon as the connection is open; None to send none.
            keep: number of characters to store of each received message; None stores all.

        Raises:
            Broken: the user could not connect to the server.
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
        """Store all received messages until the connection ends."""
        with contextlib.suppress(ConnectionClosed):
            async for message in self._connection:
                text = message if isinstance(message, str) else repr(message)
                self.heard.append(text[: self._keep])

    @property
    def is_connected(self) -> bool:
        """True until the user's connection has ended."""
        return self._connection.close_code is None

    async def say(self, text: str | bytes) -> None:
        """Send a message to the learner's server.

        Raises:
            Broken: the server has ended the connection.
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
        """Close the connection with the closing handshake."""
        await self._connection.close()

    def cut(self) -> None:
        """Cut the TCP connection; no close frame is sent."""
        self.link.cut()


def first_fault(
    heard: Sequence[str], said: Sequence[str], listener: str, speaker: str
) -> str | None:
    """Compare the messages that one user sent with the messages that another user received.

    Args:
        heard: the received messages, in order of arrival.
        said: the sent messages, in order of sending. All texts are different.
        listener: name of the user who received the messages.
        speaker: name of the user who sent the messages.

    Returns:
        A sentence about the first difference; None if all messages arrived once and in order.
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
    """Return a text with the server's close code, or a text that it sent no close frame."""
    return f"code {error.rcvd.code}" if error.rcvd is not None else "without a close frame"
