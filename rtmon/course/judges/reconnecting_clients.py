"""Judge a learner's client that reconnects after lost connections.

The client has to receive each message exactly once, and must not retry too often while the server
refuses connections.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from websockets.asyncio.server import ServerConnection, broadcast

from ...lab.faults import FaultProxy
from .learner_code_errors import describe_error
from .simulated_users import first_fault
from .trial import Broken, Trial
from .trial_runner import judged
from .verdict import Promise, Verdict

__all__ = ["Follow", "reconnecting_client"]

Follow = Callable[[str, Callable[[int], None]], Awaitable[None]]
"""Type of the learner's function ``async def follow(url, receive)``.

It calls ``receive(number)`` once for each number that the server sends.
"""

_FOLLOWS = Promise(
    "the client receives what the server sends",
    "the numbers 1 to 10 are received, once and in order",
    "first send the number of the last message that you have: 0 at the beginning",
)
_CUT = Promise(
    "after a lost connection it goes on where it was",
    "the link is cut three times, once in the middle of a message, and the server closes once with "
    "1001: the numbers 1 to 50 are received, once and in order",
    "which exceptions and which ends does your loop survive, and what does it then ask for?",
)
_DOOR = Promise(
    "it does not hammer at a closed door",
    "while every connection is refused for 2 s it tries 2 to 25 times",
    "how long does it wait after the first failure, and how long after the fifth?",
)
_BACK = Promise(
    "it is back soon after the door has opened",
    "a message that is sent when the door opens is received within 6 s",
    "how long can the longest wait be?",
)
_CROWD = Promise(
    "clients that were cut off together do not come back in step",
    "in no twentieth of a second do all of six clients try at once, the first moment aside",
    "six clients compute the same waiting time from the same numbers: what could differ?",
)
_ENDS = Promise(
    "it ends when it is cancelled",
    "once it is cancelled the client ends, and so does its connection",
    "which of your `except` lines also catches a cancellation?",
)

_INSTANT = 0.05
"""Length in seconds of the interval in which attempts to connect count as simultaneous."""


async def reconnecting_client(follow: Follow) -> Verdict:
    """Judge a learner's client that receives numbered messages over connections that fail.

    The client connects, and sends the last number that it has received as a text message (``0`` at
    first). Then the server sends each higher number in a text message. A connection can end at any
    time, with or without a close frame. The client has to reconnect until it is cancelled.

    Args:
        follow: the learner's function, ``async def follow(url, receive)``.
    """

    async def scenario(trial: Trial) -> None:
        stream = _Stream()
        proxy = await trial.proxy(await trial.listen(stream.handle))
        received: list[int] = []
        client = trial.start(follow, proxy.url, received.append)

        async def all_received() -> None:
            await _all_received(trial, client, stream, received)

        def cut_in_a_message() -> None:
            for link in proxy.links:
                # With this number of bytes, the cut falls into the third message sent from now on.
                link.set("down", cut_after=link.bytes_down + 9)

        with trial.promise(_FOLLOWS):
            stream.publish(10)
            await all_received()
        with trial.promise(_CUT):
            for lose in (proxy.cut, cut_in_a_message, stream.close, proxy.cut):
                lose()
                stream.publish(10)
                await all_received()
        with trial.promise(_DOOR) as found:
            attempts = await _knocks(proxy)
            found.text = f"{len(attempts)} attempts"
            if not 2 <= len(attempts) <= 25:
                raise Broken(f"it tried {len(attempts)} times in 2 s")
        with trial.promise(_BACK):
            stream.publish(1)
            await all_received()
        with trial.promise(_CROWD):
            others: list[list[int]] = [[] for _ in range(5)]
            for other in others:
                _ = trial.start(follow, proxy.url, other.append)
            await trial.until(
                lambda: all(stream.last in other for other in others),
                "one of six clients did not receive everything",
            )
            attempts = await _knocks(proxy)
            crowds = _crowds(attempts, 6)
            if crowds > 1:  # All six may try in the same interval once by chance.
                raise Broken(f"{crowds} times all six tried in the same {1000 * _INSTANT:.0f} ms")
        with trial.promise(_ENDS):
            stream.publish(1)
            await all_received()
            everybody = stream.count
            client.cancel()
            await trial.until(client.done, "it went on after it was cancelled")
            await trial.until(lambda: stream.count < everybody, "its connection is still open")

    return await judged([_FOLLOWS, _CUT, _DOOR, _BACK, _CROWD, _ENDS], scenario)


def _crowds(attempts: list[float], many: int) -> int:
    """Count the 50 ms intervals in which at least ``many`` attempts to connect were made.

    Intervals do not overlap. ``attempts`` contains the times in seconds, in ascending order.
    """
    found, begin = 0, 0
    for end, at in enumerate(attempts):
        while at - attempts[begin] >= _INSTANT:
            begin += 1
        if end - begin + 1 >= many:
            found, begin = found + 1, end + 1
    return found


async def _all_received(
    trial: Trial, client: asyncio.Task[None], stream: _Stream, received: list[int]
) -> None:
    """Wait until the learner's client has received all published numbers, once and in order.

    Raises:
        Broken: a number is missing after 6 s, or arrived twice or out of order, or the client
            has ended.
    """
    await trial.until(
        lambda: stream.last in received or client.done(),
        lambda: stream.fault(received) or "the last number was not received",
        within=6,
    )
    if client.done():
        raise Broken(f"the client has ended, though nobody cancelled it{_error(client)}")
    if problem := stream.fault(received):
        raise Broken(problem)


def _error(task: asyncio.Task[None]) -> str:
    """Describe the exception with which the client's task ended; empty if there is none."""
    error = None if task.cancelled() else task.exception()
    return "" if error is None else f": it raised {describe_error(error)}"


async def _knocks(proxy: FaultProxy) -> list[float]:
    """Cut all connections, refuse new ones for 2 s, and return the times of attempts to connect.

    Attempts in the first 50 ms are omitted, because each client may reconnect once without
    waiting.
    """
    clock = asyncio.get_running_loop().time
    proxy.refusing = True
    proxy.cut()
    began = clock()
    await asyncio.sleep(2)
    proxy.refusing = False
    return [when for when in proxy.arrivals if when > began + _INSTANT]


class _Stream:
    """A server that publishes the numbers 1, 2, 3 and so on to all clients.

    A client that reconnects receives the numbers that it has missed.
    """

    def __init__(self) -> None:
        self.last = 0
        self.complaint = ""
        self._closing: list[asyncio.Task[None]] = []
        self._connections: set[ServerConnection] = set()

    async def handle(self, connection: ServerConnection) -> None:
        """Send a client the numbers that it has missed, and then each newly published number."""
        first = await connection.recv()
        if not (isinstance(first, str) and first.isdecimal()):
            self.complaint = f"the client first sent {first[:40]!r}, not a number"
            return
        for number in range(int(first) + 1, self.last + 1):
            broadcast([connection], str(number))
        self._connections.add(connection)
        await connection.wait_closed()
        self._connections.discard(connection)

    @property
    def count(self) -> int:
        """Number of connected clients."""
        return len(self._connections)

    def publish(self, count: int) -> None:
        """Publish the next ``count`` numbers to all connected clients."""
        for _ in range(count):
            self.last += 1
            broadcast(self._connections, str(self.last))

    def close(self) -> None:
        """Close all connections with code 1001 (going away), after which clients reconnect."""
        for connection in self._connections:
            self._closing.append(asyncio.create_task(connection.close(1001)))

    def fault(self, received: list[int]) -> str | None:
        """Compare the published numbers with the numbers that a client received.

        Returns a sentence about the first difference; None if there is none.
        """
        said = [str(number) for number in range(1, self.last + 1)]
        heard = [str(number) for number in received]
        return self.complaint or first_fault(heard, said, "the client", "the server")
