"""Coming to a place: what was missed, then what happens, nothing lost and nothing twice."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..errors import ProtocolError
from ..protocol import close
from ..protocol.catalog import Position
from .brokers.base import Recovery
from .encoding import Outgoing
from .places import to_message

if TYPE_CHECKING:
    from .broadcast import CatchUp
    from .connection import Session

__all__ = ["enter"]

_AGAIN = 0.02
"""Seconds until it is looked again whether a receiver has taken what waits for it."""

_SHARE = 0.25
"""Of what may wait for a receiver, how much of what it missed does: the last of that must not
wait too long either."""

_PATIENCE = 20.0
"""Seconds for which a receiver may take nothing of what it missed."""


async def enter(
    session: Session,
    key: str,
    since: Position | None,
    *,
    add: Callable[[], object],
    answer: Callable[[Recovery], object],
) -> None:
    """Let a client into a place.

    What is published while the history is fetched and sent is held back. The client is answered
    and gets what it missed, no faster than it reads; then, in one step of the loop, the last of
    what was held back, and it is added to those who get what is published.

    Args:
        session: who.
        key: where.
        since: the position that the client returns with.
        add: adds it to the place.
        answer: tells it that it is there, and where that is.

    Raises:
        ProtocolError: the position was never reached, or too much was published meanwhile.
    """
    hub, audience = session.hub, session.hub.audience
    await hub.broker.hold(key)
    held = audience.catch_up(key)
    try:
        asked = None if since is None else (since.epoch, since.offset)
        recovery = await hub.broker.recover(key, since=asked, age=hub.keep(key)[1])
        _check(since, recovery)
        missed = [Outgoing(to_message(published)) for published in recovery.published]
        missed += held.take(recovery.offset)
        session.peer.entered(key, _beginning(since, recovery), recovered=recovery.recovered)
        answer(recovery)
        await _send(session, missed, held, recovery.offset)
        # What is collected for a batch is part of what was missed, or older.
        audience.flush(key)
        _still_there(session)
        add()
        audience.changed(key)
    except BaseException:
        session.peer.left(key)
        await hub.broker.release(key)
        raise
    finally:
        audience.caught_up(key, held)


def _still_there(session: Session) -> None:
    if not session.open:
        raise ProtocolError("unknown_client", "The connection has ended meanwhile.")


async def _send(session: Session, missed: list[Outgoing], held: CatchUp, offset: int) -> None:
    """Send what was missed, and what is published meanwhile; who takes too little is let go."""
    try:
        while missed:
            for outgoing in missed:
                # History may be far larger than what may wait for one connection.
                if not session.peer.has_room(_SHARE):
                    await _taken(session)
                session.put(outgoing.encoded(session.codec)[0])
            missed = held.take(offset)
    except (ProtocolError, TimeoutError):
        session.peer.close(close.TRY_AGAIN_LATER, "you read too slowly")


async def _taken(session: Session) -> None:
    """Wait until little enough waits for a connection.

    Raises:
        TimeoutError: it takes nothing.
    """
    loop = asyncio.get_running_loop()
    least, when = session.peer.waiting, loop.time()
    while not session.peer.has_room(_SHARE):
        await asyncio.sleep(_AGAIN)
        if session.peer.waiting < least:
            least, when = session.peer.waiting, loop.time()
        elif loop.time() - when > _PATIENCE:
            raise TimeoutError


def _beginning(since: Position | None, recovery: Recovery) -> Position:
    """Where the client is before it gets what it missed."""
    if since is not None and since.epoch == recovery.epoch:
        return since
    return Position(epoch=recovery.epoch, offset=recovery.offset)


def _check(since: Position | None, recovery: Recovery) -> None:
    if since is not None and since.epoch == recovery.epoch and since.offset > recovery.offset:
        raise ProtocolError(
            "invalid_position",
            f"Offset {since.offset} was never reached, the latest is {recovery.offset}: return "
            "with the position of the last message that you got.",
        )
