"""History recovery: a returning client first gets missed publications, then live ones.

No publication is lost or sent twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ..errors import ProtocolError
from ..protocol import close
from ..protocol.catalog import Position
from .broadcast import Broadcast
from .brokers.base import Recovery
from .catch_up_buffer import CatchUp
from .connection import Connection
from .hub_context import HubContext
from .outgoing_messages import Outgoing
from .room_channel_keys import to_message

__all__ = ["HistoryReplay"]

_POLL = 0.02
"""Seconds between two checks whether a receiver's send queue has space."""

_SHARE = 0.25
"""Fraction of a receiver's send queue that missed publications may fill. If they filled more, the
last of these publications would wait too long."""

_PATIENCE = 20.0
"""Seconds after which a receiver is disconnected if it reads none of its missed publications."""


class HistoryReplay:
    """Sends a client the publications that it missed, then adds it to the live receivers.

    Args:
        context: the hub's shared context.
        broadcast: holds back live publications while the missed ones are sent.
    """

    def __init__(self, context: HubContext, broadcast: Broadcast) -> None:
        self._context = context
        self._broadcast = broadcast

    async def enter(
        self,
        connection: Connection,
        key: str,
        since: Position | None,
        *,
        add: Callable[[], object],
        answer: Callable[[Recovery], object],
    ) -> None:
        """Add a client to a room, a channel or the chat.

        Live publications are held back while the history is fetched and sent, at the speed at which
        the client reads. Then, in one step of the event loop, the client gets the last held-back
        publications and is added to the live receivers.

        Args:
            connection: the client's connection.
            key: key of the room, the channel or the chat.
            since: position that the client returns with; None to receive live publications only.
            add: adds the connection to the live receivers.
            answer: answers the client's request, with the current position.

        Raises:
            ProtocolError: the position is beyond the latest publication, or too many publications
                were held back.
        """
        broker, broadcast = self._context.broker, self._broadcast
        await broker.hold(key)
        held = broadcast.begin_catch_up(key)
        try:
            asked = None if since is None else (since.epoch, since.offset)
            age = self._context.history_bounds(key)[1]
            recovery = await broker.recover(key, since=asked, age=age)
            _check(since, recovery)
            missed = [Outgoing(to_message(published)) for published in recovery.published]
            missed += held.take(recovery.offset)
            start = _start(since, recovery)
            connection.peer.entered(key, start, recovered=recovery.recovered)
            answer(recovery)
            await _send(connection, missed, held, recovery.offset)
            # Send the collected batch before the client is added, because the client has already
            # got these publications from the history.
            broadcast.flush(key)
            _check_open(connection)
            add()
            broadcast.changed(key)
        except BaseException:
            connection.peer.left(key)
            await broker.release(key)
            raise
        finally:
            broadcast.end_catch_up(key, held)


async def _send(connection: Connection, missed: list[Outgoing], held: CatchUp, offset: int) -> None:
    """Send missed publications, then held-back ones. Disconnect a receiver that is too slow."""
    try:
        while missed:
            for outgoing in missed:
                # Wait for space, because a history can be much larger than a send queue.
                if not connection.peer.has_room(_SHARE):
                    await _room(connection)
                connection.send_encoded(outgoing.encoded(connection.codec)[0])
            missed = held.take(offset)
    except (ProtocolError, TimeoutError):
        connection.peer.close(close.TRY_AGAIN_LATER, "you read too slowly")


async def _room(connection: Connection) -> None:
    """Wait until a connection's send queue has space.

    Raises:
        TimeoutError: the receiver reads nothing.
    """
    loop = asyncio.get_running_loop()
    least, when = connection.peer.waiting, loop.time()
    while not connection.peer.has_room(_SHARE):
        await asyncio.sleep(_POLL)
        if connection.peer.waiting < least:
            least, when = connection.peer.waiting, loop.time()
        elif loop.time() - when > _PATIENCE:
            raise TimeoutError


def _start(since: Position | None, recovery: Recovery) -> Position:
    """Return the client's position before it gets the missed publications."""
    if since is not None and since.epoch == recovery.epoch:
        return since
    return Position(epoch=recovery.epoch, offset=recovery.offset)


def _check_open(connection: Connection) -> None:
    """Raise ProtocolError if the connection has ended."""
    if not connection.open:
        raise ProtocolError("unknown_client", "The connection has ended meanwhile.")


def _check(since: Position | None, recovery: Recovery) -> None:
    """Check that a position is not beyond the latest publication.

    Raises:
        ProtocolError: the position is beyond the latest publication.
    """
    if since is not None and since.epoch == recovery.epoch and since.offset > recovery.offset:
        raise ProtocolError(
            "invalid_position",
            f"Offset {since.offset} does not exist yet, the latest is {recovery.offset}: return "
            "with the position of the last message that you got.",
        )
