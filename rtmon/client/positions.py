"""Positions in histories, by which duplicates and gaps are detected. Pure.

Channels, rooms and the chat number their publications. A client that knows the last number it got
can tell which message is new, which comes again, and whether one is missing.
"""

from __future__ import annotations

from ..core.lru import LRU
from ..protocol.catalog import Position

__all__ = ["Cursor", "Cursors"]

_CURSORS = 1_000
"""Channels of one pattern whose positions are kept; past it the least recently used is dropped."""


class Cursor:
    """The position of a client in one history.

    Args:
        dense: true if every number is delivered here, so that a missing one is a loss. A client's
            own messages to a room have a number, but need not come back to it.
        position: of the last message received.

    Attributes:
        lost: true until the next message, if history was lost.
    """

    __slots__ = ("dense", "lost", "position")

    def __init__(self, *, dense: bool, position: Position | None = None) -> None:
        self.dense = dense
        self.position = position
        self.lost = False

    def entered(self, position: Position | None, recovered: bool | None) -> bool:  # noqa: FBT001 - both as they came
        """Take the server's word on where the history is, and whether what follows is complete.

        Returns:
            True if something was lost.
        """
        mine = self.position
        if mine is None or position is None:
            self.position = position
            # Without a position to return to, what was published meanwhile is unknown.
            lost = position is None and recovered is False
        else:
            lost = not recovered and mine != position
            if recovered is None or mine.epoch != position.epoch:
                # Nothing of what was missed follows.
                self.position = position
        self.lost = self.lost or lost
        return lost

    def take(self, at: Position) -> bool | None:
        """Move on to the position of a message.

        Returns:
            True if a message before it was lost; None if this one was received before.
        """
        mine = self.position
        if mine is not None and mine.epoch == at.epoch:
            if at.offset <= mine.offset:
                return None
            hole = self.dense and at.offset != mine.offset + 1
        else:
            hole = mine is not None
        gap = self.lost or hole
        self.position, self.lost = at, False
        return gap


class Cursors:
    """The positions of one subscription: in its channel, or in each channel that a pattern matches.

    Args:
        name: the channel, or a pattern.
        position: where it begins.
    """

    def __init__(self, name: str, position: Position | None) -> None:
        self._pattern = "*" in name
        self._first = Cursor(dense=True, position=position)
        self._channels: LRU[str, Cursor] = LRU(_CURSORS)
        self._lost = False

    @property
    def position(self) -> Position | None:
        """Position of the last message; None for a pattern."""
        return None if self._pattern else self._first.position

    def lost(self) -> None:
        """Have the next message say that history was lost."""
        self._lost = True

    def begin(self, position: Position | None) -> None:
        """Begin at a position, unless the subscription is further already.

        None if the server does not have the history that the subscription was in.
        """
        if self._first.position is None or position is None:
            self._first.position = position

    def take(self, channel: str, at: Position) -> bool | None:
        """Move on in one channel; returns as :meth:`Cursor.take`."""
        if not self._pattern:
            cursor = self._first
        else:
            known = self._channels.get(channel)
            cursor = known or Cursor(dense=False)
            if known is None:
                self._channels.put(channel, cursor)
        gap = cursor.take(at)
        if gap is None:
            return None
        gap, self._lost = gap or self._lost, False
        return gap
