"""Adding a client to a place: first what it missed, then live; nothing lost and nothing twice."""

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
"""Seconds between two checks whether a receiver's queue has room."""

_SHARE = 0.25
"""Share of a receiver's queue that missed publications may fill: the last of them must not wait
too long either."""

_PATIENCE = 20.0
"""Seconds for which a receiver may read nothing of the publications it missed."""


class HistoryReplay:
    """Sends clients the publications that they missed, then adds them to the live receivers.

    Args:
        context: of the hub.
        broadcast: holds live publications back meanwhile.
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
        """Add a client to a place.

        Publications are held back while the history is fetched and sent. The client is answered
        and gets what it missed, no faster than it reads; then, in one step of the event loop, it
        gets the last publications held back and is added to the receivers.

        Args:
            connection: the client's.
            key: the place.
            since: the position that the client returns with; None to begin with live publications.
            add: adds the connection to the receivers of the place.
            answer: sends the client its answer, with the position of the place.

        Raises:
            ProtocolError: the position was never reached, or too much was published meanwhile.
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
            # What a batch has collected was sent as missed, or is older.
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
    """Send what was missed and what is published meanwhile; close a receiver that is too slow."""
    try:
        while missed:
            for outgoing in missed:
                # The history may be far larger than the queue of one connection.
                if not connection.peer.has_room(_SHARE):
                    await _room(connection)
                connection.send_encoded(outgoing.encoded(connection.codec)[0])
            missed = held.take(offset)
    except (ProtocolError, TimeoutError):
        connection.peer.close(close.TRY_AGAIN_LATER, "you read too slowly")


async def _room(connection: Connection) -> None:
    """Wait until a connection's queue has room.

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
    """Return the client's position before it gets what it missed."""
    if since is not None and since.epoch == recovery.epoch:
        return since
    return Position(epoch=recovery.epoch, offset=recovery.offset)


def _check_open(connection: Connection) -> None:
    if not connection.open:
        raise ProtocolError("unknown_client", "The connection has ended meanwhile.")


def _check(since: Position | None, recovery: Recovery) -> None:
    if since is not None and since.epoch == recovery.epoch and since.offset > recovery.offset:
        raise ProtocolError(
            "invalid_position",
            f"Offset {since.offset} was never reached, the latest is {recovery.offset}: return "
            "with the position of the last message that you got.",
        )
