"""Positions in histories, to detect duplicates and gaps. Pure.

Channels, rooms and the chat number their publications. By the last
number it received, a client tells if a message is new, a duplicate, or comes after a gap.
"""

from __future__ import annotations

from ..core.lru_cache import LRU
from ..protocol.catalog import Position

__all__ = ["Cursor", "Cursors"]

_CURSORS = 1_000
"""Maximum number of channels of a pattern whose positions are kept (LRU)."""


class Cursor:
    """The position of a client in one history.

    Args:
        dense: True if every number is delivered, so that a missing one is a gap. In a room a
            client's own messages have a number, but are not delivered to it.
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
        """Set the position that the server reports, and if recovery from there is complete.

        Returns:
            True if messages were lost.
        """
        mine = self.position
        if mine is None or position is None:
            self.position = position
            # Without a position to recover from, it is unknown what was missed.
            lost = position is None and recovered is False
        else:
            lost = not recovered and mine != position
            if recovered is None or mine.epoch != position.epoch:
                # The server sends none of the missed messages.
                self.position = position
        self.lost = self.lost or lost
        return lost

    def take(self, at: Position) -> bool | None:
        """Advance to the position of a message.

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
        position: the position to start at.
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
        """Mark the next message as following a gap."""
        self._lost = True

    def begin(self, position: Position | None) -> None:
        """Start at a position, unless the subscription is past it.

        None if the server no longer has the history of the subscription.
        """
        if self._first.position is None or position is None:
            self._first.position = position

    def take(self, channel: str, at: Position) -> bool | None:
        """Advance in one channel; returns the same as :meth:`Cursor.take`."""
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
